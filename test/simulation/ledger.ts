/**
 * What the clients know, kept outside of the broker, and the judges of what only shows while it runs: no message is with two holders
 * at once, and no member of a group overtakes another. Shares no code with any engine.
 */
import { type Fault, FaultLog, type SeenMessage, type SendFact } from '../faults/checkers.ts'

const BACKLOG_MAX = 300

interface Hold {
  readonly by: string
  /** Virtual ms until which nobody else may get it; infinity: until it is ended or its connection is. */
  readonly untilMs: number
}

export class Ledger {
  readonly log = new FaultLog()
  readonly violations: string[] = []
  /** Messages sent, received and settled, calls to tasks, and faults. */
  operations = 0
  readonly #holds = new Map<string, Hold>()
  /** Keys of each group in the order of their sends, as far as it is known. */
  readonly #groups = new Map<string, string[]>()
  readonly #groupOf = new Map<string, string>()
  readonly #backlog = new Map<string, number>()
  readonly #gone = new Set<string>()
  readonly #settling = new Set<string>()
  #serial = 0
  #fingerprint = 0

  /** Of every send, delivery and end so far, in order. */
  get fingerprint(): number {
    return this.#fingerprint
  }

  newKey(prefix: string): string {
    return `${prefix}${++this.#serial}`
  }

  /** Is enough on its way that clients of the queue should rather receive? */
  isFull(queue: string): boolean {
    return (this.#backlog.get(queue) ?? 0) > BACKLOG_MAX
  }

  sending(queue: string, key: string, body: string): SendFact {
    this.#note(key)
    this.#backlog.set(queue, (this.#backlog.get(queue) ?? 0) + 1)
    return this.log.send({ key, queue, body, relaxed: false })
  }

  stored(send: SendFact, ok: boolean): void {
    send.answer = { at: this.log.next(), kind: ok ? 'stored' : 'not-stored' }
  }

  /** `key` was stored in `group`, after every other of it that was told here. */
  grouped(group: string, key: string): void {
    const members = this.#groups.get(group) ?? []
    members.push(key)
    this.#groups.set(group, members)
    this.#groupOf.set(key, group)
  }

  /** What one receive brought, asked for at `askedMs` and heard at `heardMs`; `leaseMs` infinity: with its connection. */
  delivered(keys: readonly string[], how: { by: string; askedMs: number; heardMs: number; leaseMs: number }): void {
    for (const [index, key] of keys.entries()) {
      this.#note(key)
      this.log.deliveries.push({ key, at: this.log.next() })
      if (!this.log.sends.has(key))
        this.violations.push(`unexpected: ${key} came to ${how.by}, and was never sent, or gone before`)
      const hold = this.#holds.get(key)
      if (hold !== undefined && how.heardMs < hold.untilMs)
        this.violations.push(
          `two holders: ${key} is with ${hold.by} until ${hold.untilMs} and came to ${how.by} at ${how.heardMs}`,
        )
      if (this.#gone.has(key)) this.violations.push(`undone: ${key} was acked and came to ${how.by}`)
      this.#holds.set(key, { by: how.by, untilMs: how.askedMs + how.leaseMs })
      const group = this.#groups.get(this.#groupOf.get(key) ?? '')
      if (group === undefined) continue
      const earlier = group
        .slice(0, group.indexOf(key))
        .find((other) => !this.#settling.has(other) && !keys.slice(0, index).includes(other))
      if (earlier !== undefined)
        this.violations.push(`overtaken: ${key} came before ${earlier} of its group was settled`)
    }
  }

  /** From here on somebody else may get it, or it is gone. */
  settling(queue: string, key: string, how: 'ack' | 'release'): (ok: boolean) => void {
    this.#note(key)
    this.#holds.delete(key)
    if (how === 'ack') {
      if (!this.#settling.has(key)) this.#backlog.set(queue, (this.#backlog.get(queue) ?? 0) - 1)
      this.#settling.add(key)
    }
    const end = this.log.end({ key, how, relaxed: false })
    return (ok) => {
      end.answer = { at: this.log.next(), kind: ok ? 'settled' : 'not-settled' }
      if (ok && how === 'ack') this.#gone.add(key)
    }
  }

  /** Whatever `by` held may go to somebody else. */
  letGo(by: string): void {
    for (const [key, hold] of this.#holds) if (hold.by === by) this.#holds.delete(key)
  }

  /**
   * A life has ended, and `stored` is what it left; it was judged. Of the rest nothing needs to be kept: where that comes back, nobody sent
   * it. Leases of a dead process end, and a power cut may forget those that were not synced.
   */
  lifeEnded(stored: readonly SeenMessage[], fault: Fault): void {
    const keys = new Set(stored.map(({ key }) => key))
    const { log } = this
    for (const key of log.sends.keys()) if (!keys.has(key)) log.sends.delete(key)
    log.ends.length = 0
    const deliveries = fault === 'kill' ? log.deliveries.filter(({ key }) => keys.has(key)) : []
    log.deliveries.splice(0, log.deliveries.length, ...deliveries)
    this.#holds.clear()
    this.#gone.clear()
    for (const key of this.#settling) if (!keys.has(key)) this.#settling.delete(key)
    for (const [group, members] of this.#groups)
      this.#groups.set(
        group,
        members.filter((key) => keys.has(key)),
      )
    for (const key of this.#groupOf.keys()) if (!keys.has(key)) this.#groupOf.delete(key)
    this.#backlog.clear()
    for (const { queue } of stored) this.#backlog.set(queue, (this.#backlog.get(queue) ?? 0) + 1)
  }

  #note(key: string): void {
    this.operations++
    for (let at = 0; at < key.length; at++) this.#fingerprint = (this.#fingerprint * 31 + key.charCodeAt(at)) | 0
  }
}
