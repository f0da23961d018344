import type { CeleryMessage } from './protocol.ts'
import type { Envelope } from './transport.ts'

/** A delivery as Celery meant it. */
export interface Received {
  readonly task: string
  /** An Error where it cannot be read. */
  readonly message: CeleryMessage | Error
  readonly envelope: Envelope
}
