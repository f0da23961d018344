/**
 * A delivery of the direct lease verb: in this process it is settled by numbers. Its id and receipt are put together when somebody
 * asks for them; most are acked without.
 */
import type { Content, Death, Delivery, MessageId, Receipt } from '../../model/message.ts'
import type { Core } from './core.ts'
import { formatId } from './ids.ts'
import { SLOT_MASK } from './index/slots.ts'
import type { ParsedReceipt, Receipts } from './receipts.ts'
import { blobAt } from './views.ts'

export class Leased implements Delivery, ParsedReceipt {
  readonly number: number
  readonly token: number
  readonly queue: string
  readonly content: Content
  readonly priority: number
  readonly sequence: number
  readonly groupId: string | undefined
  readonly dedupId: string | undefined
  readonly attempts: number
  readonly deliveries: number
  readonly enqueuedAtMs: number
  readonly dueAtMs: number | undefined
  readonly expiresAtMs: number | undefined
  readonly history: readonly Death[]
  readonly note: Uint8Array | undefined
  readonly firstLeasedAtMs: number | undefined
  readonly #core: Core
  readonly #receipts: Receipts

  /** Of a row that has just been leased. */
  constructor(core: Core, receipts: Receipts, slot: number) {
    const { slots } = core.index
    const c = slots.chunk(slot)
    const i = slot & SLOT_MASK
    const queue = core.index.queueOf(slot)
    const lease = slots.lease(c)
    const group = c.group === undefined ? 0 : (c.group[i] as number)
    const due = lease.due[i] as number
    const expires = c.expires === undefined ? 0 : (c.expires[i] as number)
    this.#core = core
    this.#receipts = receipts
    this.number = c.number[i] as number
    this.token = lease.token[i] as number
    this.queue = queue.name
    this.content = core.cache.content(c.segment[i] as number, c.offset[i] as number, c.length[i] as number)
    this.priority = c.priority[i] as number
    this.sequence = c.sequence === undefined ? this.number : slots.sequenceOf(slot)
    this.groupId = group === 0 ? undefined : queue.groups.at(group).key
    this.dedupId = c.dedup?.[i]
    this.attempts = c.attempts[i] as number
    this.deliveries = c.deliveries[i] as number
    this.enqueuedAtMs = c.enqueuedAt[i] as number
    this.dueAtMs = due === 0 ? undefined : core.toWall(due)
    this.expiresAtMs = expires === 0 ? undefined : core.toWall(expires)
    this.history = slots.history(slot)
    this.note = c.note === undefined ? undefined : blobAt(core, slots.blob(slot, 'note'))
    this.firstLeasedAtMs = lease.firstLeasedAt[i] as number
  }

  get id(): MessageId {
    return formatId(this.#core, this.number)
  }

  get receipt(): Receipt {
    return this.#receipts.format(this.number, this.token)
  }

  get state(): 'leased' {
    return 'leased'
  }

  get kept(): undefined {
    return undefined
  }

  get endedAtMs(): undefined {
    return undefined
  }
}
