/**
 * Words between the brokers of a store. NOTIFY takes a lock that all commits of the cluster share, so words that come close together go in
 * one statement, at most `SENDS_PER_S` of them. Any of them may be lost; who must not miss something looks now and then.
 *
 *     !EPOCH  CHANNEL BASE64 …   a broadcast
 *     ?EPOCH  ID …               that broker follows these messages
 *     =EPOCH  ID …               these messages changed
 *
 * one item a line. Changes of messages are told only where a broker asked for them: `?` is repeated while it follows, and answered from
 * memory where the change was just before it.
 */
import type { MessageId } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'

const SENDS_PER_S = 20
/** A notification holds 8,000 bytes; the first line takes some. */
const PAYLOAD_BYTES = 7_900
/** Base64 adds a third. */
const BROADCAST_BYTES_MAX = 4_096
/** Items that wait to be sent; in a flood the others are lost. */
const WAITING_MAX = 10_000
/** What another broker follows is forgotten unless it says so again, ms. */
const FOLLOWED_MS = 15_000
const REPEAT_MS = 5_000
/** Changes are remembered for between once and twice as long, ms. */
const RECENT_MS = 2_000

export interface Carrier {
  readonly epoch: number
  readonly clock: Clock
  /** Payloads of notifications, in one statement. */
  readonly send: (payloads: readonly string[]) => Promise<unknown>
}

type Hearer = (channel: string, data: Uint8Array) => void
type Kind = '!' | '?' | '='

export class Words {
  #carrier: Carrier | undefined
  #others = 0
  readonly #hearers = new Set<Hearer>()
  /** Of messages that are followed here. */
  readonly #followers = new Map<MessageId, Set<() => void>>()
  /** Until when other brokers follow them. */
  readonly #followed = new Map<MessageId, number>()
  /** What changed lately, and before that. */
  #recent: [Set<MessageId>, Set<MessageId>] = [new Set(), new Set()]
  #turnedAtMs = 0
  #repeatedAtMs = 0
  readonly #waiting: Record<Kind, Set<string>> = { '!': new Set(), '?': new Set(), '=': new Set() }
  #sentAtMs = Number.NEGATIVE_INFINITY
  #sending = false

  carriedBy(carrier: Carrier): void {
    this.#carrier = carrier
  }

  /** Other brokers that live. Without any nothing is sent or remembered. */
  set others(count: number) {
    const before = this.#others
    this.#others = count
    if (count > before) this.#repeat()
  }

  hear(hearer: Hearer): () => void {
    const own: Hearer = (channel, data) => hearer(channel, data)
    this.#hearers.add(own)
    return () => {
      this.#hearers.delete(own)
    }
  }

  broadcast(channel: string, data: Uint8Array): void {
    if (data.length > BROADCAST_BYTES_MAX) return
    this.#say('!', `${encodeURIComponent(channel)} ${Buffer.from(data).toString('base64')}`)
  }

  changed(id: MessageId): void {
    if (this.#others === 0) return
    if (this.#followed.has(id)) this.#say('=', id)
    else this.#recent[0].add(id)
  }

  follow(id: MessageId, listener: () => void): () => void {
    const own = (): void => listener()
    const followers = this.#followers.get(id) ?? new Set()
    this.#followers.set(id, followers.add(own))
    this.#say('?', id)
    return () => {
      if (followers.delete(own) && followers.size === 0) this.#followers.delete(id)
    }
  }

  /** Whether the payload was one of these words. */
  heard(payload: string): boolean {
    const [head = '', ...items] = payload.split('\n')
    const kind = head[0]
    if (kind !== '!' && kind !== '?' && kind !== '=') return false
    if (Number(head.slice(1)) === this.#carrier?.epoch) return true
    for (const item of items) this.#take(kind, item)
    return true
  }

  #take(kind: Kind, item: string): void {
    if (kind === '!') {
      const [channel = '', data = ''] = item.split(' ')
      const bytes = new Uint8Array(Buffer.from(data, 'base64'))
      for (const hearer of [...this.#hearers]) hearer(decodeURIComponent(channel), bytes)
    } else if (kind === '=') {
      for (const follower of [...(this.#followers.get(item as MessageId) ?? [])]) follower()
    } else {
      const id = item as MessageId
      this.#followed.set(id, this.#nowMs() + FOLLOWED_MS)
      if (this.#recent.some((changed) => changed.has(id))) this.#say('=', id)
    }
  }

  /** From time to time: forgets what nobody asks for any more, and says again what is followed here. */
  tick(): void {
    const nowMs = this.#nowMs()
    for (const [id, untilMs] of this.#followed) if (untilMs <= nowMs) this.#followed.delete(id)
    if (nowMs - this.#turnedAtMs >= RECENT_MS) {
      this.#turnedAtMs = nowMs
      this.#recent = [new Set(), this.#recent[0]]
    }
    if (nowMs - this.#repeatedAtMs >= REPEAT_MS) this.#repeat()
  }

  #repeat(): void {
    this.#repeatedAtMs = this.#nowMs()
    for (const id of this.#followers.keys()) this.#say('?', id)
  }

  #nowMs(): number {
    return this.#carrier?.clock.monotonicMs() ?? 0
  }

  #say(kind: Kind, item: string): void {
    const waiting = this.#waiting[kind]
    if (this.#others === 0 || waiting.size >= WAITING_MAX) return
    waiting.add(item)
    this.#schedule()
  }

  #schedule(): void {
    const carrier = this.#carrier
    if (carrier === undefined || this.#sending) return
    this.#sending = true
    const waitMs = this.#sentAtMs + 1_000 / SENDS_PER_S - carrier.clock.monotonicMs()
    const send = (): void => {
      this.#sentAtMs = carrier.clock.monotonicMs()
      // A word that could not be sent is lost, as any may be.
      carrier
        .send(this.#payloads(carrier.epoch))
        .catch(() => {})
        .finally(() => {
          this.#sending = false
          if (Object.values(this.#waiting).some(({ size }) => size > 0)) this.#schedule()
        })
    }
    if (waitMs > 0) carrier.clock.setTimer(waitMs, send)
    else queueMicrotask(send)
  }

  #payloads(epoch: number): string[] {
    const payloads: string[] = []
    for (const kind of ['!', '?', '='] as const) {
      const head = `${kind}${epoch}`
      let payload = head
      for (const item of this.#waiting[kind]) {
        if (payload.length + item.length >= PAYLOAD_BYTES) {
          payloads.push(payload)
          payload = head
        }
        payload += `\n${item}`
      }
      if (payload !== head) payloads.push(payload)
      this.#waiting[kind].clear()
    }
    return payloads
  }
}
