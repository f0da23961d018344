/** Tasks: from the first enqueue until the last one is done, with a handler that does nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type * as Package from 'spindle-mq'
import type { Spindle } from 'spindle-mq'
import { drive, medianRun, type Rate, rateOf } from '../measure.ts'
import { type Durability, type StoreChoice, withStore } from '../store.ts'
import type { Pace } from './queues.ts'

export interface TaskCase {
  /** Of the input's padding. */
  readonly bodyBytes: number
  /** How many enqueue at a time, one task a call. */
  readonly callers: number
  readonly durability: Durability
}

export const WORKER_CONCURRENCY = 100
/** One task in this many is waited for and timed, from the call of enqueue to its result. */
const TIMED_EVERY = 64
const POLL_MS = 1

export function tasks(store: StoreChoice, it: TaskCase, pace: Pace): Promise<Rate> {
  return withStore(store, async (spindle, spindleMq) => {
    const { run, stop } = await kitchen({ spindle, spindleMq }, it)
    await run(pace.warmUpMs)
    const runs: Rate[] = []
    for (let i = 0; i < pace.runs; i++) runs.push(await run(pace.runMs))
    await stop()
    return medianRun(runs)
  })
}

/** A worker, and runs of callers that enqueue for it. */
export async function kitchen(
  { spindle, spindleMq }: { readonly spindle: Spindle; readonly spindleMq: Pick<typeof Package, 'task'> },
  it: TaskCase,
): Promise<{ run(durationMs: number): Promise<Rate>; stop(): Promise<void> }> {
  await spindle.queue('bench', { durability: it.durability })
  let ran = 0
  const bench = spindleMq.task('bench', { input: anything, run: () => void ran++ })
  const worker = await spindle.work([bench], { concurrency: WORKER_CONCURRENCY })
  const input = { padding: 'a'.repeat(it.bodyBytes) }
  let enqueued = 0

  const run = async (durationMs: number): Promise<Rate> => {
    const timed: Promise<number>[] = []
    const startedMs = performance.now()
    const { messages } = await drive({
      callers: it.callers,
      durationMs,
      caller: async (lap) => {
        do {
          const calledMs = performance.now()
          const job = await spindle.enqueue(bench, input)
          if (enqueued++ % TIMED_EVERY === 0) timed.push(job.result().then(() => performance.now() - calledMs))
        } while (lap(1))
      },
    })
    while (ran < enqueued) await sleep(POLL_MS)
    for (let waiting = 1; waiting > 0; ) {
      const [measure] = (await spindle.measure()).filter(({ queue }) => queue === 'bench')
      waiting = (measure?.ready ?? 0) + (measure?.leased ?? 0) + (measure?.delayed ?? 0)
      if (waiting > 0) await sleep(POLL_MS)
    }
    return rateOf(messages, performance.now() - startedMs, await Promise.all(timed))
  }
  return { run, stop: () => worker.stop() }
}

const anything: StandardSchemaV1<{ padding: string }> = {
  '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value: value as { padding: string } }) },
}
