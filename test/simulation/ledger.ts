/**
 * What the clients know, kept outside of the broker, and the judges of what only shows while it runs: no message is with two holders
 * at once, and no member of a group overtakes another. Shares no code with any engine.
 */
import { FaultLog, type SendFact } from '../faults/checkers.ts'

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

  newKey(prefix: string): string {
    return `${prefix}${++this.#serial}`
  }

  /** Is enough on its way that clients of the queue should rather receive? */
  isFull(queue: string): boolean {
    return (this.#backlog.get(queue) ?? 0) > BACKLOG_MAX
  }

  sending(queue: string, key: string, body: string): SendFact {
    this.operations++
    this.#backlog.set(queue, (this.#backlog.get(queue) ?? 0) + 1)
    return this.log.send({ key, queue, body, relaxed: false })
  }

  stored(send: SendFact, ok: boolean): void {
    send.answer = { at: this.log.next(), kind: ok ? 'stored' : 'not-stored' }
  }

  /** `key` was stored in `group`, after every other of it that was told here. */
  grouped(group: string, key: string): void {
    this.#groups.set(group, [...(this.#groups.get(group) ?? []), key])
    this.#groupOf.set(key, group)
  }

  /** What one receive brought, asked for at `askedMs` and heard at `heardMs`; `leaseMs` infinity: with its connection. */
  delivered(keys: readonly string[], how: { by: string; askedMs: number; heardMs: number; leaseMs: number }): void {
    for (const [index, key] of keys.entries()) {
      this.operations++
      this.log.deliveries.push({ key, at: this.log.next() })
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
    this.operations++
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

  /** Leases that were not synced may be forgotten, and those of a dead process end. */
  forgetHolds(): void {
    this.#holds.clear()
  }
}
