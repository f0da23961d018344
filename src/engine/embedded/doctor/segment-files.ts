/** The files of a journal as they are found: which hold a segment, which are cut, misnamed, unreadable or of a newer format. */
import type { Disk, DiskFile } from '../../../runtime/disk.ts'
import { FORMAT_VERSION } from '../codec.ts'
import { decodeSegmentHeader, restOfSegmentHeader, SEGMENT_HEADER_BYTES } from '../journal/record-format.ts'
import { DIRECTORY } from '../journal/segment-table.ts'

export interface FoundSegment {
  readonly id: number
  readonly path: string
  readonly file: DiskFile
  readonly bytes: number
  /** What it should have; undefined: its header is unreadable. */
  readonly bytesWanted: number | undefined
  /** As far as its header tells. */
  readonly salt: number
}

export interface FoundFiles {
  /** By id, ascending. */
  readonly segments: readonly FoundSegment[]
  readonly problems: readonly { readonly where: string; readonly what: string }[]
  /** Files that belong to nobody known. */
  readonly strangers: readonly string[]
  /** The newest format met. */
  readonly version: number
}

const SEGMENT_NAME = /^(\d{8,10})\.seg$/
/** Files in waiting, and what a crash leaves of making one: they hold nothing. */
const SPARE_NAME = /^spare-\d+\.(ready|filling)$/

export async function findSegments(disk: Disk): Promise<FoundFiles> {
  const found = new Map<number, FoundSegment>()
  const problems: { where: string; what: string }[] = []
  const strangers: string[] = []
  let version = 0
  for (const name of await disk.list(DIRECTORY)) {
    const path = `${DIRECTORY}/${name}`
    const match = SEGMENT_NAME.exec(name)
    if (match === null) {
      if (!SPARE_NAME.test(name)) strangers.push(path)
      continue
    }
    const named = Number(match[1])
    const file = await disk.open(path, 'existing')
    const bytes = await file.sizeBytes()
    const head = Buffer.alloc(SEGMENT_HEADER_BYTES)
    await file.read(head, 0)
    const header = decodeSegmentHeader(head)
    const rest = header ?? restOfSegmentHeader(head)
    if (header === undefined) {
      const fate = rest === undefined ? 'without it no record of it can be checked' : 'its name is believed'
      problems.push({ where: path, what: `its header is damaged; ${fate}` })
    } else {
      version = Math.max(version, header.version)
      if (header.segment !== named) problems.push({ where: path, what: `it holds segment ${header.segment}` })
      if (header.bytes > bytes)
        problems.push({ where: path, what: `it is cut: ${bytes} bytes are left of ${header.bytes}` })
    }
    const id = header?.segment ?? named
    const twin = found.get(id)
    if (twin !== undefined) {
      problems.push({ where: path, what: `${twin.path} holds the same segment; this one is not read` })
      await file.close()
      continue
    }
    found.set(id, { id, path, file, bytes, bytesWanted: header?.bytes, salt: rest?.salt ?? 0 })
  }
  const segments = [...found.values()].sort((a, b) => a.id - b.id)
  return { segments, problems, strangers, version: version === 0 && segments.length > 0 ? FORMAT_VERSION : version }
}
