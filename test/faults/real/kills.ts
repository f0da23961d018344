/** A process that is killed, at random or at a named system call, or whose n-th call fails. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { seededRandom } from '../../../src/runtime/random.ts'
import { bundledVictim, VictimLog } from '../victim-run.ts'
import { compiled, type FaultResult, type FaultRun, inFolder, judged, type RealFault } from './fault.ts'

/** The log of a folder grows with its runs, and so does judging it: then a fresh one. */
const CYCLES_A_FOLDER = 25
const LINES_MAX = 3_000

interface Plan {
  /** SPINDLE_SHIM, if any. */
  readonly shim: string | undefined
  /** Killed after so many lines at the latest. */
  readonly lines: number
  readonly expect: 'kill' | 'exit'
}

async function cycles(
  { cycles: count, seed }: FaultRun,
  planOf: (cycle: number, below: (limit: number) => number) => Plan,
): Promise<FaultResult & { reached: number }> {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random.float() * limit)
  const problems: string[] = []
  let stored = 0
  let done = 0
  let reached = 0
  await inFolder(async (root) => {
    const library = await compiled(root, 'shim', '-shared', '-fPIC', '-ldl')
    const victim = await bundledVictim(root)
    for (let from = 0; from < count && problems.length === 0; from += CYCLES_A_FOLDER) {
      const folder = join(root, `data-${from}`)
      await mkdir(folder)
      const victims = new VictimLog(victim)
      for (let cycle = from; cycle < Math.min(from + CYCLES_A_FOLDER, count) && problems.length === 0; cycle++) {
        const plan = planOf(cycle, below)
        const env = plan.shim === undefined ? {} : { LD_PRELOAD: library, SPINDLE_SHIM: plan.shim }
        let byUs = false
        const end = await victims.run({
          folder,
          cycle,
          env,
          onLine: (lines, kill) => {
            if (lines !== plan.lines) return
            byUs = true
            kill()
          },
        })
        stored += end.stored
        done++
        if (!byUs) reached++
        if (!byUs && plan.expect === 'exit' && end.code === 0)
          problems.push(`cycle ${cycle} (${plan.shim}): it went on as if nothing had failed`)
        for (const problem of await judged(folder, victims, 'kill'))
          problems.push(`cycle ${cycle} (${plan.shim ?? 'random'}): ${problem}`)
      }
    }
  })
  return {
    problems,
    figure: `${done} cycles, ${stored} acknowledged messages, ${problems.length} promises broken`,
    reached,
  }
}

export const kill: RealFault = {
  name: 'kill',
  what: 'kill -9 of a busy process at a random moment',
  cycles: 1_000,
  run: (options) =>
    cycles(options, (_cycle, below) => ({ shim: undefined, lines: 5 + below(LINES_MAX), expect: 'kill' })),
}

const POINTS = ['fdatasync', 'fsync', 'rename', 'unlink', 'pwrite64', 'pwrite'] as const

export const points: RealFault = {
  name: 'points',
  what: 'kill -9 just before or after the n-th fdatasync, fsync, rename, unlink or write',
  cycles: 500,
  async run(options) {
    const result = await cycles(options, (cycle, below) => {
      const point = POINTS[cycle % POINTS.length] as (typeof POINTS)[number]
      const when = cycle % 2 === 0 ? 'before' : 'after'
      const n = 1 + below(point.startsWith('f') || point.startsWith('p') ? 300 : 8)
      return { shim: `kill-${when} ${point} ${n}`, lines: LINES_MAX, expect: 'kill' }
    })
    return { ...result, figure: `${result.figure}; the named call was reached in ${result.reached}` }
  },
}

export const eio: RealFault = {
  name: 'eio',
  what: 'EIO on the n-th fdatasync, n = 1 to 500',
  cycles: 500,
  async run(options) {
    const result = await cycles(options, (cycle) => ({
      shim: `eio fdatasync ${cycle + 1}`,
      lines: 6_000,
      expect: 'exit',
    }))
    return { ...result, figure: `${result.figure}; the sync failed in ${result.reached}` }
  },
}
