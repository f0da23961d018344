import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  chain,
  chainOf,
  chord,
  each,
  fanOut,
  group,
  next,
  PermanentFailure,
  step,
  task,
} from '../../../src/tasks/index.ts'
import { gate, type Rig, rig, sleep } from '../rig.ts'

let on: Rig
/** What ran, in order. */
let ran: string[]

beforeEach(async () => {
  on = await rig()
  ran = []
})
afterEach(() => on.close())

const add = task('add', {
  input: z.object({ a: z.number(), b: z.number() }),
  run: ({ a, b }) => {
    ran.push(`add ${a} ${b}`)
    return a + b
  },
})
const double = task('double', {
  input: z.number(),
  run: (n) => {
    ran.push(`double ${n}`)
    return n * 2
  },
})
const sum = task('sum', {
  input: z.array(z.number()),
  run: (all) => {
    ran.push('sum')
    return all.reduce((total, n) => total + n, 0)
  },
})
let broken = new Set<number>()
const brittle = task('brittle', {
  input: z.number(),
  retry: { attempts: 2, backoff: () => 100 },
  run: (n) => {
    ran.push(`brittle ${n}`)
    if (broken.has(n)) throw new Error(`${n} is broken`)
    return n
  },
})
const tasks = [add, double, sum, brittle]
beforeEach(() => {
  broken = new Set()
})

/** Every record of workflows that is left, but the workflow itself. */
async function leftovers(): Promise<string[]> {
  return (await on.port.scan('spindle/flow/', { limit: 1_000 })).map(({ key }) => key)
}

describe('a chain', () => {
  it('hands each result to the next step', async () => {
    const run = await on.tasks.start(chain(step(add, { a: 1, b: 2 }), next(double), next(double)))
    expect(await run.status()).toMatchObject({ state: 'running' })
    await on.tasks.work(tasks)
    await on.clock.advance(0)
    expect(await run.result()).toBe(12)
    expect(ran).toEqual(['add 1 2', 'double 3', 'double 6'])
    expect(await run.status()).toMatchObject({ id: run.id, state: 'succeeded', result: 12 })
    expect(await leftovers()).toEqual([])
  })

  it('may have steps with inputs of their own, and be a single step', async () => {
    await on.tasks.work(tasks)
    const run = await on.tasks.start(chain(step(add, { a: 1, b: 2 }), step(double, 50)))
    const single = await on.tasks.start(step(double, 4))
    await on.clock.advance(0)
    expect(await run.result()).toBe(100)
    expect(await single.result()).toBe(8)
  })

  it('fails with its step, keeps it, and goes on from there when it is retried', async () => {
    await on.tasks.work(tasks)
    broken.add(3)
    const run = await on.tasks.start(chain(step(add, { a: 1, b: 2 }), next(brittle), next(double)))
    await on.clock.advance(1_000)
    await expect(run.result()).rejects.toMatchObject({ code: 'task-failed', message: /Error: 3 is broken/ })
    expect(ran).toEqual(['add 1 2', 'brittle 3', 'brittle 3'])
    broken.clear()
    expect(await run.retry()).toBe(true)
    await on.clock.advance(1_000)
    expect(await run.result()).toBe(6)
    expect(ran).toEqual(['add 1 2', 'brittle 3', 'brittle 3', 'brittle 3', 'double 3'])
    expect(await run.retry()).toBe(false)
  })

  it('fails when a result does not fit the next step', async () => {
    await on.tasks.work(tasks)
    const flow = chain(step(double, 1) as never, next(add) as never)
    const run = await on.tasks.start(flow)
    await on.clock.advance(100)
    expect(await run.status()).toMatchObject({
      state: 'failed',
      error: { name: 'SpindleError', message: /run task 'add'/ },
    })
  })
})

