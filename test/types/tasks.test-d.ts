/** Compiled, never run: what must not compile is marked, and an unmarked error fails `npm run types`. */
import type { Job, Spindle, TaskStatus } from 'spindle-mq'
import { exponential, task } from 'spindle-mq'
import { taskHandler } from 'spindle-mq/http'
import { z } from 'zod'

declare const spindle: Spindle

const voucher = task('voucher.render', {
  input: z.object({ bookingId: z.string(), copies: z.coerce.number().default(1) }),
  retry: { attempts: 8, backoff: exponential({ baseMs: 1_000, maxMs: 300_000 }) },
  async run({ bookingId, copies }, ctx) {
    bookingId satisfies string
    // The handler gets the schema's output, not what was sent.
    copies satisfies number
    await ctx.progress(0.5)
    ctx.enqueue(mail, { to: 'ada' })
    // @ts-expect-error the follow-up's input is its own
    ctx.enqueue(mail, { bookingId })
    return { url: `/${bookingId}` }
  },
})
const mail = task('mail.send', { input: z.object({ to: z.string() }), run: ({ to }) => to.length })
const nothing = task('nothing', { input: z.void(), run() {} })

export async function compiles(): Promise<void> {
  const job = await spindle.enqueue(voucher, { bookingId: 'b-42' })
  job satisfies Job<{ url: string }>
  const result = await job.result({ timeoutMs: 1_000 })
  result.url satisfies string
  // @ts-expect-error no such field in the result
  result.uri

  // @ts-expect-error the input lacks bookingId
  await spindle.enqueue(voucher, {})
  // @ts-expect-error bookingId is a string
  await spindle.enqueue(voucher, { bookingId: 42 })
  // @ts-expect-error an unknown option
  await spindle.enqueue(voucher, { bookingId: 'b-42' }, { dealyMs: 5 })
  // @ts-expect-error the result of mail is a number
  const wrong: Job<string> = await spindle.enqueue(mail, { to: 'ada' })
  await spindle.enqueue(nothing, undefined)

  const length = await spindle.job(job.id, mail).result()
  length satisfies number
  const unknown: unknown = await spindle.job(job.id).result()
  // @ts-expect-error what an id alone stands for is unknown
  unknown.url

  const status: TaskStatus<{ url: string }> = await job.status()
  switch (status.state) {
    case 'succeeded':
      status.result.url satisfies string
      break
    case 'retrying':
      status.nextAttemptAtMs satisfies number
      break
    case 'running':
      // @ts-expect-error data is whatever the handler reported
      status.data.page
      break
    default:
      // @ts-expect-error only a success has a result
      status.result
  }
  for await (const { state } of job.watch()) state satisfies TaskStatus<unknown>['state']

  const worker = await spindle.work([voucher, mail, nothing], { concurrency: 10 })
  // @ts-expect-error running is for reading
  worker.running = 3
  // @ts-expect-error a worker wants definitions
  await spindle.work(['voucher.render'])
  taskHandler({ spindle, tasks: [voucher, mail] }) satisfies (request: Request) => Promise<Response>
  void wrong
}

// @ts-expect-error input must be a Standard Schema
export const noSchema = task('no-schema', { input: { to: 'string' }, run: () => 1 })
// @ts-expect-error run is missing
export const noRun = task('no-run', { input: z.string() })
export const wrongHandler = task('wrong-handler', {
  input: z.object({ n: z.number() }),
  // @ts-expect-error the handler takes what the schema gives
  run: (input: { n: string }) => input.n,
})
export const badRetry = task('bad-retry', {
  input: z.string(),
  // @ts-expect-error attempts is a number
  retry: { attempts: 'five' },
  run: () => 1,
})
