/**
 * One broker of a fleet that is being killed: it sends and takes without a pause, and writes down what it was told before it goes on. The
 * file outlives it (fleet-log.ts reads it). Stops at SIGTERM.
 */
import { openSync, writeSync } from 'node:fs'
import process from 'node:process'
import { PostgresEngine } from '../../../src/engine/postgres/engine.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import type { VictimJob } from './fleet.ts'
import { type FleetEvent, lineOf } from './fleet-log.ts'

const SWEEP_MS = 200
const LANES = 3
const BATCH = 10
/** Of a hundred messages so many are left to their lease. */
const NEGLECTED = 2

const { url, name, leaseMs, queue, logFile, patienceMs } = JSON.parse(process.argv[2] ?? '{}') as VictimJob
const log = openSync(logFile, 'a')
let stopped = false
process.once('SIGTERM', () => {
  stopped = true
})

function note(...events: FleetEvent[]): void {
  if (events.length > 0) writeSync(log, events.map(lineOf).join(''))
}

const engine = new PostgresEngine({ url, clock: systemClock, random: systemRandom, options: { patienceMs } })
await engine.open()
setInterval(() => void engine.tick(1_000).catch(() => {}), SWEEP_MS).unref()

let sent = 0
async function send(): Promise<void> {
  const bodies = Array.from({ length: BATCH }, () => `${name}.${++sent}`)
  const units = bodies.map((body) => ({
    ops: [
      { kind: 'append' as const, queue, message: { content: { body: Buffer.from(body), head: new Uint8Array(0) } } },
    ],
  }))
  const outcomes = await engine.commit(units)
  const atMs = Date.now()
  const stored = bodies.filter((_, i) => outcomes[i]?.[0]?.kind === 'stored')
  note(...stored.map((body): FleetEvent => ({ kind: 'sent', body, atMs })))
}

async function take(): Promise<void> {
  const got = await engine.lease({ queue, max: BATCH, lease: { kind: 'clock', leaseMs } })
  const ofMs = Date.now()
  const held = got.map((delivery) => ({ ...delivery, body: Buffer.from(delivery.content.body).toString() }))
  note(...held.map(({ body, dueAtMs }): FleetEvent => ({ kind: 'leased', body, atMs: ofMs, endMs: dueAtMs ?? ofMs })))
  const kept = held.filter(() => Math.random() * 100 >= NEGLECTED)
  if (kept.length === 0) return
  note(...kept.map(({ body }): FleetEvent => ({ kind: 'acking', body, atMs: ofMs })))
  const ops = kept.map(({ receipt }) => ({ kind: 'settle' as const, receipt, how: { kind: 'ack' as const } }))
  const [outcomes = []] = await engine.commit([{ ops }])
  const atMs = Date.now()
  const acked = kept.filter((_, i) => outcomes[i]?.kind === 'settled')
  note(...acked.map(({ body }): FleetEvent => ({ kind: 'acked', body, atMs })))
}

async function lane(): Promise<void> {
  while (!stopped) {
    // A rejected call may have happened or not; nothing is claimed of it.
    await send().catch(() => {})
    await take().catch(() => {})
  }
}

note({ kind: 'ready', body: name, atMs: Date.now() })
await Promise.all(Array.from({ length: LANES }, lane))
process.exit(0)
