/**
 * One delivery to one outcome:
 *
 *   decode -> find its task -> validate -> run, with signal and time-out -> classify -> settle
 *
 * Every path ends in `#end`, once. A handler that ignores its signal is left behind after ABORT_GRACE_MS; what it does
 * later changes nothing.
 */

import type { Port, Step } from '../client/port.ts'
import { utf8Text } from '../model/bytes.ts'
import { decodeBody, decodeHead } from '../model/content.ts'
import { SpindleError } from '../model/errors.ts'
import { DURATION_MS_MAX, type Limits } from '../model/limits.ts'
import type { Delivery } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { Tracing } from '../runtime/tracing.ts'
import type { Batches } from './batches.ts'
import { cancelKey } from './cancel.ts'
import type { CeleryInbox } from './celery/inbox.ts'
import { inputOf as celeryInput } from './celery/protocol.ts'
import type { Received } from './celery/received.ts'
import type { Deadlines } from './deadlines.ts'
import { type Ending, encodeKept, settlementOf, waitMsOf } from './ending.ts'
import type { Enqueuer } from './enqueue.ts'
import type { Flows } from './flows/flows.ts'
import type { Isolation } from './isolation/isolation.ts'
import type { Breakers } from './limits/breakers.ts'
import { HOLD_MS, type Pauses } from './limits/pauses.ts'
import { Progress, progressKey } from './progress.ts'
import { type ContextParts, Run, RunContext } from './run.ts'
import type { Settler } from './settler.ts'
import { type Interruption, TaskInterrupted } from './task-error.ts'
import { retainMsOf } from './task-queue.ts'
import { processFacts } from './trace-carrier.ts'
import type { AnyTask, TaskEnd } from './types.ts'
import { type Checked, check, invalidInput } from './validation.ts'
import { failed, invalid, spentInSilence, unknownTask, verdictOf } from './verdict.ts'
import type { Webhooks } from './webhooks.ts'

/** How long an interrupted handler may take to stop, ms. */
export const ABORT_GRACE_MS = 1_000

export interface ExecutorParts {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  readonly log: Log
  readonly deadlines: Deadlines
  readonly settler: Settler
  readonly enqueuer: Enqueuer
  readonly webhooks: Webhooks
  readonly flows: Flows
  /** Deliveries that Python's Celery sent. */
  readonly celery: CeleryInbox
  /** Where tasks with `isolate` run. */
  readonly isolation: Isolation
  readonly batches: Batches
  readonly pauses: Pauses
  readonly breakers: Breakers
  /** The definition of this type; messages without a type go by their queue. */
  readonly find: (type: string | undefined, queue: string) => AnyTask | undefined
  /** The run gave its slot back; its end is on the way to the store. */
  readonly released: (run: Run) => void
  readonly ended: ((end: TaskEnd) => void) | undefined
  readonly tracing?: Tracing
}

export class Executor {
  readonly #parts: ExecutorParts
  readonly #contextParts: ContextParts

  constructor(parts: ExecutorParts) {
    this.#parts = parts
    const { port, clock, deadlines, log, enqueuer } = parts
    const progress = (run: Run): Progress =>
      new Progress({ id: run.id, port, clock, deadlines, log, lines: () => run.lines })
    this.#contextParts = { log, wallMs: () => clock.wallMs(), enqueuer, progress }
  }

  /** The caller holds the run's slot until `released`. */
  take(delivery: Delivery, leasedMs: number): Run {
    const head = decodeHead(delivery.content.head)
    const celery = this.#parts.celery.read(delivery)
    return new Run({
      delivery,
      head,
      task: this.#parts.find(celery?.task ?? head.type, delivery.queue),
      leasedMs,
      celery,
    })
  }

  begin(run: Run): void {
    const { pauses } = this.#parts
    const { queue, groupId } = run.delivery
    if (pauses.holds(run.taskName, queue, groupId)) this.#end(run, { kind: 'held', delayMs: HOLD_MS })
    else if (run.flow !== undefined) this.#beginStep(run, run.flow)
    else if (run.celery !== undefined) this.#beginCelery(run, run.celery)
    else this.#admitDelivery(run)
  }

