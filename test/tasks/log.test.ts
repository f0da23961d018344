import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { type TaskContext, task } from '../../src/tasks/index.ts'
import { type Rig, rig, sleep } from './rig.ts'

async function started(): Promise<Rig> {
  const on = await rig()
  onTestFinished(() => on.close())
  return on
}

const logging = (run: (ctx: TaskContext) => unknown) =>
  task('logging', { input: z.object({}), retry: { attempts: 2, backoff: () => 1_000 }, run: (_, ctx) => run(ctx) })

it('is kept with the result, and needs no record beside it', async () => {
  const on = await started()
  const said = logging((ctx) => ctx.log('rendering'))
  const job = await on.tasks.enqueue(said, {})
  await on.tasks.work([said])
  await on.clock.advance(0)
  expect(await job.status()).toMatchObject({
    state: 'succeeded',
    log: [{ attempt: 1, message: 'rendering', atMs: on.clock.wallMs() }],
  })
  expect(await on.port.scan('spindle/progress/', { limit: 10 })).toEqual([])
})

it('can be read while the task runs', async () => {
  const on = await started()
  const said = logging(async (ctx) => {
    ctx.log('half way')
    await sleep(on.clock, 5_000)
  })
  const job = await on.tasks.enqueue(said, {})
  await on.tasks.work([said])
  await on.clock.advance(1_000)
  expect(await job.status()).toMatchObject({ state: 'running', progress: undefined, log: [{ message: 'half way' }] })
  await on.clock.advance(5_000)
  expect(await job.status()).toMatchObject({ state: 'succeeded', log: [{ message: 'half way' }] })
  expect(await on.port.scan('spindle/progress/', { limit: 10 })).toEqual([])
})

it('goes through the attempts, and stays with a failure', async () => {
  const on = await started()
  const said = logging((ctx) => {
    ctx.log(`try ${ctx.attempt}`)
    throw new Error('no luck')
  })
  const job = await on.tasks.enqueue(said, {})
  await on.tasks.work([said])
  await on.clock.advance(0)
  expect(await job.status()).toMatchObject({ state: 'retrying', log: [{ attempt: 1, message: 'try 1' }] })
  await on.clock.advance(1_000)
  expect(await job.status()).toMatchObject({
    state: 'failed',
    error: { message: 'no luck' },
    log: [
      { attempt: 1, message: 'try 1' },
      { attempt: 2, message: 'try 2' },
    ],
  })
})

it('tells what an earlier attempt logged although the last one logged nothing', async () => {
  const on = await started()
  const said = logging((ctx) => {
    if (ctx.attempt > 1) return
    ctx.log('first')
    throw new Error('no luck')
  })
  const job = await on.tasks.enqueue(said, {})
  await on.tasks.work([said])
  await on.clock.advance(1_000)
  expect(await job.status()).toMatchObject({ state: 'succeeded', log: [{ attempt: 1, message: 'first' }] })
})

it('has a limit: the newest lines stay, a long one is cut, and an error keeps its place', async () => {
  const on = await started()
  const chatty = logging((ctx) => {
    for (let n = 0; n < 5_000; n++) ctx.log(`line ${n} ${'x'.repeat(2_000)}`)
    if (ctx.attempt === 1) throw new Error('no luck')
  })
  const job = await on.tasks.enqueue(chatty, {})
  await on.tasks.work([chatty])
  await on.clock.advance(0)
  const retrying = await job.status()
  expect(retrying).toMatchObject({ state: 'retrying', error: { message: 'no luck' } })
  expect(JSON.stringify(retrying.log).length).toBeLessThanOrEqual(2_048)
  await on.clock.advance(1_000)
  const { log = [] } = await job.status()
  expect(log.at(-1)?.message).toMatch(/^line 4999 x{900,}…$/)
  expect(JSON.stringify(log).length).toBeLessThanOrEqual(8_192)
  expect(log.length).toBeGreaterThan(3)
})
