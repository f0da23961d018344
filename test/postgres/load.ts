import type { Spindle } from '../../src/spindle.ts'

/** Sends and receives without a pause; `acknowledged` and `received` are kept here, outside of what is being killed. */
export class Load {
  readonly acknowledged = new Set<string>()
  readonly received = new Map<string, number>()
  /** Told by an error; they may be there or not. */
  unknown = 0
  #stopped = false
  #running: Promise<unknown>[] = []

  async start(spindle: Spindle): Promise<void> {
    const queue = await spindle.queue<string>('load', { leaseMs: 5_000, attemptsMax: null })
    let n = 0
    const send = async (): Promise<void> => {
      while (!this.#stopped) {
        const body = `m${++n}`
        await queue.send(body).then(
          () => this.acknowledged.add(body),
          () => this.unknown++,
        )
      }
    }
    const take = async (): Promise<void> => {
      while (!this.#stopped || this.left > 0) {
        const messages = await queue.receive({ max: 20, waitMs: 200 }).catch(() => [])
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

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
  }

  async progress(): Promise<void> {
    const from = this.acknowledged.size
    while (this.acknowledged.size < from + 20) await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