describe('a group', () => {
  it('comes to the results in the order of its parts, and a chord joins them', async () => {
    const parts = [step(double, 1), chain(step(add, { a: 1, b: 1 }), next(double)), step(double, 3)] as const
    const run = await on.tasks.start(group(parts))
    const joined = await on.tasks.start(chord(parts, next(sum)))
    await on.tasks.work(tasks)
    await on.clock.advance(0)
    expect(await run.result()).toEqual([2, 4, 6])
    expect(await joined.result()).toBe(12)
    expect(ran.filter((one) => one === 'sum')).toHaveLength(1)
    expect(await leftovers()).toEqual([])
  })

  it('gives each part what came before it', async () => {
    await on.tasks.work(tasks)
    const run = await on.tasks.start(chain(step(double, 5), group([next(double), step(double, 1), next(brittle)])))
    await on.clock.advance(0)
    expect(await run.result()).toEqual([20, 2, 10])
  })

  it('of nothing comes to nothing, wherever it stands', async () => {
    await on.tasks.work(tasks)
    const run = await on.tasks.start(group([group([]), chain(fanOut(double, []), next(sum))]))
    await on.clock.advance(0)
    expect(await run.result()).toEqual([[], 0])
  })

  it('nests', async () => {
    await on.tasks.work(tasks)
    const inner = (n: number) => chord([step(double, n), step(double, n + 1)], next(sum))
    const run = await on.tasks.start(chain(group([inner(1), inner(10), group([inner(100)])]), next(count)))
    await on.tasks.work([count])
    await on.clock.advance(0)
    expect(await run.result()).toBe('[6,42,[402]]')
  })
  const count = task('count', { input: z.unknown(), run: (all) => JSON.stringify(all) })
})

describe('a fan-out', () => {
  it('runs so many at a time', async () => {
    let running = 0
    let most = 0
    const slow = task('slow', {
      input: z.number(),
      async run(n) {
        most = Math.max(most, ++running)
        await sleep(on.clock, 1_000)
        running--
        return n
      },
    })
    await on.tasks.work([slow], { concurrency: 50 })
    const run = await on.tasks.start(
      fanOut(
        slow,
        Array.from({ length: 20 }, (_, i) => i),
        { concurrency: 4 },
      ),
    )
    await on.clock.advance(4_900)
    expect(await run.status()).toMatchObject({ state: 'running' })
    await on.clock.advance(200)
    expect(await run.result()).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(most).toBe(4)
  })

  it('runs over the list that came before it', async () => {
    const list = task('list', { input: z.number(), run: (n) => Array.from({ length: n }, (_, i) => i) })
    await on.tasks.work([...tasks, list])
    const run = await on.tasks.start(chain(step(list, 5), each(double), next(sum)))
    await on.clock.advance(0)
    expect(await run.result()).toBe(20)
    const wrong = await on.tasks.start(chain(step(double, 5) as never, each(double)))
    await on.clock.advance(60_000)
    expect(await wrong.status()).toMatchObject({ state: 'failed', error: { message: /run 'double' for each element/ } })
  })

  it('has ten thousand children, joined once', { timeout: 60_000 }, async () => {
    await on.tasks.work(tasks, { concurrency: 1_000 })
    const inputs = Array.from({ length: 10_000 }, (_, i) => i)
    const run = await on.tasks.start(chain(fanOut(double, inputs), next(sum)))
    await on.clock.advance(1_000)
    expect(await run.result()).toBe(99_990_000)
    expect(ran.filter((one) => one.startsWith('double'))).toHaveLength(10_000)
    expect(ran.filter((one) => one === 'sum')).toHaveLength(1)
    await on.clock.advance(100)
    expect(await leftovers()).toEqual([])
  })

  it('takes children that a step adds while it runs', async () => {
    const tree = task('tree', {
      input: z.number(),
      run: (depth, { flow }) => {
        if (depth > 0) for (const _ of [1, 2]) flow?.add(step(tree, depth - 1))
        return depth
      },
    })
    await on.tasks.work([tree, sum])
    const run = await on.tasks.start(chain(group([step(tree, 3), step(tree, 0)]), next(sum)))
    await on.clock.advance(100)
    // 3, 2 × 2, 4 × 1, 8 × 0 and the lone 0.
    expect(await run.result()).toBe(11)
    const lonely = await on.tasks.start(step(tree, 1))
    await on.clock.advance(3_600_000)
    expect(await lonely.status()).toMatchObject({ state: 'failed', error: { message: /no group is around this step/ } })
  })
})

