/** Replays a whole journal and leaves it ready for the next record. The rules of damage are in recovery.ts. */
import type { Disk } from '../../../runtime/disk.ts'
import type { Log } from '../../../runtime/log.ts'
import type { Position } from './position.ts'
import { SEGMENT_HEADER_BYTES } from './record-format.ts'
import { corrupt, type OnRecord, type SegmentEnd, SegmentReader } from './recovery.ts'
import { type SegmentTable, segmentPath } from './segment-table.ts'
import type { SpareSegments } from './spare-segments.ts'

/** What a checkpoint keeps to be continued from: where, the CRC of the record before, and which segments existed then. */
export interface ReplayStart {
  readonly position: Position
  readonly before: number
  readonly segments: readonly number[]
}

interface Parts {
  readonly disk: Disk
  readonly log: Log
  readonly table: SegmentTable
  readonly spares: SpareSegments
}

/** Segments are deleted for what a checkpoint knows of them; without it, what they settled would come back. */
const NO_CHECKPOINT =
  'the segments from 1 on are not all there, and the checkpoint that stood for them is missing or damaged'

type Open = Exclude<SegmentEnd, { kind: 'rolled' }>

/** Where the next record goes, and the CRC it follows. */
export interface JournalEnd {
  readonly position: Position
  readonly before: number
}

/** Resolves to the end of the journal; the table is not empty. */
export async function replayJournal(
  parts: Parts,
  from: ReplayStart | undefined,
  onRecord: OnRecord,
): Promise<JournalEnd> {
  const { disk, table } = parts
  const ids = table.ids()
  const start = from?.position ?? { segment: ids[0] ?? 0, offset: SEGMENT_HEADER_BYTES }
  const first = ids.indexOf(start.segment)
  if (first < 0) throw corrupt(disk, `segment ${start.segment} (${segmentPath(start.segment)}) is missing`)
  if (from === undefined && start.segment !== 1) throw corrupt(disk, NO_CHECKPOINT)
  const replayed: Position[] = []
  let listed = from?.segments
  let buffer = Buffer.alloc(0)
  const readerOf = (id: number): SegmentReader => {
    const file = table.fileOf(id)
    if (buffer.length < file.bytes) buffer = Buffer.allocUnsafeSlow(file.bytes)
    return new SegmentReader(file, buffer)
  }
  for (let index = first; ; index++) {
    const id = ids[index]
    if (id === undefined) throw corrupt(disk, `segment ${start.segment} is missing`)
    const reader = readerOf(id)
    const begin = from !== undefined && id === start.segment ? { offset: start.offset, before: from.before } : undefined
    const end = await reader.replay(begin, onRecord, (now) => {
      listed = now
    })
    replayed.push({ segment: id, offset: end.offset })
    if (end.kind === 'rolled') {
      const { next } = end
      if (ids[index + 1] === next) continue
      const why = from === undefined && listed !== undefined ? NO_CHECKPOINT : `${segmentPath(next)} is missing`
      throw corrupt(disk, `segment ${next} follows segment ${id}: ${why}`)
    }
    const later = ids.slice(index + 1)
    await refuseDamage(parts, reader, id, end)
    for (const orphan of later) await refuseOrphan(parts, readerOf(orphan), orphan, { segment: id, offset: end.offset })
    await makeDurable(replayed, start, readerOf)
    await refuseGaps(parts, ids.slice(0, index + 1), listed)
    for (const untouched of later) parts.spares.give(await table.toSpare(untouched, parts.spares.newPath()))
    return { position: { segment: id, offset: end.offset }, before: end.before }
  }
}

/** A marker behind the end that says the end was synced proves that more was stored; others are what a write that was cut off left. */
async function refuseDamage({ disk, log }: Parts, reader: SegmentReader, id: number, end: Open): Promise<void> {
  const markers = await reader.markersBehind(end.offset)
  const proof = markers.find(({ synced }) => synced.segment === id && synced.offset > end.offset)?.at
  if (proof === undefined) {
    const fields = { folder: disk.label, segment: id, offset: end.offset }
    if (markers.length > 0) log.warn('cut an unfinished write from the end of the journal', fields)
    return
  }
  const place = `the record at offset ${end.offset} of segment ${id} (${segmentPath(id)})`
  throw corrupt(disk, `${place} fails its checksum, and the one at offset ${proof} proves that it was stored`)
}

/** A later segment gets its first record only after the roll to it is durable, and a marker before that one. */
async function refuseOrphan({ disk }: Parts, reader: SegmentReader, later: number, bad: Position): Promise<void> {
  if ((await reader.markersBehind(SEGMENT_HEADER_BYTES)).length === 0) return
  const place = `the record at offset ${bad.offset} of segment ${bad.segment} (${segmentPath(bad.segment)})`
  throw corrupt(disk, `${place} fails its checksum, and segment ${later} follows it`)
}

/**
 * What was replayed may be in the page cache only. After a sync that failed the kernel takes those pages for clean, and a sync of this
 * process would not write them: so whatever no marker proves to be on stable storage is written again. `replayed`: where each segment ends.
 */
async function makeDurable(
  replayed: readonly Position[],
  start: Position,
  readerOf: (id: number) => SegmentReader,
): Promise<void> {
  const proven = await provenOf(replayed, start, readerOf)
  for (const { segment, offset } of replayed) {
    if (segment < proven.segment) continue
    const from = segment === proven.segment ? proven.offset : SEGMENT_HEADER_BYTES
    await readerOf(segment).writeAgain(from, offset)
  }
}

/** Up to where it was synced: as the last marker says, or where replay began. */
async function provenOf(
  replayed: readonly Position[],
  start: Position,
  readerOf: (id: number) => SegmentReader,
): Promise<Position> {
  for (const { segment, offset } of replayed.toReversed()) {
    const markers = await readerOf(segment).markersBehind(SEGMENT_HEADER_BYTES)
    const last = markers.findLast(({ at }) => at < offset)?.synced
    if (last !== undefined) return isBehind(last, start) ? last : start
  }
  return start
}

function isBehind(one: Position, other: Position): boolean {
  return one.segment > other.segment || (one.segment === other.segment && one.offset > other.offset)
}

/** Every segment that should exist does; one whose removal a crash undid is removed again. */
async function refuseGaps(
  { disk, table }: Parts,
  present: readonly number[],
  listed: readonly number[] | undefined,
): Promise<void> {
  const expected = new Set(listed ?? [])
  for (let id = (listed?.at(-1) ?? 0) + 1; id <= (present.at(-1) ?? 0); id++) expected.add(id)
  for (const id of expected) if (!table.has(id)) throw corrupt(disk, `segment ${id} (${segmentPath(id)}) is missing`)
  await table.remove(table.ids().filter((id) => id <= (present.at(-1) ?? 0) && !expected.has(id)))
}
