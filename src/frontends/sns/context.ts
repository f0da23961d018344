/** What every action is given beside its call. */
import type { Port } from '../../broker/port.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { AwsCall } from '../aws/call.ts'
import type { QueueDirectory } from '../sqs/queue-directory.ts'
import type { HomeRealm } from './arns.ts'
import type { Courier } from './delivery/courier.ts'
import type { Outbox } from './delivery/outbox.ts'
import type { Publisher } from './publisher.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { Topics } from './topics.ts'

export interface SnsContext {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly home: HomeRealm
  readonly topics: Topics
  readonly subscriptions: Subscriptions
  readonly publisher: Publisher
  /** The queues that topics lead into, as SQS sees them. */
  readonly queues: QueueDirectory
  readonly outbox: Outbox
  readonly courier: Courier
  /** Subscriptions to http: and https: endpoints are taken. */
  readonly http: boolean
}

/** One action. Answers what its output shape says; throws `AwsError`, or a fault that errors.ts knows. */
export type Action = (context: SnsContext, call: AwsCall) => Promise<object>

export const DONE: object = Object.freeze({})
