/**
 * Copies the waiting and delayed jobs of a BullMQ queue into a queue here: one message a job, whose type is the job's name and whose
 * body is its data, as a task of that name finds them. Nothing changes in Redis. Jobs that run, and parents, children and schedules,
 * stay behind and are counted.
 */
import type { Port } from '../../broker/port.ts'
import { encodeJsonContent } from '../../model/content.ts'
import { SpindleError } from '../../model/errors.ts'
import { DURATION_MS_MAX, PRIORITY_MAX } from '../../model/limits.ts'
import type { NewMessage } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { BullmqJob, BullmqSource } from './bullmq-source.ts'

export interface BullmqImportOptions {
  readonly source: BullmqSource
  readonly port: Port
  readonly clock: Clock
  readonly queue: string
  /** Into a queue that holds messages already. Default false: that rejects, since a second run would store every job twice. */
  readonly append?: boolean
  /** Called after each page. */
  readonly progress?: (imported: number) => void
  /** Aborted: the page under way is finished, and it resolves. */
  readonly signal?: AbortSignal
}

export interface BullmqImportReport {
  readonly imported: number
  /** What stays behind, in words: `3 active`. */
  readonly left: readonly string[]
}

/** Rejects `import-failed`. What was imported by then is there. */
export async function importBullmqQueue(options: BullmqImportOptions): Promise<BullmqImportReport> {
  const { source, port, clock, queue, signal } = options
  await source.check()
  const [known] = await port.measure([queue])
  const held = known === undefined ? 0 : known.ready + known.delayed + known.leased
  if (held > 0 && options.append !== true) {
    throw failed(queue, `it holds ${held} messages; purge it, or import with --append`)
  }
  if (known === undefined) await port.declareQueue(queue, {})
  const hasPriorities = await source.hasPriorities()
  const left = new Map<string, number>()
  const leave = (what: string, count = 1): unknown => count > 0 && left.set(what, (left.get(what) ?? 0) + count)
  let imported = 0
  let attemptsMax = 1
  for await (const page of source.jobs()) {
    const jobs = page.filter((entry) => 'name' in entry)
    for (const entry of page) if ('left' in entry) leave(entry.left)
    for (const { attempts } of jobs) attemptsMax = Math.max(attemptsMax, attempts)
    const outcomes = await port.append(
      queue,
      jobs.map((job) => messageOf(job, { hasPriorities, nowMs: clock.wallMs() })),
    )
    const refused = outcomes.findIndex(({ kind }) => kind !== 'stored')
    const outcome = outcomes[refused]
    if (outcome !== undefined) {
      throw failed(queue, `job ${jobs[refused]?.id} is ${outcome.kind === 'refused' ? outcome.reason : outcome.kind}`)
    }
    imported += jobs.length
    options.progress?.(imported)
    if (signal?.aborted === true) break
  }
  // BullMQ keeps attempts with each job; here they are the queue's, or the task's that works on it.
  if (known === undefined) await port.declareQueue(queue, { attemptsMax })
  const { active, parents } = await source.held()
  leave('active', active)
  leave('waiting for children', parents)
  return { imported, left: [...left].map(([what, count]) => `${count} ${what}`) }
}

function messageOf(
  { id, name, data, priority, attempts, attemptsMade, dueAtMs }: BullmqJob,
  { hasPriorities, nowMs }: { readonly hasPriorities: boolean; readonly nowMs: number },
): NewMessage {
  const headers = {
    'bullmq-job-id': id,
    'bullmq-attempts': attempts,
    'bullmq-attempts-made': attemptsMade,
  }
  return {
    content: encodeJsonContent(data, { type: name, headers }),
    // There a lower one goes first and none goes before all; from 255 on they are one, still in their order.
    ...(hasPriorities ? { priority: Math.max(0, PRIORITY_MAX - priority) } : {}),
    delayMs: dueAtMs === undefined ? 0 : Math.min(Math.max(0, dueAtMs - nowMs), DURATION_MS_MAX),
  }
}

function failed(queue: string, why: string): SpindleError {
  return new SpindleError('import-failed', `import into '${queue}' (${why})`)
}
