/** Bytes of head and body in one queue by `State`, kept only for queues that have a cap on them. */
import { State } from './slots.ts'

export class Meter {
  readonly #bytes = new Float64Array(State.zombie + 1)

  enter(state: number, bytes: number): void {
    this.#bytes[state] = (this.#bytes[state] as number) + bytes
  }

  leave(state: number, bytes: number): void {
    this.#bytes[state] = (this.#bytes[state] as number) - bytes
  }

  in(state: number): number {
    return this.#bytes[state] as number
  }

  /** Of the pending, delayed and ready. */
  get waiting(): number {
    return this.in(State.pending) + this.in(State.delayed) + this.in(State.ready)
  }
}
