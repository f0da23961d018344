/** What a failed attempt comes to: tried again, given up, put off or dropped. */
import { SpindleError } from '../model/errors.ts'
import { DURATION_MS_MAX } from '../model/limits.ts'
import type { Random } from '../runtime/random.ts'
import { defaultBackoff, delayBefore } from './backoff.ts'
import type { Ending } from './ending.ts'
import type { Run } from './run.ts'
import { controlOf, decodeFailureNote, describeError, type FailureNote, IsolateEnded } from './task-error.ts'
import { attemptsOf, retainMsOf } from './task-queue.ts'
import type { AnyTask, RetryDecision } from './types.ts'

/** Attempts that may end without a word (or with the end of their isolate) before a task counts as poison. */
const KILLS_MAX_DEFAULT = 3

/** The attempt threw. */
export function verdictOf(run: Run, thrown: unknown, random: Random): Ending {
  const { task, delivery } = run
  if (task === undefined) return unknownTask(run)
  const control = controlOf(thrown)
  if (control?.kind === 'permanent') return failed(task, 'permanent', thrown)
  if (control?.kind === 'snooze') return { kind: 'snoozed', delayMs: Math.min(control.delayMs, DURATION_MS_MAX) }
  if (control?.kind === 'discard') return dropped(task, thrown)
  const told = tellingsOf(run)
  const kills = told.kills + (isIsolateEnd(thrown) ? 1 : 0)
  if (kills > told.kills && isPoison(task, kills + told.silent)) return failed(task, 'poison', thrown)
  const decision = decided(task, thrown, run.attempt)
  if (decision === 'fail') return failed(task, 'permanent', thrown)
  if (decision === 'discard') return dropped(task, thrown)
  if (typeof decision === 'object' && 'snoozeMs' in decision) return { kind: 'snoozed', delayMs: decision.snoozeMs }
  if (run.attempt >= attemptsOf(task)) return failed(task, 'exhausted', thrown)
  const backoff = task.options.retry?.backoff ?? defaultBackoff
  const delayMs =
    typeof decision === 'object'
      ? decision.delayMs
      : delayBefore({ attempts: delivery.attempts, error: thrown }, backoff, random)
  return { kind: 'retrying', error: describeError(thrown), delayMs, failed: told.failed + 1, kills }
}

/** Earlier deliveries ended without a word, as when each one killed its process. undefined: it may run. */
export function spentInSilence(run: Run, task: AnyTask): Ending | undefined {
  const { attempts } = run.delivery
  if (attempts > attemptsOf(task)) {
    return failed(
      task,
      'exhausted',
      silence(attempts - 1, 'attempts are spent; the latest of them ended without a word'),
    )
  }
  if (attempts === 1) return undefined
  const { silent, kills } = tellingsOf(run)
  if (silent === 0 || !isPoison(task, silent + kills)) return undefined
  return failed(task, 'poison', silence(silent + kills, 'attempts ended without a word: it may kill its workers'))
}

/** Total: asking a revoked proxy what it is throws. */
function isIsolateEnd(thrown: unknown): boolean {
  try {
    return thrown instanceof IsolateEnded
  } catch {
    return false
  }
}

function silence(count: number, why: string): Error {
  return new Error(`${count} ${why}`)
}

function isPoison(task: AnyTask, kills: number): boolean {
  const { killsMax = KILLS_MAX_DEFAULT } = task.options
  return killsMax !== null && kills >= killsMax
}

/** How the attempts before this one ended: with an error, with the end of their isolate (counted among them), or in silence. */
function tellingsOf({ delivery }: Run): { readonly failed: number; readonly kills: number; readonly silent: number } {
  const before = delivery.attempts - 1
  if (before === 0) return { failed: 0, kills: 0, silent: 0 }
  const note: Partial<FailureNote> = delivery.note === undefined ? { failed: 0 } : decodeFailureNote(delivery.note)
  // Whoever wrote a note without the count of failures was not this executor, and nothing is known of the silent ones.
  const { failed = before, kills = 0 } = note
  return { failed, kills, silent: Math.max(0, before - failed) }
}

function decided(task: AnyTask, thrown: unknown, attempt: number): RetryDecision {
  try {
    const decision = task.options.retry?.decide?.(thrown, attempt) ?? 'retry'
    if (typeof decision === 'object') {
      const ms = 'delayMs' in decision ? decision.delayMs : decision.snoozeMs
      return ms >= 0 && ms <= DURATION_MS_MAX ? decision : 'retry'
    }
    return decision
  } catch {
    // A broken decision must not cost the task its retry.
    return 'retry'
  }
}

function dropped(task: AnyTask, thrown: unknown): Ending {
  return { kind: 'discarded', reason: describeError(thrown).message, retainMs: retainMsOf(task) }
}

export function failed(task: AnyTask, reason: string, thrown: unknown): Ending {
  return { kind: 'failed', reason, error: describeError(thrown), discard: task.options.onExhausted === 'discard' }
}

/** Kept as a failure even where the exhausted are discarded: these never ran. */
export function invalid(thrown: unknown): Ending {
  return { kind: 'failed', reason: 'invalid', error: describeError(thrown), discard: false }
}

export function unknownTask({ taskName, delivery }: Run): Ending {
  const attempted = `run task '${taskName}' of queue '${delivery.queue}'`
  const error = describeError(new SpindleError('unknown-task', attempted))
  return { kind: 'failed', reason: 'unknown-task', error, discard: false }
}
