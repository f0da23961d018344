/** Compiled, never run: what must not compile is marked, and an unmarked error fails `npm run types`. */
import { type Schedule, type Spindle, task } from 'spindle-mq'
import { z } from 'zod'

declare const spindle: Spindle

const report = task('report', { input: z.object({ region: z.string() }), run: () => {} })

export async function compiles(): Promise<void> {
  const target = { task: report, input: { region: 'eu' } }
  const schedule = await spindle.schedule('a', { ...target, cron: '0 4 * * *', timezone: 'Europe/Berlin' })
  schedule satisfies Schedule
  await spindle.schedule('b', { ...target, everyMs: 1_000, missed: { all: 3 }, overlap: 'queueOne' })
  await spindle.schedule('c', { queue: 'mail', body: { any: 'thing' }, at: new Date(0) })
  // @ts-expect-error the input is the task's
  await spindle.schedule('d', { task: report, input: { regoin: 'eu' }, everyMs: 1_000 })
  // @ts-expect-error no instant
  await spindle.schedule('e', target)
  // @ts-expect-error two ways to say when
  await spindle.schedule('f', { ...target, everyMs: 1_000, cron: '* * * * *' })
  // @ts-expect-error a zone without a pattern
  await spindle.schedule('g', { ...target, everyMs: 1_000, timezone: 'UTC' })
  // @ts-expect-error a task and a queue
  await spindle.schedule('h', { ...target, queue: 'mail', body: 1, everyMs: 1_000 })
  // @ts-expect-error no such policy
  await spindle.schedule('i', { ...target, everyMs: 1_000, missed: 'twice' })
}
