/** Compiled, never run: what must not compile is marked, and an unmarked error fails `npm run types`. */
import { batchTask, type Job, type Spindle, task } from 'spindle-mq'
import { z } from 'zod'

declare const spindle: Spindle

const rows = batchTask('rows', {
  input: z.object({ n: z.coerce.number() }),
  batch: { max: 10, waitMs: 100 },
  run: (items) =>
    items.map(({ input, context }) => {
      input.n satisfies number
      context.attempt satisfies number
      return `row ${input.n}`
    }),
})
batchTask('silent', { input: z.string(), batch: { max: 1, waitMs: 0 }, run: async () => {} })
// @ts-expect-error a batch without its rules
batchTask('unruly', { input: z.string(), run: () => {} })

task('vendor', {
  input: z.string(),
  limits: { concurrency: 5, rate: { count: 10, perMs: 1_000 }, perKey: { concurrency: 1 } },
  breaker: { failures: 3, counts: (error) => error instanceof TypeError },
  retry: { decide: (error) => (error instanceof RangeError ? 'fail' : { delayMs: 5 }) },
  killsMax: null,
  isolate: 'thread',
  memoryMbMax: 64,
  run: (text) => text.length,
})
// @ts-expect-error no such isolate
task('fiber', { input: z.string(), isolate: 'fiber', run: () => {} })
// @ts-expect-error no such decision
task('odd', { input: z.string(), retry: { decide: () => 'again' }, run: () => {} })

export async function compiles(): Promise<void> {
  const job = await spindle.enqueue(rows, { n: '7' }, { expiresAt: new Date(0), debounceMs: 5, dedupId: 'a' })
  job satisfies Job<string>
  await spindle.pause({ queue: 'rows', key: 'a' })
  await spindle.pause({ task: 'rows' })
  // @ts-expect-error a type within a queue is not paused
  await spindle.pause({ queue: 'rows', task: 'rows' })
  await spindle.limit('rows', { perKey: { rate: null } })
  const worker = await spindle.work([rows], { order: { rows: 3 }, files: ['./tasks.js'] })
  worker.quiet()
  worker.runs()[0]?.progress satisfies number | undefined
  // @ts-expect-error no such order
  await spindle.work([rows], { order: 'random' })
}
