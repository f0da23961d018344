/**
 * The embedded engine alone, without the broker: what a message costs there.
 *
 *   npx tsx bench/engine.ts [messages] [backlog]
 *
 * Prints messages per second of 1,000 callers that each append, lease one and ack, one message a call, durably; then memory
 * and reopen time of a backlog, and the longest pause of the event loop.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { EmbeddedEngine } from '../src/engine/embedded/engine.ts'
import type { Engine } from '../src/engine/engine.ts'
import { defaultPolicy } from '../src/model/policy.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { nodeDisk } from '../src/runtime/node-disk.ts'
import { systemRandom } from '../src/runtime/random.ts'

const CALLERS = 1_000
const messages = Number(process.argv[2] ?? 400_000)
const backlog = Number(process.argv[3] ?? 1_000_000)
const content = { body: new Uint8Array(100).fill(97), head: new Uint8Array(0) }

const folder = mkdtempSync(join(tmpdir(), 'spindle-bench-'))
const make = (): EmbeddedEngine =>
  new EmbeddedEngine({ disk: nodeDisk(folder), clock: systemClock, random: systemRandom })

async function caller(engine: Engine, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await engine.commit([{ ops: [{ kind: 'append', queue: 'q', message: { content } }] }])
    const [delivery] = await engine.lease({ queue: 'q', max: 1, lease: { kind: 'clock' } })
    if (delivery === undefined) throw new Error('nothing to lease')
    await engine.commit([{ ops: [{ kind: 'settle', receipt: delivery.receipt, how: { kind: 'ack' } }] }])
  }
}

async function round(engine: Engine, count: number): Promise<string> {
  const pauses = monitorEventLoopDelay({ resolution: 5 })
  pauses.enable()
  const cpu = process.cpuUsage()
  const start = performance.now()
  await Promise.all(Array.from({ length: CALLERS }, () => caller(engine, count / CALLERS)))
  const ms = performance.now() - start
  const used = process.cpuUsage(cpu)
  pauses.disable()
  const perMessage = ((used.user + used.system) / count).toFixed(2)
  return `${Math.round((count / ms) * 1000)} messages/s, ${perMessage} us CPU each, longest pause ${(pauses.max / 1e6).toFixed(1)} ms`
}

let engine = make()
await engine.open()
await engine.commit([{ ops: [{ kind: 'putQueue', queue: 'q', policy: defaultPolicy }] }])
console.log('warm-up  ', await round(engine, messages / 4))
console.log('measured ', await round(engine, messages))

const before = process.memoryUsage()
for (let done = 0; done < backlog; done += 1_000) {
  const units = Array.from({ length: 1_000 }, () => ({
    ops: [{ kind: 'append' as const, queue: 'q', message: { content } }],
  }))
  await engine.commit(units)
}
const after = process.memoryUsage()
console.log(
  `backlog   ${((engine.indexBytes / backlog) | 0).toFixed(0)} bytes of index a message, heap +${((after.heapUsed - before.heapUsed) / backlog).toFixed(1)}, RSS +${((after.rss - before.rss) / backlog).toFixed(0)}`,
)
await engine.close()
engine = make()
const cpu = process.cpuUsage()
const start = performance.now()
await engine.open()
const opened = performance.now()
const openCpu = process.cpuUsage(cpu)
const [first] = await engine.lease({ queue: 'q', max: 1, lease: { kind: 'clock' } })
console.log(
  `reopen    ${Math.round(opened - start)} ms (${Math.round((openCpu.user + openCpu.system) / 1000)} ms CPU), first delivery after ${Math.round(performance.now() - start)} ms (${first?.sequence})`,
)
console.log('with backlog', await round(engine, messages / 4))
await engine.close()
rmSync(folder, { recursive: true })
