import type { Clock } from '../../../runtime/clock.ts'
import type { Disk } from '../../../runtime/disk.ts'
import type { Log } from '../../../runtime/log.ts'
import type { Random } from '../../../runtime/random.ts'

export interface JournalOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  /** Where the salts of segments come from. */
  readonly random: Random
  /** The largest ordinary segment, bytes. Default 64 MiB, at least 64 KiB; the first ones of a folder are smaller (4, 8, 16, 32 MiB). */
  readonly segmentBytes?: number
  /** Journal bytes kept in memory after they are written, for `recent`. Default 1 MiB, at least 128 KiB. */
  readonly recentBytes?: number
  /** Version of the payloads' format; a folder with a higher one is `format-newer`. */
  readonly formatVersion: number
}
