/**
 * How an embedded engine comes up. First the journal, so that a close in between finds it; then everything that stands on
 * it: contents, ledger, the index as recovery fills it, and the upkeep that goes on from there.
 */
import { SpindleError } from '../../model/errors.ts'
import type { Limits } from '../../model/limits.ts'
import type { MessageId } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Disk } from '../../runtime/disk.ts'
import { type Log, silentLog } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { FORMAT_VERSION } from './codec.ts'
import type { Core } from './core.ts'
import { Journal } from './journal/journal.ts'
import { Ledger } from './ledger.ts'
import { PageCache } from './page-cache.ts'
import { type Recovered, recover } from './recovery.ts'
import { Upkeep } from './upkeep.ts'

export interface EmbeddedEngineParts {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  /** Of a folder that is made now: an id of the store that it goes on from. */
  readonly successorOf?: MessageId | undefined
  readonly limits?: Limits
  readonly log?: Log
  readonly options?: EmbeddedOptions
}

export interface EmbeddedOptions {
  /** The largest ordinary journal segment, bytes. Default 64 MiB. */
  readonly segmentBytes?: number
  /** Memory for recent journal bytes and for those read back, half each, bytes. Default 64 MiB. */
  readonly cacheBytes?: number
  /** Journal bytes since the last checkpoint that make the next one due. Default 256 MiB, or the size of the index if larger. */
  readonly checkpointBytes?: number
}

const CACHE_BYTES_DEFAULT = 64 * 1_048_576
const CHECKPOINT_BYTES_DEFAULT = 256 * 1_048_576

/** Its segments are found and checked, and nothing is replayed yet. Rejects `corrupt`, `format-newer`, `format-older`. */
export function openJournal(parts: EmbeddedEngineParts): Promise<Journal> {
  const { disk, clock, random, options, log = silentLog } = parts
  return Journal.open({
    disk,
    clock,
    log,
    random,
    formatVersion: FORMAT_VERSION,
    recentBytes: cacheBytesOf(parts) / 2,
    ...(options?.segmentBytes === undefined ? undefined : { segmentBytes: options.segmentBytes }),
  })
}

/** Brings back what the journal holds; its listeners are set by now. Closes the journal where that fails. Rejects `corrupt`, `disk-full`. */
export async function fill(core: Core, journal: Journal, parts: EmbeddedEngineParts): Promise<Upkeep> {
  const { disk, random, options, successorOf, log = silentLog } = parts
  core.cache = new PageCache({
    source: journal.stored,
    cacheBytes: cacheBytesOf(parts) / 2,
    corrupt: (segment, offset) =>
      new SpindleError('corrupt', `read a body of ${disk.label}, segment ${segment} at ${offset}`),
  })
  core.ledger = new Ledger({ journal, index: core.index })
  let recovered: Recovered
  try {
    recovered = await recover(core, { journal, disk, log, random, successorOf })
  } catch (error) {
    await journal.close().catch(() => {})
    throw error
  }
  const checkpointBytes = options?.checkpointBytes ?? CHECKPOINT_BYTES_DEFAULT
  return new Upkeep({ core, journal, disk, log, checkpointBytes, ...recovered })
}

function cacheBytesOf({ options }: EmbeddedEngineParts): number {
  return options?.cacheBytes ?? CACHE_BYTES_DEFAULT
}
