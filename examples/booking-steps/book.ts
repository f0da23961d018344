/** `npx tsx examples/booking-steps/book.ts [GUEST] [FOLDER]`: enqueues a booking and asks until it is done. */
import { setTimeout as pause } from 'node:timers/promises'
import { chain, next, open, step } from 'spindle-mq'
import { mailVoucher, notifyPartners, renderVoucher, updateBooking } from './tasks.ts'

const [guest = 'Ada', folder = './data/booking-steps'] = process.argv.slice(2)
const ASK_EVERY_MS = 100

const spindle = await open(`file:${folder}/spindle`)
const input = { folder: `${folder}/files`, id: `B-${process.pid}`, guest, nights: 3 }
const run = await spindle.start(
  chain(step(updateBooking, input), next(renderVoucher), next(mailVoucher), next(notifyPartners)),
)
console.log(`accepted: ${run.id}`)

let status = await run.status()
for (; status.state === 'running'; status = await run.status()) await pause(ASK_EVERY_MS)

console.log(status.state === 'succeeded' ? `done: ${status.result.files.join(', ')}` : status)
await spindle.close()
