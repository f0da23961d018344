import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { nodeDisk } from '../../src/runtime/node-disk.ts'
import { seededRandom, systemRandom } from '../../src/runtime/random.ts'
import { FaultLog, judge } from './checkers.ts'
import type { Line } from './fixtures/victim-log.ts'
import { longRun, look } from './store.ts'

const victim = fileURLToPath(new URL('fixtures/victim.ts', import.meta.url))
const CYCLES = longRun ? 100 : 8

/** Runs a victim on the folder and kills it after `lines` lines of its log. */
async function runAndKill(folder: string, cycle: number, lines: number): Promise<Line[]> {
  const args = ['--import', 'tsx', victim, folder, `c${cycle}-`, String(cycle)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_code, signal) => resolve(signal)))
  const log: Line[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    // The last one may be cut short by the kill; what it would have said is then not acknowledged.
    if (!line.endsWith('}')) continue
    log.push(JSON.parse(line) as Line)
    if (log.length === lines) child.kill('SIGKILL')
  }
  expect(await ended).toBe('SIGKILL')
  return log
}

function record(log: FaultLog, lines: readonly Line[]): void {
  for (const line of lines) {
    switch (line.kind) {
      case 'open':
        break
      case 'send':
        for (const key of line.keys) {
          const body = `${key}|`.padEnd(line.bytes, key)
          log.send({ key, queue: line.queue, body, relaxed: line.queue === 'loose' })
        }
        break
      case 'stored':
        for (const key of line.keys) {
          const send = log.sends.get(key)
          if (send !== undefined) send.answer = { at: log.next(), kind: 'stored' }
        }
        break
      case 'delivered':
        for (const key of line.keys) log.deliveries.push({ key, at: log.next() })
        break
      case 'ack':
        for (const key of line.keys) log.end({ key, how: 'ack', relaxed: line.queue === 'loose' })
        break
      case 'acked':
        for (const key of line.keys) {
          const end = log.ends.findLast((one) => one.key === key)
          if (end !== undefined) end.answer = { at: log.next(), kind: 'settled' }
        }
        break
      default:
        line satisfies never
    }
  }
}

it('a process killed at any moment has lost nothing it had acknowledged', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-kill-'))
  try {
    const random = seededRandom(41)
    const log = new FaultLog()
    let stored = 0
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const lines = await runAndKill(folder, cycle, 5 + Math.floor(random.float() * 400))
      record(log, lines)
      const engine = new EmbeddedEngine({ disk: nodeDisk(folder), clock: systemClock, random: systemRandom })
      await engine.open()
      expect(judge(log, await look(engine), log.now, 'kill'), `cycle ${cycle}`).toEqual([])
      await engine.close()
      stored += lines.reduce((sum, line) => sum + (line.kind === 'stored' ? line.keys.length : 0), 0)
    }
    expect(stored).toBeGreaterThan(CYCLES * 100)
  } finally {
    await rm(folder, { recursive: true })
  }
}, 1_800_000)
