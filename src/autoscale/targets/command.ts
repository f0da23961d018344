/**
 * A shell command that brings a fleet to a number: `kubectl scale deploy/worker --replicas=$SPINDLE_WANTED`. It runs when the number
 * changes, again after a failure, and each REPEAT_MS in any case, so it must be idempotent. It may print the number of workers that
 * there are, as its last line; otherwise they are assumed to come (assumed-workers.ts).
 */
import { spawn } from 'node:child_process'
import process from 'node:process'
import type { Clock } from '../../runtime/clock.ts'
import { AssumedWorkers } from './assumed-workers.ts'
import type { Fleet, Order, Target } from './target.ts'

const REPEAT_MS = 60_000
const LIMIT_MS = 30_000
/** Of its output only the last line counts, and of its complaints the first. */
const OUTPUT_CHARS_MAX = 10_000

export interface CommandParts {
  readonly command: string
  readonly clock: Clock
  readonly startUpMs: number
  /** Workers that may be there already. */
  readonly ready: number
  /** Default 30,000. */
  readonly limitMs?: number
}

export class CommandTarget implements Target {
  readonly #parts: CommandParts
  readonly #assumed: AssumedWorkers
  #told: { readonly wanted: number; readonly atMs: number } | undefined
  readonly #running = new Set<() => void>()

  constructor(parts: CommandParts) {
    this.#parts = parts
    this.#assumed = new AssumedWorkers(parts)
  }

  fleet(): Fleet {
    return this.#assumed.fleet()
  }

  /** Rejects when the command failed, could not be started or took too long; the message says which. */
  async apply(order: Order): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs()
    if (this.#told?.wanted === order.wanted && nowMs - this.#told.atMs < REPEAT_MS) return
    const { ready, starting } = this.fleet()
    const output = await this.#run({
      SPINDLE_QUEUE: order.queue,
      SPINDLE_WANTED: String(order.wanted),
      SPINDLE_ACTUAL: String(ready + starting),
      SPINDLE_WAITING: String(order.waiting),
      SPINDLE_IN_FLIGHT: String(order.inFlight),
      SPINDLE_OLDEST_AGE_MS: String(Math.round(order.oldestAgeMs ?? 0)),
    })
    this.#told = { wanted: order.wanted, atMs: nowMs }
    const last = output.trimEnd().split('\n').at(-1)?.trim() ?? ''
    if (/^\d{1,9}$/.test(last)) this.#assumed.counted(Number(last))
    else await this.#assumed.apply(order)
  }

  /** Ends a command under way. The fleet is not this process's own: it stays. */
  async stop(): Promise<void> {
    for (const end of this.#running) end()
  }

  #run(env: Readonly<Record<string, string>>): Promise<string> {
    const { command, clock, limitMs = LIMIT_MS } = this.#parts
    return new Promise((resolve, reject) => {
      // In a group of its own, so that what the shell started ends with it.
      const child = spawn(command, {
        shell: true,
        detached: true,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let output = ''
      let errors = ''
      let isLate = false
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-OUTPUT_CHARS_MAX)
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        errors = (errors + text).slice(0, OUTPUT_CHARS_MAX)
      })
      const end = (): void => {
        try {
          if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
        } catch {
          // It ended at this moment.
        }
      }
      const timer = clock.setTimer(limitMs, () => {
        isLate = true
        end()
      })
      this.#running.add(end)
      const fail = (why: string): void =>
        reject(new Error(`'${command}' for queue '${env['SPINDLE_QUEUE']}' failed (${why})`))
      child.on('error', (fault) => fail(fault.message))
      child.on('close', (code, signal) => {
        timer.cancel()
        this.#running.delete(end)
        if (code === 0) resolve(output)
        else if (isLate) fail(`not done after ${limitMs} ms`)
        else fail(`${signal ?? `code ${code}`}: ${errors.trim().split('\n', 1)[0]}`)
      })
    })
  }
}
