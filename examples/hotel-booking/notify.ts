/** Step 3: tell the other services, by webhook. */
import type { Booking } from './booking.ts'
import { type Hands, padTo } from './pace.ts'
import type { Surroundings } from './surroundings.ts'

const CALL_LIMIT_MS = 5_000

export interface Notified {
  readonly services: readonly string[]
  /** Those that had the booking from an earlier attempt. */
  readonly repeated: readonly string[]
}

/**
 * Calls one service after the other. When one is out of order the whole step fails and is tried again from the
 * first; the Idempotency-Key lets a service that heard of this booking before recognise it.
 */
export async function notifyServices(booking: Booking, { services, pace }: Surroundings, hands: Hands) {
  const startedMs = performance.now()
  const repeated: string[] = []
  for (const [index, service] of services.entries()) {
    const share = (done: number): number => done / services.length
    const padding = { startedMs, totalMs: pace.servicesMs * share(index + 1), from: share(index), to: share(index + 1) }
    await padTo(padding, hands)
    if ((await callService(service, booking, hands.signal)).repeated) repeated.push(service.name)
  }
  return { services: services.map(({ name }) => name), repeated } satisfies Notified
}

async function callService(service: Surroundings['services'][number], booking: Booking, signal: AbortSignal) {
  const response = await fetch(service.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': booking.id },
    body: JSON.stringify(booking),
    signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_LIMIT_MS)]),
  })
  const answer: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw new Error(`${service.name} answered ${response.status}`)
  return { repeated: typeof answer === 'object' && answer !== null && 'repeated' in answer && answer.repeated === true }
}
