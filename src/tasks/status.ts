/** Where a task stands, read from its message alone: one look-up by id, and one more for the progress of a running one. */
import { decodeHead } from '../model/content.ts'
import type { Death, MessageView } from '../model/message.ts'
import { DISCARDED, decodeKept, waitMsOf } from './ending.ts'
import type { ProgressReport } from './progress.ts'
import { decodeFailureNote, type FailureNote } from './task-error.ts'
import type { TaskStatus } from './types.ts'

export interface StatusFacts {
  /** Of a running task; undefined when it has told none. */
  readonly progress: ProgressReport | undefined
  /** As this process measured it. */
  readonly storeMs: number | undefined
  /** Wall time of the look. */
  readonly nowMs: number
}

export function statusOf(view: MessageView, facts: StatusFacts): TaskStatus<unknown> {
  const head = decodeHead(view.content.head)
  const failure = view.note === undefined ? undefined : decodeFailureNote(view.note)
  const timings = {
    enqueuedAtMs: view.enqueuedAtMs,
    storeMs: facts.storeMs,
    waitMs: waitMsOf(view, head.task.delayMs),
    runMs: failure?.runMs,
  }
  const base: Base = {
    id: view.id,
    task: head.type ?? '',
    attempts: view.attempts,
    timings,
    ...(failure?.log === undefined ? {} : { log: failure.log }),
  }
  const death = latestDeath(view)
  switch (view.state) {
    case 'done':
      return doneStatus(view, base, facts)
    case 'dead':
      return deadStatus(base, { death, failure, endedAtMs: view.endedAtMs ?? death?.atMs ?? facts.nowMs })
    case 'leased':
    case 'ready':
    case 'delayed':
      // It died in its own queue and now waits in another one, for whoever looks after the dead letters.
      if (death !== undefined && death.queue !== view.queue) {
        const attempts = { ...base, attempts: death.attempts }
        return deadStatus(attempts, { death, failure, endedAtMs: death.atMs })
      }
      return livingStatus(view, base, failure, facts)
    default:
      return view.state satisfies never
  }
}

export function hasEnded({ state }: TaskStatus<unknown>): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'discarded'
}

type Base = Pick<TaskStatus<unknown>, 'id' | 'task' | 'attempts' | 'timings' | 'log'>

function doneStatus(view: MessageView, base: Base, { nowMs }: StatusFacts): TaskStatus<unknown> {
  const { cancelled, discarded, result, runMs, waitMs, log } = decodeKept(view.kept)
  const endedAtMs = view.endedAtMs ?? nowMs
  if (cancelled) return { ...base, state: 'cancelled', endedAtMs }
  if (discarded !== undefined) return { ...base, state: 'discarded', reason: discarded, endedAtMs }
  const timings = { ...base.timings, runMs, waitMs: waitMs ?? base.timings.waitMs }
  return { ...base, timings, ...(log === undefined ? {} : { log }), state: 'succeeded', result, endedAtMs }
}

function deadStatus(
  base: Base,
  { death, failure, endedAtMs }: { death: Death | undefined; failure: FailureNote | undefined; endedAtMs: number },
): TaskStatus<unknown> {
  const reason = death?.reason ?? 'buried'
  if (reason === 'cancelled') return { ...base, state: 'cancelled', endedAtMs }
  if (reason === DISCARDED) return { ...base, state: 'discarded', reason: 'exhausted', endedAtMs }
  return { ...base, state: 'failed', reason, error: failure?.error, endedAtMs }
}

function livingStatus(
  view: MessageView,
  base: Base,
  failure: FailureNote | undefined,
  { progress, nowMs }: StatusFacts,
): TaskStatus<unknown> {
  if (view.state === 'leased') {
    const log = progress?.log === undefined ? {} : { log: progress.log }
    return { ...base, ...log, state: 'running', progress: progress?.fraction, data: progress?.data }
  }
  const dueAtMs = view.state === 'delayed' ? (view.dueAtMs ?? nowMs) : nowMs
  if (failure !== undefined) return { ...base, state: 'retrying', error: failure.error, nextAttemptAtMs: dueAtMs }
  return view.state === 'delayed' ? { ...base, state: 'delayed', dueAtMs } : { ...base, state: 'queued' }
}

function latestDeath({ history }: MessageView): Death | undefined {
  let latest: Death | undefined
  for (const death of history) if (latest === undefined || death.atMs >= latest.atMs) latest = death
  return latest
}
