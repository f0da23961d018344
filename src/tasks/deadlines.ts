/**
 * Many deadlines, few timers. Deadlines of one duration fall due in the order they were set, so each duration has a
 * list of its own with one timer for its head: setting and cancelling one is a few pointer writes, however many there are.
 */
import type { Clock, Timer } from '../runtime/clock.ts'

export interface Deadline {
  /** Idempotent; one that has fired may be cancelled. */
  cancel(): void
}

class Entry implements Deadline {
  readonly dueMs: number
  readonly fire: () => void
  readonly #list: List
  previous: Entry | undefined
  next: Entry | undefined

  constructor(list: List, dueMs: number, fire: () => void) {
    this.#list = list
    this.dueMs = dueMs
    this.fire = fire
  }

  cancel(): void {
    this.#list.remove(this)
  }
}

class List {
  #head: Entry | undefined
  #tail: Entry | undefined

  get head(): Entry | undefined {
    return this.#head
  }

  push(entry: Entry): void {
    entry.previous = this.#tail
    if (this.#tail === undefined) this.#head = entry
    else this.#tail.next = entry
    this.#tail = entry
  }

  remove(entry: Entry): void {
    const linked = entry.previous !== undefined || entry.next !== undefined || this.#head === entry
    if (!linked) return
    if (entry.previous === undefined) this.#head = entry.next
    else entry.previous.next = entry.next
    if (entry.next === undefined) this.#tail = entry.previous
    else entry.next.previous = entry.previous
    entry.previous = undefined
    entry.next = undefined
  }
}

interface Armed {
  readonly list: List
  timer: Timer | undefined
  /** Its timer is just firing and will be armed for the head afterwards. */
  firing: boolean
}

export class Deadlines {
  readonly #clock: Clock
  readonly #lists = new Map<number, Armed>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `fire` once, `durationMs` from now, unless it is cancelled first. */
  after(durationMs: number, fire: () => void): Deadline {
    let of = this.#lists.get(durationMs)
    if (of === undefined) {
      of = { list: new List(), timer: undefined, firing: false }
      this.#lists.set(durationMs, of)
    }
    const entry = new Entry(of.list, this.#clock.monotonicMs() + durationMs, fire)
    of.list.push(entry)
    if (of.timer === undefined && !of.firing) this.#arm(durationMs, durationMs)
    return entry
  }

  /** Forgets every deadline; no timer stays. */
  clear(): void {
    for (const { timer } of this.#lists.values()) timer?.cancel()
    this.#lists.clear()
  }

  #arm(durationMs: number, delayMs: number): void {
    const of = this.#lists.get(durationMs)
    if (of !== undefined) of.timer = this.#clock.setTimer(delayMs, () => this.#due(durationMs))
  }

  #due(durationMs: number): void {
    const of = this.#lists.get(durationMs)
    if (of === undefined) return
    of.timer = undefined
    of.firing = true
    const nowMs = this.#clock.monotonicMs()
    for (let head = of.list.head; head !== undefined && head.dueMs <= nowMs; head = of.list.head) {
      of.list.remove(head)
      head.fire()
    }
    of.firing = false
    const head = of.list.head
    if (head === undefined) this.#lists.delete(durationMs)
    else this.#arm(durationMs, head.dueMs - nowMs)
  }
}
