/** A fleet of broker processes over one PostgreSQL, under load, that may be killed one by one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { PostgresEngine } from '../../../src/engine/postgres/engine.ts'
import { defaultPolicy } from '../../../src/model/policy.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { eventsOf, type FleetEvent } from './fleet-log.ts'

export interface VictimJob {
  readonly url: string
  readonly name: string
  readonly queue: string
  readonly leaseMs: number
  readonly patienceMs: number
  readonly logFile: string
}

interface Victim {
  readonly logFile: string
  readonly process: ChildProcess
  readonly exited: Promise<unknown>
}

const QUEUE = 'load'
const LEASE_MS = 1_500
const PATIENCE_MS = 20_000
const LOOK_MS = 20
const PROGRESS_LIMIT_MS = 90_000

export class VictimFleet {
  readonly #folder = mkdtempSync(join(tmpdir(), 'spindle-fleet-'))
  readonly #url: string
  readonly #alive: Victim[] = []
  readonly #logFiles: string[] = []
  readonly killed: { readonly logFile: string; readonly atMs: number }[] = []

  private constructor(url: string) {
    this.#url = url
  }

  static async start(url: string, brokers: number): Promise<VictimFleet> {
    const engine = openEngine(url)
    await engine.open()
    const policy = { ...defaultPolicy, attemptsMax: null }
    await engine.commit([{ ops: [{ kind: 'putQueue', queue: QUEUE, policy }] }])
    await engine.close()
    const fleet = new VictimFleet(url)
    for (let i = 0; i < brokers; i++) fleet.add()
    return fleet
  }

  add(): void {
    const name = `b${this.#logFiles.length}`
    const logFile = join(this.#folder, name)
    closeSync(openSync(logFile, 'a'))
    this.#logFiles.push(logFile)
    const job: VictimJob = { url: this.#url, name, queue: QUEUE, leaseMs: LEASE_MS, patienceMs: PATIENCE_MS, logFile }
    const script = fileURLToPath(new URL('victim.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(job)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    this.#alive.push({ logFile, process: child, exited })
  }

  /** kill -9 of the broker that has been there longest. */
  async killOne(): Promise<void> {
    const victim = this.#alive.shift()
    if (victim === undefined) throw new Error('no broker is left')
    this.killed.push({ logFile: victim.logFile, atMs: Date.now() })
    victim.process.kill('SIGKILL')
    await victim.exited
  }

  /** Until every living broker has had so many more sends acknowledged. */
  async progress(sends: number): Promise<void> {
    const endMs = performance.now() + PROGRESS_LIMIT_MS
    const before = new Map(this.#alive.map(({ logFile }) => [logFile, sentIn(logFile)]))
    const lags = (): boolean => this.#alive.some(({ logFile }) => sentIn(logFile) < (before.get(logFile) ?? 0) + sends)
    while (lags()) {
      if (performance.now() > endMs) throw new Error('the fleet does not get on')
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /** Until nothing that a killed broker held waits for another one any more. */
  async drainKilled(): Promise<void> {
    const endMs = performance.now() + PROGRESS_LIMIT_MS
    for (;;) {
      const again = new Set<string>()
      const events = this.events
      for (const { kind, body } of events) if (kind === 'acking') again.add(body)
      const held = this.killed.flatMap(({ logFile }) => this.eventsOf(logFile)).filter(({ kind }) => kind === 'leased')
      if (held.every(({ body }) => again.has(body)) || performance.now() > endMs) return
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }

  /** Lets all of them end by themselves. */
  async stop(): Promise<void> {
    for (const { process: child } of this.#alive) child.kill('SIGTERM')
    await Promise.all(this.#alive.map(({ exited }) => exited))
  }

  eventsOf(logFile: string): FleetEvent[] {
    return eventsOf(readFileSync(logFile, 'utf8'))
  }

  get events(): FleetEvent[] {
    return this.#logFiles.flatMap((logFile) => this.eventsOf(logFile))
  }

  /** Whatever the store still holds, leased or not. */
  async left(): Promise<Set<string>> {
    const engine = openEngine(this.#url)
    await engine.open()
    const left = new Set<string>()
    let cursor: string | undefined
    do {
      const page = await engine.browse({
        queue: QUEUE,
        states: ['ready', 'leased', 'delayed', 'dead'],
        limit: 500,
        ...(cursor === undefined ? {} : { cursor }),
      })
      for (const { content } of page.messages) left.add(Buffer.from(content.body).toString())
      cursor = page.cursor
    } while (cursor !== undefined)
    await engine.close()
    return left
  }

  dispose(): void {
    for (const { process: child } of this.#alive) child.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function openEngine(url: string): PostgresEngine {
  return new PostgresEngine({ url, clock: systemClock, random: systemRandom })
}

function sentIn(logFile: string): number {
  return readFileSync(logFile, 'utf8').split('\nsent ').length
}
