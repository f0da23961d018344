/** Brings the index back: the newest checkpoint, then what the journal says after it, then the links between rows. */
import { SpindleError } from '../../model/errors.ts'
import type { MessageId } from '../../model/message.ts'
import { foundingOf, type StoreTag, storeTag, TAG_BYTES } from '../../model/message-id.ts'
import type { Disk } from '../../runtime/disk.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { readCheckpoint } from './checkpoint.ts'
import { RECORD_KIND } from './codec.ts'
import type { Core } from './core.ts'
import { newestCheckpoint } from './journal/checkpoint-file.ts'
import type { Journal } from './journal/journal.ts'
import { Replay } from './replay.ts'

export interface Recovered {
  /** Number of the checkpoint it began with; 0: there was none. */
  readonly checkpointNumber: number
  /** Payload bytes that were replayed. */
  readonly replayedBytes: number
}

/** Fills an empty index, and starts a new epoch, durably. Rejects `corrupt`. */
export async function recover(
  core: Core,
  parts: { journal: Journal; disk: Disk; log: Log; random: Random; successorOf: MessageId | undefined },
): Promise<Recovered> {
  const { journal, disk, log, random, successorOf } = parts
  core.readClocks()
  core.index.linking = false
  const replay = new Replay(core)
  const checkpoint = await newestCheckpoint(disk, log)
  const from = checkpoint === undefined ? undefined : await readCheckpoint(core, checkpoint, disk.label)
  const [firstSegment] = journal.segmentIds()
  if (from === undefined && firstSegment !== undefined && firstSegment > 1) {
    // Segments are given back only once a checkpoint tells what they told.
    const what = `open ${disk.label} (its checkpoint is missing or damaged, and segments before ${firstSegment} are gone)`
    throw new SpindleError('corrupt', what)
  }
  let replayedBytes = 0
  await journal.recover(from, (kind, bytes, start, end, segment, offset) => {
    if (kind !== RECORD_KIND) return
    replayedBytes += end - start
    replay.record(bytes, start, end, segment, offset)
  })
  core.readClocks()
  replay.finish()
  const identity = replay.identity as { tag: StoreTag } | undefined
  if (identity !== undefined) core.setTag(identity.tag)
  else if (from === undefined) {
    const founding = successorOf && foundingOf(successorOf)
    core.setTag(founding?.tag ?? storeTag(random.bytes(TAG_BYTES)))
    core.nextNumber = founding?.firstNumber ?? core.nextNumber
  }
  core.startEpoch(core.epoch + 1)
  core.ledger.scribe.open(core.epoch, core.nextNumber, { tag: core.tag })
  core.ledger.seal('durable', 'settle')
  await journal.sync()
  return { checkpointNumber: checkpoint?.number ?? 0, replayedBytes }
}
