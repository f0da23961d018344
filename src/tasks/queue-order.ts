import type { Random } from '../runtime/random.ts'
import type { QueueOrder } from './types.ts'

/**
 * In which order the queues of a worker are asked for the next tasks. `turns`: each is first in turn, and gets a share.
 * `strict`: the first one as long as it has anything. By weight: drawn, so that a queue of weight 3 is first three times as
 * often as one of weight 1, and none starves.
 */
export class QueueTurns {
  readonly #queues: readonly string[]
  readonly #order: QueueOrder
  readonly #random: Random
  #turn = 0

  constructor(queues: readonly string[], order: QueueOrder, random: Random) {
    this.#order = order
    this.#random = random
    this.#queues = queues
  }

  /** Is what one queue leaves for the next one all that it gets? Otherwise they share. */
  get isRanked(): boolean {
    return this.#order !== 'turns'
  }

  next(): readonly string[] {
    const queues = this.#queues
    if (this.#order === 'strict') return queues
    if (this.#order === 'turns') {
      this.#turn = (this.#turn + 1) % queues.length
      return [...queues.slice(this.#turn), ...queues.slice(0, this.#turn)]
    }
    return this.#drawn(this.#order)
  }

  /** Without putting back: a random number to the power of 1 / weight each, the largest first (Efraimidis and Spirakis). */
  #drawn(weights: Readonly<Record<string, number>>): readonly string[] {
    return this.#queues
      .map((queue) => ({ queue, key: this.#random.float() ** (1 / weightOf(queue, weights)) }))
      .sort((one, other) => other.key - one.key)
      .map(({ queue }) => queue)
  }
}

function weightOf(queue: string, weights: Readonly<Record<string, number>>): number {
  return Object.hasOwn(weights, queue) ? (weights[queue] ?? 1) : 1
}
