/** Schedules, a workflow that succeeded, one that failed and one under way. */
import { z } from 'zod'
import { chain, group, next, step, task } from '../../src/index.ts'
import type { Spindle } from '../../src/spindle.ts'

export interface KitchenTasks {
  /** The workflow under way. */
  readonly flow: string
  /** A task that succeeded at its second attempt, and one that runs on. */
  readonly delivered: string
  readonly cooking: string
}

/** Resolves once the first two have ended. The steps that never end are stopped with the store. */
export async function fillTasks(spindle: Spindle): Promise<KitchenTasks> {
  const input = z.object({ order: z.string() })
  const define = <Name extends string>(name: Name, run: (given: { order: string }) => Promise<{ order: string }>) =>
    task(name, { input, queue: 'kitchen-work', retry: { attempts: 1 }, run })
  const check = define('order.check', async ({ order }) => ({ order }))
  const charge = define('order.charge', async ({ order }) => {
    if (order === 'A-13') throw new RangeError('table 13 does not exist')
    return { order }
  })
  const cook = define('order.cook', ({ order }) =>
    order === 'A-7' ? new Promise(() => {}) : Promise.resolve({ order }),
  )
  const pour = define('order.pour', async ({ order }) => ({ order }))
  const tell = task('order.tell', { input: z.array(input), queue: 'kitchen-work', run: async (all) => all.length })
  const meal = (order: string) =>
    chain(step(check, { order }), next(charge), group([next(cook), next(pour)]), next(tell))
  const deliver = task('order.deliver', {
    input,
    queue: 'kitchen-work',
    retry: { attempts: 2, backoff: () => 0 },
    async run({ order }, { attempt, log }) {
      log(`on the way to ${order}`)
      if (attempt === 1) throw new Error('nobody opened')
      log('handed over')
      return { signedBy: 'Ada' }
    },
  })
  const roast = task('order.roast', {
    input,
    queue: 'kitchen-work',
    async run(_, { progress, log }) {
      log('into the oven')
      await progress(0.4, { degrees: 180 })
      return new Promise<void>(() => {})
    },
  })
  await spindle.work([check, charge, cook, pour, tell, deliver, roast], { concurrency: 6 })
  const served = await spindle.start(meal('A-1'))
  const failed = await spindle.start(meal('A-13'))
  await served.result({ timeoutMs: 60_000 })
  await failed.result({ timeoutMs: 60_000 }).catch(() => {})
  const flow = await spindle.start(meal('A-7'))
  await spindle.schedule('nightly-report', {
    cron: '0 3 * * *',
    timezone: 'Europe/Rome',
    task: check,
    input: { order: 'all' },
  })
  await spindle.schedule('warm-the-ovens', { everyMs: 900_000, task: pour, input: { order: 'ovens' } })
  const paused = await spindle.schedule('happy-hour', { cron: '0 17 * * 5', task: pour, input: { order: 'drinks' } })
  await paused.pause()
  const delivery = await spindle.enqueue(deliver, { order: 'A-1' })
  await delivery.result({ timeoutMs: 60_000 })
  const roasting = await spindle.enqueue(roast, { order: 'A-9' })
  return { flow: flow.id, delivered: delivery.id, cooking: roasting.id }
}
