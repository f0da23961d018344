/** What a run comes to, and what that means for its message and for those who ask. */
import type { SettleRequest } from '../client/port.ts'
import { utf8Bytes, utf8Text } from '../model/bytes.ts'
import type { Delivery } from '../model/message.ts'
import { newestWithin, readLines } from './log-lines.ts'
import type { Run } from './run.ts'
import { encodeFailureNote } from './task-error.ts'
import type { LogLine, TaskError, TaskStatus } from './types.ts'

export type Ending =
  | {
      readonly kind: 'succeeded'
      readonly kept: Uint8Array | undefined
      readonly result: unknown
      readonly retainMs: number
    }
  | { readonly kind: 'cancelled'; readonly retainMs: number }
  | {
      readonly kind: 'retrying'
      readonly error: TaskError
      readonly delayMs: number
      /** Attempts that failed with an error so far, and those of them that took their isolate with them. */
      readonly failed: number
      readonly kills: number
    }
  /** Asked again after `delayMs`; the attempt is not spent. */
  | { readonly kind: 'snoozed'; readonly delayMs: number }
  /** Paused: it goes back for so long, as if it had not been handed out. */
  | { readonly kind: 'held'; readonly delayMs: number }
  /** By the handler's own wish. */
  | { readonly kind: 'discarded'; readonly reason: string; readonly retainMs: number }
  | { readonly kind: 'failed'; readonly reason: string; readonly error: TaskError; readonly discard: boolean }
  /** Given back by a worker that stops; the attempt is not spent. */
  | { readonly kind: 'released' }
  /** The lease is gone, so there is nothing to settle. */
  | { readonly kind: 'lost' }

/** Reason of the death of a task whose `onExhausted` is `discard`. */
export const DISCARDED = 'discarded'

const PLAIN_ACK = { kind: 'ack' } as const
const GIVE_BACK = { kind: 'release', spend: false } as const

/** undefined: nothing to say to the store. `told`: deliveries spent at an end that the webhook hears of in the same unit. */
export function settlementOf(
  ending: Ending,
  { runMs, lines: log }: Pick<Run, 'runMs' | 'lines'>,
  told?: number,
): SettleRequest['how'] | undefined {
  switch (ending.kind) {
    case 'succeeded':
      return ending.kept === undefined ? PLAIN_ACK : { kind: 'ack', keep: ending.kept, retainMs: ending.retainMs }
    case 'cancelled':
      return ending.retainMs === 0 ? PLAIN_ACK : { kind: 'ack', keep: CANCELLED, retainMs: ending.retainMs }
    case 'retrying':
      return {
        kind: 'release',
        delayMs: ending.delayMs,
        spend: true,
        note: encodeFailureNote({ error: ending.error, runMs, failed: ending.failed, kills: ending.kills, log }),
      }
    case 'snoozed':
    case 'held':
      return { kind: 'release', delayMs: ending.delayMs, spend: false }
    case 'discarded':
      return ending.retainMs === 0
        ? PLAIN_ACK
        : { kind: 'ack', keep: discardedKept(ending.reason), retainMs: ending.retainMs }
    case 'failed':
      return {
        kind: 'bury',
        reason: ending.discard ? DISCARDED : ending.reason,
        note: encodeFailureNote({ error: ending.error, runMs, told, log }),
      }
    case 'released':
      return GIVE_BACK
    case 'lost':
      return undefined
    default:
      return ending satisfies never
  }
}

/** What an ack keeps: { runUs?, waitMs?, log?, result? }, { cancelled: true } or { discarded: reason }. Whole microseconds: short to write and to read. */
export interface Kept {
  readonly cancelled: boolean
  /** Why. */
  readonly discarded: string | undefined
  readonly result: unknown
  readonly runMs: number | undefined
  readonly waitMs: number | undefined
  readonly log: readonly LogLine[] | undefined
}

const CANCELLED: Uint8Array = utf8Bytes('{"cancelled":true}')

const REASON_LENGTH_MAX = 1_000

function discardedKept(reason: string): Uint8Array {
  return utf8Bytes(JSON.stringify({ discarded: reason.slice(0, REASON_LENGTH_MAX) }))
}

export function cancelledKept(): Uint8Array {
  return CANCELLED
}

/** `resultJson`: undefined for a handler that returned nothing. */
export function encodeKept(
  resultJson: string | undefined,
  { runMs, waitMs, log }: { runMs: number; waitMs: number | undefined; log: readonly LogLine[] | undefined },
): Uint8Array {
  const newest = newestWithin(log)
  const lines = newest === undefined ? '' : `,"log":${JSON.stringify(newest)}`
  const wait = waitMs === undefined ? '' : `,"waitMs":${waitMs}`
  const result = resultJson === undefined ? '' : `,"result":${resultJson}`
  return utf8Bytes(`{"runUs":${Math.round(runMs * 1_000)}${wait}${lines}${result}}`)
}

/** Something else may have acked the message: what cannot be read is a success without a result. */
export function decodeKept(kept: Uint8Array | undefined): Kept {
  const fields = kept === undefined ? {} : parse(kept)
  const { result, runUs, waitMs, discarded } = fields
  return {
    cancelled: fields['cancelled'] === true,
    discarded: typeof discarded === 'string' ? discarded : undefined,
    result,
    runMs: typeof runUs === 'number' ? runUs / 1_000 : undefined,
    waitMs: typeof waitMs === 'number' ? waitMs : undefined,
    log: readLines(fields['log']),
  }
}

function parse(kept: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(utf8Text(kept))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** Milliseconds from when it could have run to its first delivery. */
export function waitMsOf(
  { firstLeasedAtMs, enqueuedAtMs }: Pick<Delivery, 'firstLeasedAtMs' | 'enqueuedAtMs'>,
  delayMs = 0,
): number | undefined {
  return firstLeasedAtMs === undefined ? undefined : Math.max(0, firstLeasedAtMs - enqueuedAtMs - delayMs)
}

/** The status that a webhook is told; undefined while the task goes on. */
export function finalStatus(
  ending: Ending,
  of: {
    readonly delivery: Delivery
    readonly task: string
    readonly delayMs: number | undefined
    readonly runMs: number | undefined
  },
  endedAtMs: number,
): TaskStatus<unknown> | undefined {
  const { delivery, task, delayMs, runMs } = of
  const base = {
    id: delivery.id,
    task,
    attempts: delivery.attempts,
    timings: { enqueuedAtMs: delivery.enqueuedAtMs, storeMs: undefined, waitMs: waitMsOf(delivery, delayMs), runMs },
    endedAtMs,
  }
  switch (ending.kind) {
    case 'succeeded':
      return { ...base, state: 'succeeded', result: ending.result }
    case 'cancelled':
      return { ...base, state: 'cancelled' }
    case 'discarded':
      return { ...base, state: 'discarded', reason: ending.reason }
    case 'failed':
      if (ending.discard) return { ...base, state: 'discarded', reason: ending.reason }
      return { ...base, state: 'failed', reason: ending.reason, error: ending.error }
    default:
      return undefined
  }
}