  /** A step of a workflow that was stopped meanwhile does not begin: the workflow keeps it for a retry. */
  #beginStep(run: Run, flow: { readonly id: string; readonly path: string }): void {
    this.#parts.flows.isStopped(flow).then(
      (stopped) => (stopped ? this.#end(run, this.#cancelled(run)) : this.#admitDelivery(run)),
      (fault: unknown) => this.#end(run, this.#thrown(run, fault)),
    )
  }

  /** Its sender may have said when, and until when. */
  #beginCelery(run: Run, received: Received): void {
    const hindrance = this.#parts.celery.hindrance(received)
    if (hindrance?.kind === 'early') {
      this.#end(run, { kind: 'held', delayMs: Math.min(hindrance.delayMs, DURATION_MS_MAX) })
    } else if (hindrance?.kind === 'expired') {
      const retainMs = run.task === undefined ? 0 : retainMsOf(run.task)
      this.#end(run, { kind: 'discarded', reason: 'expired', retainMs })
    } else this.#admitDelivery(run)
  }

  #admitDelivery(run: Run): void {
    if (run.delivery.deliveries > 1) this.#beginAgain(run)
    else this.#validate(run)
  }

  /** The signal aborts; a handler that goes on regardless has ABORT_GRACE_MS. */
  interrupt(run: Run, kind: Interruption): void {
    if (run.ended || run.interruption !== undefined) return
    run.interrupt(kind)
    run.grace = this.#parts.deadlines.after(ABORT_GRACE_MS, () => {
      if (run.ended) return
      this.#parts.log.warn('a task goes on after its signal aborted; its attempt ends without it', {
        task: run.taskName,
        id: run.id,
        because: kind,
      })
      this.#end(run, this.#thrown(run, new TaskInterrupted(kind)))
    })
  }

  /** An earlier run may have left its progress, and may have been told to stop by somebody whom its worker did not hear. */
  #beginAgain(run: Run): void {
    const { port } = this.#parts
    Promise.all([port.read(cancelKey(run.id)), port.read(progressKey(run.id))]).then(
      ([cancel, progress]) => {
        run.progressRecord = progress !== undefined
        run.cancelRecord = cancel !== undefined
        if (run.cancelRecord) this.#end(run, this.#cancelled(run))
        else this.#validate(run)
      },
      (fault: unknown) => this.#end(run, this.#thrown(run, fault)),
    )
  }

  #validate(run: Run): void {
    const { task } = run
    const silent = task === undefined ? unknownTask(run) : spentInSilence(run, task)
    if (task === undefined || silent !== undefined) this.#end(run, silent ?? unknownTask(run))
    else {
      const checked = checkedInput(run, task)
      if (checked instanceof Promise) {
        checked.then(
          (ready) => this.#admit(run, task, ready),
          (fault: unknown) => this.#end(run, invalid(fault)),
        )
      } else this.#admit(run, task, checked)
    }
  }

  #admit(run: Run, task: AnyTask, checked: Checked | Unreadable): void {
    if (run.ended) return
    if (run.interruption !== undefined) this.#end(run, this.#thrown(run, new TaskInterrupted(run.interruption)))
    else if ('fault' in checked) this.#end(run, invalid(checked.fault))
    else if (checked.issues !== undefined) {
      this.#end(run, invalid(invalidInput(checked.issues, `run task '${task.name}'`)))
    } else this.#start(run, task, checked.value)
  }

  #start(run: Run, task: AnyTask, input: unknown): void {
    const { clock, deadlines } = this.#parts
    const timeoutMs = timeoutOf(run, task)
    run.context = new RunContext(run, this.#contextParts)
    run.startedMs = clock.monotonicMs()
    if (timeoutMs !== undefined) run.timeout = deadlines.after(timeoutMs, () => this.interrupt(run, 'timeout'))
    try {
      const answer = this.#call(run, task, input, run.context)
      if (isThenable(answer)) {
        answer.then(
          (result) => this.#end(run, this.#returned(run, task, result)),
          (thrown: unknown) => this.#end(run, this.#thrown(run, thrown)),
        )
      } else this.#end(run, this.#returned(run, task, answer))
    } catch (thrown) {
      this.#end(run, this.#thrown(run, thrown))
    }
  }

  #call(run: Run, task: AnyTask, input: unknown, context: RunContext): unknown {
    const { tracing } = this.#parts
    if (tracing === undefined) return this.#handle(run, task, input, context)
    return tracing.process(processFacts(run, task), () => this.#handle(run, task, input, context))
  }

  #handle(run: Run, task: AnyTask, input: unknown, context: RunContext): unknown {
    const { isolate, batch } = task.options
    if (batch !== undefined) return this.#parts.batches.run(run, task, { input, context })
    if (isolate === undefined) return task.options.run(input, context)
    // The isolate validates for itself: what the schema makes of the input may have no form that goes over.
    return this.#parts.isolation.run(run, task, inputOf(run, task))
  }

  #returned(run: Run, task: AnyTask, result: unknown): Ending {
    const { interruption } = run
    if (interruption === 'cancelled' || interruption === 'timeout') {
      return this.#thrown(run, new TaskInterrupted(interruption))
    }
    this.#parts.breakers.succeeded(run.delivery.queue)
    // Work that was done before a stop, or although the lease was lost, is offered; the store decides whether it counts.
    return this.#succeeded(run, task, result)
  }

  #thrown(run: Run, thrown: unknown): Ending {
    switch (run.interruption) {
      case 'cancelled':
        return this.#cancelled(run)
      case 'lost':
        return { kind: 'lost' }
      case 'shutdown':
        return { kind: 'released' }
      case 'timeout':
        return this.#failedAttempt(run, new TaskInterrupted('timeout'))
      case undefined:
        return this.#failedAttempt(run, thrown)
      default:
        return run.interruption satisfies never
    }
  }

  #succeeded(run: Run, task: AnyTask, result: unknown): Ending {
    const retainMs = wantsNoResult(run) ? 0 : retainMsOf(task)
    const resultMax = this.#parts.limits.resultBytesMax
    try {
      const json = JSON.stringify(result) as string | undefined
      if (json !== undefined && json.length * 3 > resultMax && Buffer.byteLength(json) > resultMax) {
        const attempted = `keep the result of task '${task.name}' (${Buffer.byteLength(json)} bytes, at most ${resultMax} are allowed)`
        return failed(task, 'result-too-large', new SpindleError('result-too-large', attempted))
      }
      if (retainMs === 0) return { kind: 'succeeded', kept: undefined, result, retainMs }
      run.endedMs = this.#parts.clock.monotonicMs()
      const kept = encodeKept(json, {
        runMs: run.runMs ?? 0,
        waitMs: waitMsOf(run.delivery, run.head.task.delayMs),
        log: run.lines,
      })
      return { kind: 'succeeded', kept, result, retainMs }
    } catch (thrown) {
      return failed(task, 'invalid-result', thrown)
    }
  }

  #cancelled(run: Run): Ending {
    return { kind: 'cancelled', retainMs: run.task === undefined ? 0 : retainMsOf(run.task) }
  }

  #failedAttempt(run: Run, thrown: unknown): Ending {
    const verdict = verdictOf(run, thrown, this.#parts.random)
    const counts = verdict.kind === 'retrying' || verdict.kind === 'failed'
    // The vendor is known to be down: it waits with the rest of the queue.
    const { breakers } = this.#parts
    const isDown = counts && breakers.failed(run.delivery.queue, thrown)
    if (counts) run.after = breakers.moved(run.delivery.queue)
    return isDown ? { kind: 'snoozed', delayMs: 0 } : verdict
  }

  #end(run: Run, ending: Ending): void {
    if (run.ended) return
    run.ended = true
    run.endedMs ??= this.#parts.clock.monotonicMs()
    run.timeout?.cancel()
    run.grace?.cancel()
    run.progress?.end()
    if (run.task?.options.isolate !== undefined) this.#parts.isolation.abandon(run)
    const how = settlementOf(ending, run)
    if (how === undefined) {
      this.#tell(run, ending)
    } else if (isAlone(run, ending)) {
      const { ended, settler } = this.#parts
      const request = { receipt: run.delivery.receipt, how, id: run.id }
      settler.settle(request, (outcome, fault) => {
        if (outcome !== 'settled') this.#tell(run, { kind: 'lost' }, fault)
        else if (ended !== undefined) this.#tell(run, ending)
      })
    } else this.#endTogether(run, ending)
    this.#parts.released(run)
  }

  /** The end with all that must become true with it: follow-ups, the webhook, records that go. */
  #endTogether(run: Run, ending: Ending): void {
    const { settler } = this.#parts
    settler.unit(this.#stepsOf(run, ending), (outcome, fault) => {
      if (outcome === 'settled') {
        if (webhookOf(run, ending) !== undefined) this.#parts.webhooks.announce()
        this.#tell(run, ending)
      } else if (outcome === 'aborted' && run.celery !== undefined && !run.unanswered) {
        // Whoever waited for its answer may have gone meanwhile, which is no reason to run it again.
        run.unanswered = true
        this.#endTogether(run, ending)
      } else if (outcome === 'aborted' && hasCompany(run)) this.#endWithoutFollowUps(run, fault)
      else this.#tell(run, { kind: 'lost' }, fault)
    })
  }

  /** The store refused the unit, or it could not be put together: the attempt failed. If the lease was why, the answer to this is `stale` as well. */
  #endWithoutFollowUps(run: Run, thrown: unknown): void {
    run.followUps = undefined
    run.company = undefined
    const ending = this.#failedAttempt(run, thrown)
    const how = settlementOf(ending, run)
    if (how === undefined) return
    this.#parts.settler.settle({ receipt: run.delivery.receipt, how, id: run.id }, (outcome, fault) =>
      this.#tell(run, outcome === 'settled' ? ending : { kind: 'lost' }, fault),
    )
  }

  async #stepsOf(run: Run, ending: Ending): Promise<Step[]> {
    const { celery, flows, webhooks } = this.#parts
    await run.after
    const told = webhookOf(run, ending) === undefined ? undefined : run.delivery.attempts
    const how = settlementOf(ending, run, told)
    const steps: Step[] = how === undefined ? [] : [{ kind: 'settle', receipt: run.delivery.receipt, how, id: run.id }]
    if (run.progress?.wasSent === true || run.progressRecord)
      steps.push({ kind: 'record', key: progressKey(run.id), value: null })
    if (run.cancelRecord) steps.push({ kind: 'record', key: cancelKey(run.id), value: null })
    for (const { declared, step } of ending.kind === 'succeeded' ? (run.followUps ?? []) : []) {
      await declared
      steps.push(await step)
    }
    if (run.celery !== undefined) steps.push(...(await celery.steps(run, run.celery, ending)))
    if (ending.kind === 'succeeded') {
      if (run.flow !== undefined) steps.push(...(await flows.succeeded(run.flow, ending.result, run.added ?? [])))
      steps.push(...(run.company ?? []))
    } else if (ending.kind === 'cancelled') steps.push(...flows.cancelled(run.delivery))
    else if (ending.kind === 'discarded') steps.push(...flows.discarded(run.delivery, ending.reason))
    steps.push(...(await webhooks.steps({ delivery: run.delivery, ending, runMs: run.runMs })))
    return steps
  }

  #tell(run: Run, ending: Ending, fault?: unknown): void {
    const { ended, log } = this.#parts
    const { delivery, runMs } = run
    if (ending.kind === 'held') return
    if (ending.kind === 'lost') {
      const told =
        fault === undefined ? 'the lease was lost before the task ended' : 'the end of a task could not be stored'
      log.warn(told, { task: run.taskName, id: run.id, ...(fault === undefined ? {} : { fault }) })
    }
    try {
      ended?.({
        id: run.id,
        task: run.taskName,
        queue: delivery.queue,
        attempt: delivery.attempts,
        outcome: ending.kind === 'failed' && ending.discard ? 'discarded' : ending.kind,
        runMs: runMs ?? 0,
        ...('error' in ending ? { error: ending.error } : {}),
      })
    } catch (thrown) {
      log.error('the ended() of a worker threw', { task: run.taskName, id: run.id, thrown })
    }
  }
}

