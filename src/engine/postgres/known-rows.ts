/** What a transaction knows of one table: each row as it is stored, and as it is to be. */

/** How a unit that aborts leaves no trace: each change says how to take it back. */
export class UndoLog {
  #steps: (() => void)[] = []

  note(takeBack: () => void): void {
    this.#steps.push(takeBack)
  }

  /** What was done stands. */
  forget(): void {
    this.#steps = []
  }

  /** The latest first. */
  rollBack(): void {
    const steps = this.#steps
    this.#steps = []
    for (const takeBack of steps.reverse()) takeBack()
  }
}

export interface Change<Key, Value> {
  readonly key: Key
  /** undefined: there is none. */
  readonly stored: Value | undefined
  readonly value: Value | undefined
}

export class KnownRows<Key, Value> {
  readonly #undo: UndoLog
  readonly #stored = new Map<Key, Value | undefined>()
  readonly #current = new Map<Key, Value | undefined>()

  constructor(undo: UndoLog) {
    this.#undo = undo
  }

  knows(key: Key): boolean {
    return this.#current.has(key)
  }

  /** Of a row that was loaded, or written here. Throws when it is not known whether there is one. */
  get(key: Key): Value | undefined {
    const value = this.#current.get(key)
    if (value === undefined && !this.#current.has(key)) throw new Error(`invariant: row ${key} was not loaded`)
    return value
  }

  /** As the server has it; what was known of it stays. */
  loaded(key: Key, value: Value | undefined): void {
    if (this.#current.has(key)) return
    this.#stored.set(key, value)
    this.#current.set(key, value)
  }

  set(key: Key, value: Value | undefined): void {
    const known = this.#current.has(key)
    const before = this.#current.get(key)
    this.#undo.note(() => {
      // A new row that was written meanwhile has to be removed again.
      if (known || this.#stored.has(key)) this.#current.set(key, before)
      else this.#current.delete(key)
    })
    this.#current.set(key, value)
  }

  values(): IterableIterator<Value | undefined> {
    return this.#current.values()
  }

  all(): IterableIterator<[Key, Value | undefined]> {
    return this.#current.entries()
  }

  changes(): Change<Key, Value>[] {
    const changes: Change<Key, Value>[] = []
    for (const [key, value] of this.#current) {
      const stored = this.#stored.get(key)
      if (stored !== value) changes.push({ key, stored, value })
    }
    return changes
  }

  /** The server has them all now. */
  written(): void {
    for (const [key, value] of this.#current) this.#stored.set(key, value)
  }

  /** The rows were changed on the server by a statement of their own. */
  forget(): void {
    this.#stored.clear()
    this.#current.clear()
  }
}
