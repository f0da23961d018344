import { expect, it } from 'vitest'
import { successRates } from '../../examples/vendors/vendors.ts'

// Billing is down for half of the time.
const load = { seconds: 120, downFromS: 30, downToS: 90 }

it('keeps each vendor at its own availability with a queue each', async () => {
  const { mail, sms, billing } = await successRates(load, 'separate')
  expect([mail, sms]).toEqual([1, 0.95])
  expect(billing).toBeGreaterThan(0.4)
  expect(billing).toBeLessThanOrEqual(0.52)
})

it('lets one outage reach everybody in a shared queue', async () => {
  const { mail, sms, billing } = await successRates(load, 'shared')
  expect(mail).toBeLessThan(0.8)
  expect(sms).toBeLessThan(0.8)
  expect(billing).toBeLessThan(0.6)
})
