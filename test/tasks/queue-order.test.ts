import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { SpindleError } from '../../src/model/errors.ts'
import { task } from '../../src/tasks/index.ts'
import type { QueueOrder } from '../../src/tasks/types.ts'
import { gate, type Rig, rig, sleep } from './rig.ts'

let on: Rig
let ran: string[]

beforeEach(async () => {
  on = await rig()
  ran = []
})
afterEach(() => on.close())

const named = (name: string) => task(name, { input: z.number(), run: () => void ran.push(name) })

async function order(order: QueueOrder, counts: Record<string, number>): Promise<string[]> {
  const tasks = Object.keys(counts).map(named)
  for (const one of tasks) {
    await on.tasks.enqueueMany(
      one,
      Array.from({ length: counts[one.name] ?? 0 }, (_, input) => ({ input })),
    )
  }
  await on.tasks.work(tasks, { concurrency: 1, order })
  await on.clock.advance(1_000)
  return ran
}

describe('the queues of a worker', () => {
  it('take turns', async () => {
    expect((await order('turns', { a: 3, b: 3, c: 3 })).slice(0, 6).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
  })

  it('are strictly one before the other', async () => {
    expect(await order('strict', { news: 4, mail: 3, rest: 2 })).toEqual([
      ...Array(4).fill('news'),
      ...Array(3).fill('mail'),
      ...Array(2).fill('rest'),
    ])
  })

  it('are drawn by their weights, so that none starves', async () => {
    const all = await order({ critical: 6, normal: 3 }, { critical: 2_000, normal: 2_000, low: 2_000 })
    const share = (name: string) => all.slice(0, 2_000).filter((one) => one === name).length / 2_000
    expect(share('critical')).toBeCloseTo(0.6, 1)
    expect(share('normal')).toBeCloseTo(0.3, 1)
    expect(share('low')).toBeCloseTo(0.1, 1)
    expect(all).toHaveLength(6_000)
  })

  it('fill what room there is, in their order', async () => {
    const held = gate()
    const [news, mail] = ['news', 'mail'].map((name) =>
      task(name, {
        input: z.number(),
        run: async () => {
          ran.push(name)
          await held.opened
        },
      }),
    )
    if (news === undefined || mail === undefined) throw new Error('two were made')
    for (const [one, count] of [
      [news, 3],
      [mail, 9],
    ] as const) {
      await on.tasks.enqueueMany(
        one,
        Array.from({ length: count }, (_, input) => ({ input })),
      )
    }
    await on.tasks.work([news, mail], { concurrency: 8, order: 'strict' })
    await on.clock.advance(10)
    expect(ran).toEqual([...Array(3).fill('news'), ...Array(5).fill('mail')])
    held.open()
  })

  it.each(['turns', 'strict', { shut: 9 }] as const)('go on without one that refuses, ordered by %j', async (order) => {
    const receive = on.port.receive.bind(on.port)
    let refuses = true
    vi.spyOn(on.port, 'receive').mockImplementation((request, signal) =>
      refuses && request.queue === 'shut'
        ? Promise.reject(new SpindleError('access-denied', "read 'shut' as 'worker'"))
        : receive(request, signal),
    )
    const [shut, open] = [named('shut'), named('open')]
    const waiting = await Promise.all([1, 2, 3].map((n) => on.tasks.enqueue(open, n)))
    const late = await on.tasks.enqueue(shut, 4)
    await on.tasks.work([shut, open], { concurrency: 4, order })
    await on.clock.advance(60_000)
    for (const job of waiting) expect(await job.status()).toMatchObject({ state: 'succeeded', attempts: 1 })

    const next = await on.tasks.enqueue(open, 5)
    await on.clock.advance(0)
    expect(await next.status()).toMatchObject({ state: 'succeeded', attempts: 1 })
    expect(new Set(on.warnings)).toEqual(new Set(['a queue cannot be claimed from; the others go on']))

    refuses = false
    await on.clock.advance(5_000)
    expect(await late.status()).toMatchObject({ state: 'succeeded', attempts: 1 })
  })

  it.each([
    [{ nowhere: 1 }, /order names queue 'nowhere'/],
    [{ a: 0 }, /the weight of queue 'a' is 0/],
    [{ a: Number.NaN }, /the weight of queue 'a' is NaN/],
  ])('are refused as %j', async (weights, why) => {
    await expect(on.tasks.work([named('a')], { order: weights as never })).rejects.toThrow(why)
  })
})

describe('a quiet worker', () => {
  it.each([1, 2])('of %i queues claims nothing, ends what runs, and goes on', async (queues) => {
    const slow = task('slow', {
      input: z.number(),
      async run(n, ctx) {
        ran.push(`slow ${n}`)
        await ctx.progress(0.25)
        await sleep(on.clock, 1_000)
      },
    })
    const tasks = queues === 1 ? [slow] : [slow, named('other')]
    const worker = await on.tasks.work(tasks, { concurrency: 2 })
    await on.tasks.enqueue(slow, 1)
    await on.clock.advance(400)
    expect(worker.runs()).toMatchObject([{ task: 'slow', queue: 'slow', attempt: 1, runMs: 400, progress: 0.25 }])
    worker.quiet()
    worker.quiet()
    const job = await on.tasks.enqueue(slow, 2)
    await on.clock.advance(60_000)
    expect(ran).toEqual(['slow 1'])
    expect(worker.running).toBe(0)
    expect(await job.status()).toMatchObject({ state: 'queued', attempts: 0 })
    worker.resume()
    worker.resume()
    await on.clock.advance(1_000)
    expect(ran).toEqual(['slow 1', 'slow 2'])
  })

  it('stops', async () => {
    const worker = await on.tasks.work([named('a')])
    worker.quiet()
    const stopping = worker.stop()
    await on.clock.advance(10)
    await stopping
    worker.resume()
    expect(worker.running).toBe(0)
  })
})
