/** A connection as its channels and its handshake see it. */
import type { SettleRequest } from '../../broker/port.ts'
import type { Identity } from '../../model/access.ts'
import type { MessageId, Receipt } from '../../model/message.ts'
import type { FrameWriter } from '../../wire/amqp/frame-writer.ts'
import type { Arguments, MethodName } from '../../wire/amqp/methods.ts'
import type { Feed } from './consumer.ts'
import type { Hub } from './hub.ts'
import type { Publisher } from './publisher.ts'

export interface Session {
  readonly hub: Hub
  readonly name: string
  /** Throws before somebody logged in. */
  readonly identity: Identity
  readonly vhost: string
  /** Names it as the owner of its exclusive queues. */
  readonly owner: string
  readonly exclusiveQueues: Set<string>
  /** From now on it is the owner of something, for as long as it lives. */
  holdExclusives(): Promise<void>
  readonly writer: FrameWriter
  readonly publisher: Publisher
  /** Its socket does not keep up: its consumers get nothing until it does. */
  readonly choked: boolean
  /** Did the client announce that it understands this? */
  capability(name: string): boolean
  /** Sends a method; it leaves with the current batch, or soon. */
  send<Name extends MethodName>(channel: number, name: Name, args: Arguments<Name>): void
  flush(): void
  flushSoon(): void
  /** Settles with the current batch; `id`: whose receipt it is. */
  settle(receipt: Receipt, how: SettleRequest['how'], id: MessageId): void
  /** Hands over what `settle` and the publisher gathered, so that what follows comes after it. */
  commitBatch(): void
  /** A consumer of this queue may have room again; it is asked for more at the end of the batch. */
  touch(feed: Feed): void
  /** The channel is gone. */
  forget(channel: number): void
  /** A fault that no frame of the current batch is to blame for. */
  failChannel(channel: number, error: unknown, method: MethodName): void
}
