import type { MessageId } from '../model/message.ts'

/** How long the latest enqueues of this process took to become durable. A ring: what it costs does not grow with the work. */
const ENTRIES = 4_096

export class StoreTimes {
  readonly #ids: (MessageId | undefined)[] = new Array<MessageId | undefined>(ENTRIES).fill(undefined)
  readonly #storeMs = new Float64Array(ENTRIES)
  #next = 0

  note(id: MessageId, storeMs: number): void {
    this.#ids[this.#next] = id
    this.#storeMs[this.#next] = storeMs
    this.#next = (this.#next + 1) % ENTRIES
  }

  /** Milliseconds; undefined where another process stored it, or too long ago. */
  of(id: MessageId): number | undefined {
    const at = this.#ids.lastIndexOf(id)
    return at < 0 ? undefined : this.#storeMs[at]
  }
}
