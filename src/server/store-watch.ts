/** Notices that the store can promise nothing any more, so that the process ends and the next one recovers. */
import type { Port } from '../broker/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

const LOOK_EVERY_MS = 500
/** After these nothing but opening the store again helps. */
const FINAL = new Set(['poisoned', 'corrupt', 'format-newer', 'format-older', 'closed'])

/** Calls `failed` once. A read costs nothing and rejects like every other call once the store is poisoned. */
export function watchStore(parts: { port: Port; clock: Clock; failed: (fault: SpindleError) => void }): () => void {
  const { port, clock, failed } = parts
  let timer: Timer | undefined
  let ended = false
  const look = (): void => {
    port.read('spindle/readiness').then(
      () => rest(),
      (fault: unknown) => {
        if (ended) return
        if (fault instanceof SpindleError && FINAL.has(fault.code)) failed(fault)
        else rest()
      },
    )
  }
  const rest = (): void => {
    if (!ended) timer = clock.setTimer(LOOK_EVERY_MS, look)
  }
  rest()
  return () => {
    ended = true
    timer?.cancel()
  }
}
