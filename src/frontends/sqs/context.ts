/** What every action is given beside its call. */
import type { Port } from '../../broker/port.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { AwsCall } from '../aws/call.ts'
import type { QueueDirectory } from './queue-directory.ts'
import type { ReceiptHandles } from './receipt-handle.ts'
import type { ReceiveAttempts } from './receive-attempts.ts'
import type { RecentEvents } from './recent-events.ts'
import type { Throttle } from './throttle.ts'

export interface SqsContext {
  readonly port: Port
  readonly clock: Clock
  readonly directory: QueueDirectory
  readonly handles: ReceiptHandles
  readonly attempts: ReceiveAttempts
  /** The largest message that a queue may be set to, and the largest batch as a whole. */
  readonly messageBytesMax: number
  /** undefined: AWS's own caps are off. */
  readonly throttle: Throttle | undefined
  /** undefined: the rules of sixty seconds are off. */
  readonly sixtySeconds: { readonly purged: RecentEvents; readonly deleted: RecentEvents } | undefined
}

/** One action. Answers what its output shape says; throws `AwsError`, or a fault that errors.ts knows. */
export type Action = (context: SqsContext, call: AwsCall) => Promise<object>

export const DONE: object = Object.freeze({})
