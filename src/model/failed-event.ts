/** The message that tells other queues of a death, in the unit in which it happens. */
import type { Content, DeathReason, MessageId } from './message.ts'

export interface Failure {
  /** Where it died. */
  readonly queue: string
  readonly id: MessageId
  readonly reason: DeathReason
  /** Deliveries it had spent. */
  readonly attempts: number
  /** Wall time of the death, ms. */
  readonly atMs: number
}

/** A head that says: the body is UTF-8 JSON, without type or headers (the first byte names the kind of body). */
const JSON_HEAD = Uint8Array.of(2)
const encoder = new TextEncoder()

export function failedEvent({ queue, id, reason, attempts, atMs }: Failure): Content {
  return { body: encoder.encode(JSON.stringify({ queue, id, reason, attempts, atMs })), head: JSON_HEAD }
}
