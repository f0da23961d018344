import type { Port, Settlement } from '../broker/port.ts'
import { type DecodedHead, decodeBody, decodeHead } from '../model/content.ts'
import { NOTE_BYTES_MAX } from '../model/limits.ts'
import type { Death, Delivery, ExtendOutcome, MessageId, Receipt, SettleOutcome } from '../model/message.ts'
import type { Headers, Message } from './api.ts'

const ACK = { kind: 'ack' } as const

/** One delivery in an application's hands. The content is decoded when it is first looked at. */
export class LeasedMessage<T> implements Message<T> {
  readonly #port: Port
  readonly #delivery: Delivery
  #head: DecodedHead | undefined
  #body: { readonly value: unknown } | undefined

  constructor(port: Port, delivery: Delivery) {
    this.#port = port
    this.#delivery = delivery
  }

  get id(): MessageId {
    return this.#delivery.id
  }

  get receipt(): Receipt {
    return this.#delivery.receipt
  }

  get queue(): string {
    return this.#delivery.queue
  }

  /** The sender promised `T` to the same typed queue; bodies of other origin are the consumer's to check. */
  get body(): T {
    const { content } = this.#delivery
    const { kind } = this.#decodedHead
    if (kind === 'bytes') return content.body as T
    this.#body ??= { value: decodeBody(kind, content.body) }
    return this.#body.value as T
  }

  get headers(): Headers {
    return this.#decodedHead.headers
  }

  get type(): string | undefined {
    return this.#decodedHead.type
  }

  get key(): string | undefined {
    return this.#decodedHead.key
  }

  get group(): string | undefined {
    return this.#delivery.groupId
  }

  get priority(): number {
    return this.#delivery.priority
  }

  get attempt(): number {
    return this.#delivery.attempts
  }

  get enqueuedAtMs(): number {
    return this.#delivery.enqueuedAtMs
  }

  get history(): readonly Death[] {
    return this.#delivery.history
  }

  ack(): Promise<SettleOutcome> {
    return this.#settle(ACK)
  }

  release(
    options: { readonly delayMs?: number; readonly spend?: boolean; readonly error?: unknown } = {},
  ): Promise<SettleOutcome> {
    const { error, ...how } = options
    return this.#settle({ kind: 'release', ...how, ...(error === undefined ? {} : { note: errorNote(error) }) })
  }

  bury(reason: string, error?: unknown): Promise<SettleOutcome> {
    return this.#settle({ kind: 'bury', reason, ...(error === undefined ? {} : { note: errorNote(error) }) })
  }

  extend(leaseMs: number): Promise<ExtendOutcome> {
    return this.#port.extend([this.receipt], leaseMs).then(([outcome]) => outcome ?? { kind: 'stale' })
  }

  get #decodedHead(): DecodedHead {
    this.#head ??= decodeHead(this.#delivery.content.head)
    return this.#head
  }

  #settle(how: Settlement): Promise<SettleOutcome> {
    const { direct } = this.#port
    try {
      const outcome = direct?.settle(this.#delivery, how)
      if (direct !== undefined && outcome !== undefined) return direct.kept(outcome)
    } catch (fault) {
      return Promise.reject(fault)
    }
    return this.#port.settle([{ receipt: this.receipt, how, id: this.id }]).then(firstSettled)
  }
}

function firstSettled(outcomes: readonly SettleOutcome[]): SettleOutcome {
  return outcomes[0] ?? { kind: 'stale' }
}

/** What people will read about a failure: the error's own words, cut to the limit of a note. */
function errorNote(error: unknown): Uint8Array {
  const text = error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : String(error)
  return new TextEncoder().encode(text).subarray(0, NOTE_BYTES_MAX)
}
