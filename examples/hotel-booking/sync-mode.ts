/** The first switch: everything inside the request, as many sites begin. The guest waits for all of it. */
import type { Booking, Step } from './booking.ts'
import { mailVoucher } from './mail.ts'
import { notifyServices } from './notify.ts'
import { bareHands } from './pace.ts'
import type { Surroundings } from './surroundings.ts'
import type { StepView } from './tracker.ts'
import { makeVoucher } from './voucher.ts'

type Outcome = Pick<StepView, 'state' | 'progress' | 'attempts' | 'result' | 'error' | 'runMs'>

/**
 * Resolves to whether all went well. There is no second attempt: a request cannot wait for a service to come back,
 * and what the earlier steps did cannot be taken back either.
 */
export async function workInRequest(
  booking: Booking,
  surroundings: Surroundings,
  onOutcome: (step: Step, outcome: Outcome) => void,
): Promise<boolean> {
  const work: readonly (readonly [Step, () => Promise<unknown>])[] = [
    ['voucher', () => makeVoucher(booking, surroundings, bareHands)],
    ['mail', () => mailVoucher(booking, surroundings, bareHands)],
    ['services', () => notifyServices(booking, surroundings, bareHands)],
  ]
  let well = true
  for (const [step, run] of work) {
    const startedMs = performance.now()
    const taken = (): number => performance.now() - startedMs
    if (!well) {
      onOutcome(step, { state: 'skipped', progress: 0, attempts: 0, result: undefined, error: undefined, runMs: 0 })
      continue
    }
    try {
      const result = await run()
      onOutcome(step, { state: 'succeeded', progress: 1, attempts: 1, result, error: undefined, runMs: taken() })
    } catch (error) {
      well = false
      const message = error instanceof Error ? error.message : String(error)
      onOutcome(step, { state: 'failed', progress: 0, attempts: 1, result: undefined, error: message, runMs: taken() })
    }
  }
  return well
}
