/** How a unit that aborts leaves no trace: each change says how to take it back. */
export class UndoLog {
  #steps: (() => void)[] = []

  note(takeBack: () => void): void {
    this.#steps.push(takeBack)
  }

  /** The unit stands. */
  forget(): void {
    this.#steps = []
  }

  /** Takes back everything since the last `forget`, the latest first. */
  rollBack(): void {
    const steps = this.#steps
    this.#steps = []
    for (const takeBack of steps.reverse()) takeBack()
  }
}
