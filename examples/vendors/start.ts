/** `npx tsx examples/vendors/start.ts` */
import { successRates, VENDORS } from './vendors.ts'

const load = { seconds: 600, downFromS: 120, downToS: 420 }
const separate = await successRates(load, 'separate')
const shared = await successRates(load, 'shared')
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`.padStart(8)
console.log('calls that succeeded within 10 s; billing is down for 300 of 600 s\n')
console.log('vendor    a queue each    one queue for all')
for (const vendor of VENDORS) {
  console.log(`${vendor.padEnd(8)}      ${percent(separate[vendor])}             ${percent(shared[vendor])}`)
}
