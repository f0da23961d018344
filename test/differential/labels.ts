/** Ids of the two engines differ; that the n-th of one is the n-th of the other must not. */
import { expect } from 'vitest'
import type { MessageId, MessageView } from '../../src/model/message.ts'

const decoder = new TextDecoder()

export class Labels {
  readonly #reference = new Map<string, string>()
  readonly #other = new Map<string, string>()
  /** Pairs in the order in which they were first seen. */
  readonly pairs: { readonly reference: MessageId; readonly other: MessageId }[] = []

  /** They came in the same place of the same answer, so they name the same message, now and for ever. */
  pair(reference: MessageId, other: MessageId): string {
    const known = this.#reference.get(reference)
    const alsoKnown = this.#other.get(other)
    expect(alsoKnown, `${reference} and ${other} name one message`).toBe(known)
    if (known !== undefined) return known
    const label = `message ${this.pairs.length + 1}`
    this.#reference.set(reference, label)
    this.#other.set(other, label)
    this.pairs.push({ reference, other })
    return label
  }

  knows(id: string): boolean {
    return this.#reference.has(id) || this.#other.has(id)
  }

  label(id: string): string {
    return this.#reference.get(id) ?? this.#other.get(id) ?? `unknown ${id}`
  }

  /** A view without what may differ: labels for ids, texts for bytes, no sequence (order shows it). */
  normal(view: MessageView): Record<string, unknown> {
    const { sequence: _sequence, content, note, kept, id, ...rest } = view
    return {
      ...rest,
      ...('receipt' in rest ? { receipt: undefined } : {}),
      id: this.label(id),
      body: this.#body(content.body, content.head),
      head: [...content.head],
      note: note === undefined ? undefined : decoder.decode(note),
      kept: kept === undefined ? undefined : decoder.decode(kept),
    }
  }

  /** Failed events name a message. */
  #body(body: Uint8Array, head: Uint8Array): unknown {
    const text = decoder.decode(body)
    if (head[0] !== 2) return text
    const event = JSON.parse(text) as { id: string }
    return { ...event, id: this.label(event.id) }
  }
}
