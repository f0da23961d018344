/**
 * `npx tsx bench/journal.ts`: the journal alone, beside the raw limit of the same run. Prints; holds nothing.
 * 100 B records in groups of 1,000, each group after the one before is on stable storage; then lonely ones; then the replay.
 */
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Journal } from '../src/engine/embedded/journal/journal.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { silentLog } from '../src/runtime/log.ts'
import { nodeDisk } from '../src/runtime/node-disk.ts'
import { systemRandom } from '../src/runtime/random.ts'

const RECORD_BYTES = 100
const GROUP = 1_000
const GROUPS = 2_000
const LONELY = 2_000

const folder = fs.mkdtempSync(join(tmpdir(), 'spindle-journal-'))
const body = Buffer.alloc(RECORD_BYTES, 7)

function openJournal(): Promise<Journal> {
  return Journal.open({
    disk: nodeDisk(folder),
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
    formatVersion: 1,
  })
}

function append(journal: Journal): void {
  const at = journal.reserve(1, RECORD_BYTES, 'append')
  body.copy(journal.buffer, at)
  journal.seal('durable')
}

function perSecond(records: number, startedMs: number): string {
  return `${(records / (performance.now() - startedMs) / 1_000).toFixed(2)} M records/s`
}

async function groups(journal: Journal): Promise<void> {
  const startedMs = performance.now()
  const startedCpu = process.cpuUsage()
  for (let group = 0; group < GROUPS; group++) {
    for (let record = 0; record < GROUP; record++) {
      if (!journal.hasRoom(RECORD_BYTES)) await journal.makeRoom(RECORD_BYTES)
      append(journal)
    }
    await journal.sync()
  }
  const { user, system } = process.cpuUsage(startedCpu)
  const cpu = (each: number): string => (each / (GROUPS * GROUP)).toFixed(2)
  console.log(
    `groups of ${GROUP}: ${perSecond(GROUPS * GROUP, startedMs)}, CPU ${cpu(user)} us user, ${cpu(system)} us system each`,
  )
}

async function lonely(journal: Journal): Promise<void> {
  const latencies: number[] = []
  for (let record = 0; record < LONELY; record++) {
    const startedMs = performance.now()
    append(journal)
    await journal.sync()
    latencies.push(performance.now() - startedMs)
  }
  latencies.sort((a, b) => a - b)
  const at = (share: number): string => (latencies[Math.floor(LONELY * share)] ?? 0).toFixed(2)
  console.log(`lonely: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`)
}

/** What the disk gives a program that does nothing else: a write and a sync of the same bytes over a zero-filled file. */
function rawLimit(): void {
  const file = fs.openSync(join(folder, 'raw'), 'w+')
  const segment = Buffer.alloc(64 * 1_048_576)
  fs.writeSync(file, segment)
  fs.fsyncSync(file)
  const group = Buffer.alloc(GROUP * (RECORD_BYTES + 12), 7)
  const startedMs = performance.now()
  for (let turn = 0, at = 0; turn < GROUPS; turn++, at = (at + group.length) % (segment.length - group.length)) {
    fs.writeSync(file, group, 0, group.length, at)
    fs.fdatasyncSync(file)
  }
  console.log(`raw write + fdatasync: ${perSecond(GROUPS * GROUP, startedMs)}`)
  fs.closeSync(file)
}

try {
  const journal = await openJournal()
  await journal.recover(undefined, () => {})
  await groups(journal)
  await lonely(journal)
  await journal.close()
  rawLimit()
  const startedMs = performance.now()
  const again = await openJournal()
  let replayed = 0
  await again.recover(undefined, () => replayed++)
  console.log(`replay: ${perSecond(replayed, startedMs)}`)
  await again.close()
} finally {
  fs.rmSync(folder, { recursive: true })
}
