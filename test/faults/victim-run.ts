/** Runs a victim (fixtures/victim.ts) on a folder until it ends, and keeps the log that outlives it. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { type EndFact, FaultLog } from './checkers.ts'
import type { Line } from './fixtures/victim-log.ts'

/** The victim in one file below `folder`: it starts ten times faster than from source. */
export async function bundledVictim(folder: string): Promise<string> {
  const outDir = join(folder, 'victim')
  const source = fileURLToPath(new URL('fixtures/victim.ts', import.meta.url))
  await build({
    configFile: false,
    logLevel: 'silent',
    build: { ssr: source, outDir, rolldownOptions: { output: { entryFileNames: 'victim.mjs' } } },
    ssr: { noExternal: true },
  })
  return join(outDir, 'victim.mjs')
}

export interface VictimEnd {
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  readonly stored: number
}

export interface VictimRun {
  readonly folder: string
  /** Tells the keys of several runs on one folder apart, and seeds the run. */
  readonly cycle: number
  readonly env?: Readonly<Record<string, string>>
  /** Called after each line with how many there were; `kill` ends the victim. */
  onLine(count: number, kill: () => void): void
}

export class VictimLog {
  readonly log = new FaultLog()
  readonly #ends = new Map<string, EndFact>()
  readonly #program: string

  /** `program`: as `bundledVictim` made it. */
  constructor(program: string) {
    this.#program = program
  }

  async run({ folder, cycle, env = {}, onLine }: VictimRun): Promise<VictimEnd> {
    const args = [this.#program, folder, `c${cycle}-`, String(cycle)]
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, ...env },
    })
    const ended = new Promise<Omit<VictimEnd, 'stored'>>((resolve) =>
      child.on('close', (code, signal) => resolve({ code, signal })),
    )
    let lines = 0
    let stored = 0
    for await (const text of createInterface({ input: child.stdout })) {
      // The last one may be cut short by the kill; what it would have said is then not acknowledged.
      if (!text.endsWith('}')) continue
      const line = JSON.parse(text) as Line
      this.#record(line)
      if (line.kind === 'stored') stored += line.keys.length
      onLine(++lines, () => child.kill('SIGKILL'))
    }
    return { ...(await ended), stored }
  }

  #record(line: Line): void {
    const { log } = this
    switch (line.kind) {
      case 'open':
        return
      case 'send':
        for (const key of line.keys)
          log.send({ key, queue: line.queue, body: `${key}|`.padEnd(line.bytes, key), relaxed: line.queue === 'loose' })
        return
      case 'stored':
        for (const key of line.keys) {
          const send = log.sends.get(key)
          if (send !== undefined) send.answer = { at: log.next(), kind: 'stored' }
        }
        return
      case 'delivered':
        for (const key of line.keys) log.deliveries.push({ key, at: log.next() })
        return
      case 'ack':
        for (const key of line.keys) this.#ends.set(key, log.end({ key, how: 'ack', relaxed: line.queue === 'loose' }))
        return
      case 'acked':
        for (const key of line.keys) {
          const end = this.#ends.get(key)
          if (end !== undefined) end.answer = { at: log.next(), kind: 'settled' }
        }
        return
      default:
        line satisfies never
    }
  }
}