describe('a failure in a group', () => {
  const three = () => [step(brittle, 1), chain(step(brittle, 2), next(double)), step(brittle, 3)] as const

  it('fails it at once: what runs is told, what waits does not begin', async () => {
    const told: unknown[] = []
    const waiting = task('waiting', {
      input: z.number(),
      async run(n, { signal }) {
        ran.push(`waiting ${n}`)
        await sleep(on.clock, 60_000, signal).catch((reason: unknown) => {
          told.push(reason)
          throw reason
        })
      },
    })
    const never = task('never', {
      input: z.number(),
      run: (n): number => {
        throw new PermanentFailure(`${n} is broken`)
      },
    })
    const all = [1, 2, 3, 4, 5, 6].map((n) => step(waiting, n))
    const run = await on.tasks.start(group([step(never, 1), ...all] as never))
    await on.tasks.work([never, waiting], { concurrency: 3 })
    await on.clock.advance(300)
    expect(await run.status()).toMatchObject({ state: 'failed', error: { message: '1 is broken' } })
    // Whatever began before the failure was stored was told.
    expect(ran.length).toBeLessThanOrEqual(3)
    expect(told).toEqual(ran.map(() => expect.objectContaining({ kind: 'cancelled' })))
    expect(await on.port.measure(['waiting'])).toMatchObject([{ ready: 0, leased: 0 }])
  })

  it('starts anew what it held up, and nothing that was done, when it is retried', async () => {
    broken.add(2)
    await on.tasks.work(tasks, { concurrency: 1 })
    const inputs = Array.from({ length: 9 }, (_, i) => i)
    const run = await on.tasks.start(chain(fanOut(brittle, inputs, { concurrency: 2 }), next(sum)))
    await on.clock.advance(1_000)
    expect(await run.status()).toMatchObject({ state: 'failed' })
    broken.clear()
    expect(await run.retry()).toBe(true)
    await on.clock.advance(1_000)
    expect(await run.result()).toBe(36)
    for (const n of inputs) expect(ran.filter((one) => one === `brittle ${n}`)).toHaveLength(n === 2 ? 3 : 1)
    expect(ran.filter((one) => one === 'sum')).toHaveLength(1)
  })

  it('fails it when the others have ended, under waitAll, and again until all is well', async () => {
    broken = new Set([1, 2])
    await on.tasks.work(tasks)
    const run = await on.tasks.start(chain(group(three(), { failure: 'waitAll' }), next(sum)))
    await on.clock.advance(1_000)
    expect(await run.status()).toMatchObject({
      state: 'failed',
      error: { message: '2 of 3 failed; the first: Error: 1 is broken' },
    })
    expect(ran).toContain('brittle 3')
    broken = new Set([2])
    await run.retry()
    await on.clock.advance(1_000)
    expect(await run.status()).toMatchObject({
      state: 'failed',
      error: { message: '1 of 3 failed; the first: Error: 2 is broken' },
    })
    broken.clear()
    await run.retry()
    await on.clock.advance(1_000)
    expect(await run.result()).toBe(8)
    expect(ran.filter((one) => one === 'brittle 3')).toHaveLength(1)
    expect(ran.filter((one) => one === 'sum')).toHaveLength(1)
  })

  it('is counted once, however often it is retried', async () => {
    broken = new Set([1, 2])
    await on.tasks.work(tasks)
    const run = await on.tasks.start(chain(group(three(), { failure: 'waitAll' }), next(sum)))
    await on.clock.advance(1_000)
    broken.clear()
    await run.retry()
    await on.clock.advance(1_000)
    expect(await run.result()).toBe(8)
  })

  it('is a result like others under continue', async () => {
    broken = new Set([2])
    await on.tasks.work(tasks)
    const run = await on.tasks.start(group(three(), { failure: 'continue' }))
    await on.clock.advance(1_000)
    expect(await run.result()).toEqual([
      { state: 'succeeded', result: 1 },
      { state: 'failed', error: { name: 'Error', message: '2 is broken' } },
      { state: 'succeeded', result: 3 },
    ])
  })

  it('is seen also where the store alone judged it', async () => {
    const strict = task('strict', {
      input: z.number(),
      idempotent: false,
      leaseMs: 1_000,
      run: () => sleep(on.clock, 10_000),
    })
    await on.tasks.work([strict], { renew: false } as never)
    const run = await on.tasks.start(group([step(strict, 1), step(double, 2)]))
    await on.clock.advance(20_000)
    expect(await run.status()).toMatchObject({ state: 'failed', error: { name: 'TaskFailed', message: 'lost' } })
  })

  it('may be permanent, and of several only one counts', async () => {
    const never = task('never', {
      input: z.number(),
      run: (n): number => {
        throw new PermanentFailure(`never ${n}`)
      },
    })
    await on.tasks.work([never, double])
    const branch = group([step(never, 1), step(never, 2), step(never, 3)])
    const run = await on.tasks.start(group([branch, step(double, 1)], { failure: 'continue' }))
    await on.clock.advance(10_000)
    expect(await run.result()).toMatchObject([{ state: 'failed' }, { state: 'succeeded', result: 2 }])
  })
})

