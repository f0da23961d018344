import { isFault } from '../../src/model/errors.ts'
import type { Spindle } from '../../src/spindle.ts'

/** Sends and receives without a pause; `acknowledged` and `received` are kept here, outside of what is being killed. */
export class Load {
  readonly acknowledged = new Set<string>()
  readonly received = new Map<string, number>()
  /** Told by an error; they may be there or not. */
  unknown = 0
  #stopped = false
  /** Why it ended early: the store was closed. */
  #fault: unknown
  #running: Promise<unknown>[] = []

  async start(spindle: Spindle): Promise<void> {
    const queue = await spindle.queue<string>('load', { leaseMs: 5_000, attemptsMax: null })
    let n = 0
    const send = async (): Promise<void> => {
      while (!this.#stopped && this.#fault === undefined) {
        const body = `m${++n}`
        await queue.send(body).then(
          () => this.acknowledged.add(body),
          (fault: unknown) => this.#failed(fault),
        )
      }
    }
    const take = async (): Promise<void> => {
      while ((!this.#stopped || this.left > 0) && this.#fault === undefined) {
        const messages = await queue.receive({ max: 20, waitMs: 200 }).catch((fault: unknown) => this.#failed(fault))
        for (const message of messages) {
          this.received.set(message.body, (this.received.get(message.body) ?? 0) + 1)
        }
        if (messages.length > 0) await queue.ack(...messages).catch(() => {})
      }
    }
    this.#running = [send(), send(), send(), take(), take()]
  }

  get left(): number {
    return [...this.acknowledged].filter((body) => !this.received.has(body)).length
  }

  #failed(fault: unknown): [] {
    this.unknown++
    if (isFault(fault, 'closed')) this.#fault = fault
    return []
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
    if (this.#fault !== undefined) throw this.#fault
  }

  async progress(): Promise<void> {
    const from = this.acknowledged.size
    while (this.acknowledged.size < from + 20) await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
