/** A journal of short texts on a fault disk, and what came back from it. */
import {
  Journal,
  type JournalOptions,
  type RecordRoom,
  type ReplayStart,
} from '../../src/engine/embedded/journal/journal.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

export const SMALL_SEGMENT = 65_536
export const TEXT = 7

export interface Rig {
  readonly disk: FaultDisk
  readonly clock: VirtualClock
  readonly journal: Journal
  /** What recovery replayed. */
  readonly replayed: string[]
}

export async function openRig(
  disk = new FaultDisk(),
  options: Partial<JournalOptions> & { from?: ReplayStart } = {},
): Promise<Rig> {
  const { from, ...rest } = options
  const clock = new VirtualClock()
  const journal = await Journal.open({
    disk,
    clock,
    log: silentLog,
    segmentBytes: SMALL_SEGMENT,
    random: seededRandom(1),
    formatVersion: 1,
    ...rest,
  })
  const replayed: string[] = []
  await journal.recover(from, (_kind, bytes, start, end) => replayed.push(bytes.toString('latin1', start, end)))
  return { disk, clock, journal, replayed }
}

export function put(journal: Journal, text: string, room: RecordRoom = 'append'): { segment: number; offset: number } {
  const at = journal.reserve(TEXT, text.length, room)
  journal.buffer.write(text, at, 'latin1')
  journal.seal('durable')
  return { segment: journal.segment, offset: journal.offset }
}

export function putRelaxed(journal: Journal, text: string): void {
  const at = journal.reserve(TEXT, text.length, 'settle')
  journal.buffer.write(text, at, 'latin1')
  journal.seal('relaxed')
}

/** `count` records of about `bytes` each, every one synced before the next batch of ten. */
export async function putMany(journal: Journal, count: number, bytes: number, from = 0): Promise<string[]> {
  const texts: string[] = []
  for (let index = 0; index < count; index++) {
    const text = `${from + index}:`.padEnd(bytes, String.fromCharCode(97 + (index % 26)))
    if (!journal.hasRoom(text.length)) await journal.makeRoom(text.length)
    put(journal, text)
    texts.push(text)
    if (index % 10 === 9) await journal.sync()
  }
  await journal.sync()
  return texts
}

export function segmentPath(id: number): string {
  return `journal/${String(id).padStart(8, '0')}.seg`
}
