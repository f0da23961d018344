import type { Delivery } from '../model/message.ts'

/** How many deliveries were not the first of their message, by queue, since this broker started. */
export class Redeliveries {
  readonly #counts = new Map<string, number>()

  delivered(deliveries: readonly Delivery[]): void {
    for (const { queue, deliveries: times } of deliveries) {
      if (times > 1) this.#counts.set(queue, this.of(queue) + 1)
    }
  }

  of(queue: string): number {
    return this.#counts.get(queue) ?? 0
  }

  forget(queue: string): void {
    this.#counts.delete(queue)
  }
}