describe('a workflow', () => {
  it('is cancelled, and goes on when it is retried', async () => {
    const held = gate()
    const slow = task('slow', {
      input: z.number(),
      async run(n, { signal }) {
        ran.push(`slow ${n}`)
        const aborted = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        await Promise.race([held.opened, aborted])
        return n
      },
    })
    await on.tasks.work([...tasks, slow], { concurrency: 1 })
    const run = await on.tasks.start(chain(step(double, 1), group([next(slow), step(double, 7)]), next(sum)))
    await on.clock.advance(10)
    expect(ran).toEqual(['double 1', 'slow 2'])
    expect(await run.cancel()).toBe(true)
    expect(await run.cancel()).toBe(false)
    await on.clock.advance(10)
    expect(await run.status()).toMatchObject({ state: 'cancelled' })
    await expect(run.result()).rejects.toMatchObject({ code: 'task-cancelled' })
    expect(ran).toEqual(['double 1', 'slow 2'])
    held.open()
    expect(await run.retry()).toBe(true)
    await on.clock.advance(10)
    expect(await run.result()).toBe(16)
    expect(ran).toEqual(expect.arrayContaining(['double 1', 'slow 2', 'slow 2', 'double 7', 'sum']))
    expect(ran).toHaveLength(5)
  })

  it('fails when one of its steps is cancelled by hand', async () => {
    const run = await on.tasks.start(group([step(double, 1), step(double, 2)]))
    const { messages } = await on.port.browse({ queue: 'double', states: ['ready'], limit: 10 })
    await on.tasks.job(messages[0]?.id as string).cancel()
    await on.tasks.work(tasks)
    await on.clock.advance(10)
    expect(await run.status()).toMatchObject({ state: 'failed', error: { name: 'TaskCancelled' } })
    await run.retry()
    await on.clock.advance(10)
    expect(await run.result()).toEqual([2, 4])
  })

  it('starts once more from its start', async () => {
    await on.tasks.work(tasks)
    broken.add(8)
    const inputs = Array.from({ length: 100 }, (_, i) => i)
    const run = await on.tasks.start(fanOut(brittle, inputs))
    await on.clock.advance(1_000)
    expect(await run.status()).toMatchObject({ state: 'failed' })
    broken.clear()
    const again = await run.restart()
    expect(again.id).not.toBe(run.id)
    await on.clock.advance(1_000)
    expect(await again.result()).toEqual(inputs)
    expect(await run.remove()).toBe(true)
    expect(await run.remove()).toBe(false)
    await expect(run.status()).rejects.toMatchObject({ code: 'not-found' })
    await on.clock.advance(10)
    expect(await leftovers()).toEqual([])
  })

  it('is known for a day after its success', async () => {
    await on.tasks.work(tasks)
    const run = await on.tasks.start(step(double, 1))
    await on.clock.advance(23 * 3_600_000)
    expect(await on.tasks.flow(run.id).result()).toBe(2)
    await on.clock.advance(2 * 3_600_000)
    await expect(run.status()).rejects.toMatchObject({ code: 'not-found' })
  })

  it('is refused when it could not be run', async () => {
    await expect(on.tasks.start(step(double, 'one' as never))).rejects.toMatchObject({ code: 'invalid-input' })
    const circular = group([step(double, 1)])
    ;(circular.node as unknown as { nodes: unknown[] }).nodes.push(circular.node)
    await expect(on.tasks.start(circular)).rejects.toThrow(/it contains itself/)
    let deep = group([step(double, 1)]) as unknown as ReturnType<typeof group>
    for (let i = 0; i < 40; i++) deep = group([deep]) as never
    await expect(on.tasks.start(deep)).rejects.toThrow(/nested deeper than 32/)
    expect(() => group([], { concurrency: 0 })).toThrow(/concurrency is 0/)
    expect(() => group([], { failure: 'never' as never })).toThrow(/failure must be one of/)
    expect(() => fanOut(double, new Array(10_001).fill(1))).toThrow(/10001 parts/)
    expect(() => chainOf([])).toThrow(/no parts/)
    const vanishing = task('vanishing', {
      input: z.number(),
      onExhausted: 'discard',
      result: { retainMs: 0 },
      run: () => {},
    })
    await expect(on.tasks.start(step(vanishing, 1))).rejects.toThrow(/would leave no trace/)
    const wide = group(Array.from({ length: 100 }, () => fanOut(double, new Array(500).fill(1))))
    await expect(on.tasks.start(wide)).rejects.toThrow(/bound the concurrency/)
  })
})