/** The plain case: a settle that nothing must be committed with. */
function isAlone(run: Run, ending: Ending): boolean {
  return (
    run.after === undefined &&
    run.progress?.wasSent !== true &&
    !run.progressRecord &&
    !run.cancelRecord &&
    run.celery === undefined &&
    !(hasCompany(run) && isEnd(ending)) &&
    webhookOf(run, ending) === undefined
  )
}

/** One that the executor stores as an end; the death of a step is told by the store. */
function isEnd({ kind }: Ending): boolean {
  return kind === 'succeeded' || kind === 'cancelled' || kind === 'discarded'
}

/** Something beside its own end becomes true with its success. */
function hasCompany(run: Run): boolean {
  return run.followUps !== undefined || run.company !== undefined || run.flow !== undefined || run.celery !== undefined
}

function webhookOf(run: Run, ending: Ending): string | undefined {
  const goesOn =
    ending.kind === 'retrying' || ending.kind === 'released' || ending.kind === 'snoozed' || ending.kind === 'held'
  return goesOn ? undefined : run.head.task.webhook
}

/** The body is no JSON, or the validator itself failed. */
interface Unreadable {
  readonly fault: unknown
}

function checkedInput(run: Run, task: AnyTask): Checked | Unreadable | Promise<Checked | Unreadable> {
  try {
    return check(task.options.input, inputOf(run, task))
  } catch (fault) {
    return { fault }
  }
}

/** Producers that know no tasks send JSON as text or bytes; what is no JSON is itself the input. */
function inputOf({ head: { kind }, delivery, celery }: Run, task: AnyTask): unknown {
  if (celery !== undefined) {
    if (celery.message instanceof Error) throw celery.message
    return celeryInput(celery.message, task.options.celery?.parameters ?? [])
  }
  const { body } = delivery.content
  if (kind === 'json') return decodeBody(kind, body)
  const text = utf8Text(body)
  try {
    return JSON.parse(text)
  } catch {
    return kind === 'text' ? text : body
  }
}

/** Celery's sender may allow it less time. */
function timeoutOf({ celery }: Run, { options: { timeoutMs } }: AnyTask): number | undefined {
  if (celery === undefined || celery.message instanceof Error) return timeoutMs
  const { softTimeLimitMs, timeLimitMs } = celery.message
  const shortest = Math.min(...[timeoutMs, softTimeLimitMs, timeLimitMs].filter((ms) => ms !== undefined))
  return shortest === Number.POSITIVE_INFINITY ? undefined : shortest
}

function wantsNoResult({ celery }: Run): boolean {
  return celery !== undefined && !(celery.message instanceof Error) && celery.message.ignoreResult
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
