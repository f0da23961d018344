import type { Delivery } from '../../model/message.ts'

/** What feeds the consumers of one queue, as they see it. */
export interface Feed {
  /** The queue's name in the store. */
  readonly queue: string
  /** Do its messages say how often they were delivered (quorum queues)? */
  readonly countsDeliveries: boolean
  isActive(consumer: Consumer): boolean
  remove(consumer: Consumer): void
  /** Something may have changed that gives a consumer room. */
  pump(): void
}

/** The channel as its consumers and the queues' feeds see it. */
export interface ConsumerChannel {
  /** How many more this channel takes: its shared prefetch, its cap, and whether its socket keeps up. */
  readonly room: number
  deliver(consumer: Consumer, delivery: Delivery): void
  /** After the last delivery of a batch. */
  delivered(): void
  /** The queue went away under the consumer (consumer cancel notification). */
  cancelled(consumer: Consumer): void
}

export interface ConsumerSettings {
  readonly tag: string
  readonly noAck: boolean
  readonly exclusive: boolean
  /** Higher ones are served first. Default 0. */
  readonly priority: number
  /** Deliveries without answer at most; 0: no limit of its own. */
  readonly prefetch: number
}

/** One basic.consume: its credit, and where its deliveries go. */
export class Consumer {
  readonly channel: ConsumerChannel
  readonly feed: Feed
  readonly settings: ConsumerSettings
  /** The tag as a shortstr on the wire. */
  readonly wireTag: Uint8Array
  unanswered = 0

  constructor(parts: { channel: ConsumerChannel; feed: Feed; settings: ConsumerSettings }) {
    this.channel = parts.channel
    this.feed = parts.feed
    this.settings = parts.settings
    const tag = Buffer.from(parts.settings.tag)
    this.wireTag = Buffer.concat([Uint8Array.of(tag.length), tag])
  }

  /** How many more it takes now. */
  get room(): number {
    const { channel, settings } = this
    const { room } = channel
    if (settings.noAck || settings.prefetch === 0) return room
    return Math.min(room, settings.prefetch - this.unanswered)
  }
}
