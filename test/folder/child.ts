/** Child processes that speak in lines of JSON: what they print is an event, what they are told is a command. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export interface ChildEvent {
  readonly event: string
  readonly [field: string]: unknown
}

export class Child {
  /** How many this test file started so far; good for names. */
  static started = 0
  readonly process: ChildProcess
  /** Sees each event as it comes. Those for which it answers something are not kept for `next`. */
  onEvent: ((event: ChildEvent) => unknown) | undefined
  readonly #unread: ChildEvent[] = []
  #wake: () => void = () => {}
  #over = false
  #errors = ''

  private constructor(child: ChildProcess) {
    this.process = child
    if (child.stdout === null || child.stderr === null) throw new Error('a child without pipes')
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line) as ChildEvent
      // Whoever takes note of an event has read it.
      if (this.onEvent?.(event) !== undefined) return
      this.#unread.push(event)
      this.#wake()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString()
    })
    child.once('close', () => {
      this.#over = true
      this.#wake()
    })
  }

  /** Starts `fixtures/<script>` and ends it, at the latest, with the test. */
  static start(script: string, ...args: readonly string[]): Child {
    Child.started++
    const path = fileURLToPath(new URL(`./fixtures/${script}`, import.meta.url))
    const child = new Child(spawn(process.execPath, ['--import', 'tsx', path, ...args], { stdio: 'pipe' }))
    onTestFinished(() => child.kill())
    return child
  }

  /** The next event of that name, now or later; the others stay for whoever asks for them. */
  async next(event: string): Promise<ChildEvent> {
    for (;;) {
      const at = this.#unread.findIndex((each) => each.event === event)
      const [found] = at < 0 ? [] : this.#unread.splice(at, 1)
      if (found !== undefined) return found
      if (this.#over) throw new Error(`the child ended without '${event}': ${this.#errors}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  tell(command: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.process.stdin?.write(`${JSON.stringify({ command, ...fields })}\n`)
  }

  async ask(command: string, fields: Readonly<Record<string, unknown>> = {}): Promise<ChildEvent> {
    this.tell(command, fields)
    return this.next(command)
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }

  /** kill -9, and wait until it is gone. */
  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exited = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await exited
  }

  async exit(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit')
    return this.process.exitCode
  }
}
