/** What every real fault of `npm run faults` answers, and tools that several of them need. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { EmbeddedEngine } from '../../../src/engine/embedded/engine.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { nodeDisk } from '../../../src/runtime/node-disk.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { type Fault, judge } from '../checkers.ts'
import { look } from '../store.ts'
import type { VictimLog } from '../victim-run.ts'

export interface FaultResult {
  /** What was done and what came of it, in a line. */
  readonly figure: string
  /** Broken promises; [] is what is wanted. */
  readonly problems: readonly string[]
}

export interface FaultRun {
  /** How often; the default is the number that the fault is meant to be run. */
  readonly cycles: number
  readonly seed: number
}

export interface RealFault {
  readonly name: string
  readonly what: string
  readonly cycles: number
  readonly root?: boolean
  run(options: FaultRun): Promise<FaultResult>
}

const run = promisify(execFile)

export async function command(program: string, ...args: string[]): Promise<string> {
  return (await run(program, args)).stdout
}

export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-fault-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Compiles a C file of this folder into `folder`. */
export async function compiled(folder: string, name: string, ...flags: string[]): Promise<string> {
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url))
  const target = join(folder, name)
  await command('cc', '-O1', '-o', target, source, ...flags)
  return target
}

/** Opens what a fault left, and lists every broken promise. */
export async function judged(folder: string, victims: VictimLog, fault: Fault): Promise<string[]> {
  const engine = new EmbeddedEngine({ disk: nodeDisk(folder), clock: systemClock, random: systemRandom })
  await engine.open()
  try {
    return judge(victims.log, await look(engine), victims.log.now, fault)
  } finally {
    await engine.close()
  }
}
