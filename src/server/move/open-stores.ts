/** The two ends of a move: the source standing still, the destination founded as its successor. */
import { existsSync } from 'node:fs'
import { FolderPort } from '../../client/folder/folder-port.ts'
import { SpindleError } from '../../model/errors.ts'
import { open } from '../../open.ts'
import { type Clock, systemClock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Spindle } from '../../spindle.ts'
import { nextIdOf } from './move-store.ts'

export interface MoveEnds {
  readonly source: Spindle
  readonly destination: Spindle
  close(): Promise<void>
}

/** Whatever was let in there must be let in here. */
const MESSAGE_BYTES_MAX = 1024 * 1024 * 1024

/** Rejects with what a store says; `folder-busy` while another process has one; `invalid-argument` for what cannot be moved. */
export async function openMoveEnds({ from, to, log }: { from: string; to: string; log: Log }): Promise<MoveEnds> {
  for (const [url, end] of [
    [from, 'source'],
    [to, 'destination'],
  ] as const) {
    if (/^(?:file:.|postgres(?:ql)?:\/\/)/.test(url)) continue
    throw new SpindleError('invalid-argument', `the ${end} of a move must be file:PATH or postgres://…`)
  }
  if (from === to) throw new SpindleError('invalid-argument', 'move a store to where it is')
  if (from.startsWith('file:') && !existsSync(from.slice(5).replace(/^\/\//, ''))) {
    throw new SpindleError('invalid-argument', `there is no data folder ${from.slice(5)}`)
  }
  const source = await open(from, { log, clock: standing, postgres: { time: standingStoreTime(), migrate: false } })
  try {
    refuseJoined(source, from)
    const limits = { messageBytesMax: MESSAGE_BYTES_MAX }
    const destination = await open(to, { log, limits, successorOf: await nextIdOf(source.port) })
    try {
      refuseJoined(destination, to)
    } catch (fault) {
      await destination.close()
      throw fault
    }
    const close = async (): Promise<void> => {
      await destination.close()
      await source.close()
    }
    return { source, destination, close }
  } catch (fault) {
    await source.close()
    throw fault
  }
}

function refuseJoined({ port }: Spindle, url: string): void {
  if (port instanceof FolderPort && port.role !== 'owning') {
    throw new SpindleError('folder-busy', `move ${url} while another process has it open`)
  }
}

/** Leases, lives and delays of the source stand still: a message that moved by itself meanwhile would be seen twice, or not at all. */
const standing: Clock = standingClock()

function standingClock(): Clock {
  const monotonicMs = systemClock.monotonicMs()
  const wallMs = systemClock.wallMs()
  return {
    wallMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    setTimer: (delayMs, fire, options) => systemClock.setTimer(delayMs, fire, options),
  }
}

function standingStoreTime() {
  const nowMs = systemClock.wallMs()
  return { now: () => ({ monotonicMs: nowMs, wallMs: nowMs }) }
}
