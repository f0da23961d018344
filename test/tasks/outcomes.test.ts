import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { batchTask, chain, Discard, next, Snooze, step, type TaskEnd, task } from '../../src/tasks/index.ts'
import { gate, type Rig, rig, sleep } from './rig.ts'

const NOTHING = z.object({})
let on: Rig

beforeEach(async () => {
  on = await rig()
})
afterEach(() => on.close())

describe('a handler may ask', () => {
  it('to run again later, without spending an attempt', async () => {
    const runs: [number, number][] = []
    const ends: TaskEnd[] = []
    const shy = task('shy', {
      input: NOTHING,
      retry: { attempts: 2 },
      run: (_input, { attempt }) => {
        runs.push([on.elapsedMs(), attempt])
        if (runs.length < 4) throw new Snooze({ delayMs: 10_000 })
        return 'at last'
      },
    })
    const job = await on.tasks.enqueue(shy, {})
    await on.tasks.work([shy], { ended: (end) => ends.push(end) })
    await on.clock.advance(5_000)
    expect(await job.status()).toMatchObject({ state: 'delayed', attempts: 0 })
    await on.clock.advance(60_000)
    expect(runs).toEqual([0, 10_000, 20_000, 30_000].map((atMs) => [atMs, 1]))
    expect(ends.map(({ outcome }) => outcome)).toEqual(['snoozed', 'snoozed', 'snoozed', 'succeeded'])
    expect(await job.result()).toBe('at last')
  })

  it('to be dropped: no retry, no failure', async () => {
    let runs = 0
    const moot = task('moot', {
      input: NOTHING,
      run: (): never => {
        runs++
        throw new Discard('the booking is gone')
      },
    })
    const job = await on.tasks.enqueue(moot, {})
    await on.tasks.work([moot])
    await on.clock.advance(60_000)
    expect(await job.status()).toMatchObject({ state: 'discarded', reason: 'the booking is gone' })
    expect(runs).toBe(1)
    expect(await on.port.measure(['moot'])).toMatchObject([{ dead: 0, done: 1 }])
    await expect(job.result()).rejects.toThrow(/the booking is gone, discarded/)
    const flow = await on.tasks.start(chain(step(moot, {}), next(moot as never)))
    await on.clock.advance(10)
    expect(await flow.status()).toMatchObject({ state: 'failed', error: { name: 'TaskDiscarded' } })
  })
})

describe('a retry may be decided from the error', () => {
  class Busy extends Error {
    readonly afterMs: number
    constructor(afterMs: number) {
      super('busy')
      this.afterMs = afterMs
    }
  }

  async function outcome(error: unknown): Promise<{ state: string; runsMs: number[] }> {
    const runsMs: number[] = []
    const vendor = task(`vendor ${String(error)}`, {
      input: NOTHING,
      retry: {
        attempts: 3,
        backoff: () => 1_000,
        decide: (thrown, failedAttempts) => {
          if (thrown instanceof Busy) return { snoozeMs: thrown.afterMs }
          if (thrown instanceof RangeError) return 'fail'
          if (thrown instanceof SyntaxError) return 'discard'
          if (thrown instanceof URIError) return { delayMs: failedAttempts * 7_000 }
          if (thrown instanceof EvalError) throw new Error('a broken decision')
          if (thrown instanceof ReferenceError) return { delayMs: Number.NaN }
          return 'retry'
        },
      },
      run: (): never => {
        runsMs.push(on.elapsedMs() - startMs)
        if (runsMs.length > 5) throw new RangeError('enough')
        throw error
      },
    })
    const startMs = on.elapsedMs()
    const job = await on.tasks.enqueue(vendor, {})
    await on.tasks.work([vendor])
    await on.clock.advance(300_000)
    return { state: (await job.status()).state, runsMs }
  }

  it.each([
    [new Error('retry'), 'failed', [0, 1_000, 2_000]],
    [new RangeError('fail'), 'failed', [0]],
    [new SyntaxError('discard'), 'discarded', [0]],
    [new URIError('delay'), 'failed', [0, 7_000, 21_000]],
    [new EvalError('throws'), 'failed', [0, 1_000, 2_000]],
    [new ReferenceError('no number'), 'failed', [0, 1_000, 2_000]],
    [new Busy(3_000), 'failed', [0, 3_000, 6_000, 9_000, 12_000, 15_000]],
  ])('%s', async (error, state, runsMs) => {
    expect(await outcome(error)).toEqual({ state, runsMs })
  })
})

describe('poison', () => {
  /** A worker whose process dies in the middle of whatever it runs: its leases end in silence. */
  const deadly = (killsMax?: number | null) => {
    const runs: number[] = []
    const poison = task('poison', {
      input: NOTHING,
      retry: { attempts: 6, backoff: () => 0 },
      leaseMs: 1_000,
      ...(killsMax === undefined ? {} : { killsMax }),
      run: async (_input, { attempt }) => {
        runs.push(attempt)
        if (attempt === 2) throw new Error('an ordinary failure')
        await sleep(on.clock, 3_600_000)
      },
    })
    return { poison, runs }
  }

  it.each([
    [undefined, [1, 2, 3, 4], 'poison', /^3 attempts ended without a word: it may kill its workers$/],
    [1, [1], 'poison', /^1 attempts ended/],
    [null, [1, 2, 3, 4, 5, 6], 'exhausted', undefined],
  ])('is dead after %s silent ends, beside its ordinary failures', async (killsMax, attempts, reason, message) => {
    const { poison, runs } = deadly(killsMax as never)
    const job = await on.tasks.enqueue(poison, {})
    await on.tasks.work([poison], { renew: false } as never)
    await on.clock.advance(30_000)
    expect(runs).toEqual(attempts)
    expect(await job.status()).toMatchObject({ state: 'failed', reason })
    const status = await job.status()
    if (message !== undefined) expect(status.state === 'failed' && status.error?.message).toMatch(message)
  })
})

describe('a batch', () => {
  const sizes: number[][] = []
  const batched = batchTask('batched', {
    input: z.number(),
    batch: { max: 4, waitMs: 1_000 },
    retry: { attempts: 2, backoff: () => 500 },
    run: async (items) => {
      sizes.push(items.map(({ input }) => input))
      return items.map(({ input, context }) => {
        if (input < 0 && context.attempt === 1) return new Error('negative')
        return input * 2
      })
    },
  })
  beforeEach(() => {
    sizes.length = 0
  })

  it('is full, or as old as it may get; each input has its own result', async () => {
    const jobs = await on.tasks.enqueueMany(
      batched,
      Array.from({ length: 10 }, (_, input) => ({ input })),
    )
    await on.tasks.work([batched], { concurrency: 100 })
    await on.clock.advance(999)
    expect(sizes).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ])
    await on.clock.advance(1)
    expect(sizes[2]).toEqual([8, 9])
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
  })

  it('is no larger than what the worker may run', async () => {
    await on.tasks.enqueueMany(batched, [{ input: 1 }, { input: 2 }, { input: 3 }])
    await on.tasks.work([batched], { concurrency: 2 })
    await on.clock.advance(10)
    expect(sizes).toEqual([[1, 2]])
  })

  it('fails for those alone whose result is an error', async () => {
    const [good, bad] = await on.tasks.enqueueMany(batched, [{ input: 1 }, { input: -1 }])
    await on.tasks.work([batched])
    await on.clock.advance(1_100)
    expect(await good?.status()).toMatchObject({ state: 'succeeded', result: 2 })
    expect(await bad?.status()).toMatchObject({ state: 'retrying', error: { message: 'negative' } })
    await on.clock.advance(5_000)
    expect(await bad?.status()).toMatchObject({ state: 'succeeded', result: -2, attempts: 2 })
  })

  it('fails as a whole when its handler throws or returns another number of results', async () => {
    const odd = batchTask('odd', {
      input: z.string(),
      batch: { max: 2, waitMs: 0 },
      retry: { attempts: 1 },
      run: (items) => {
        if (items[0]?.input === 'throw') throw new Error('thrown')
        if (items[0]?.input === 'nothing') return
        return ['one too few']
      },
    })
    await on.tasks.work([odd])
    const states = async (input: string) => {
      const jobs = await on.tasks.enqueueMany(odd, [{ input }, { input }])
      await on.clock.advance(10)
      return Promise.all(jobs.map((job) => job.status()))
    }
    expect(await states('throw')).toMatchObject([
      { state: 'failed', error: { message: 'thrown' } },
      { state: 'failed', error: { message: 'thrown' } },
    ])
    expect(await states('few')).toMatchObject([
      { state: 'failed', error: { message: /returned 1 results for 2 inputs/ } },
      { state: 'failed' },
    ])
    expect(await states('nothing')).toMatchObject([{ state: 'succeeded' }, { state: 'succeeded' }])
  })

  it('leaves out what was cancelled while it gathered', async () => {
    const [first, second] = await on.tasks.enqueueMany(batched, [{ input: 1 }, { input: 2 }])
    await on.tasks.work([batched])
    await on.clock.advance(10)
    await first?.cancel()
    await on.clock.advance(2_000)
    expect(sizes).toEqual([[2]])
    expect((await first?.status())?.state).toBe('cancelled')
    expect(await second?.result()).toBe(4)
  })

  it.each([
    [{ batch: { max: 0, waitMs: 0 } }, /batch\.max is 0/],
    [{ batch: { max: 1, waitMs: -1 } }, /batch\.waitMs is -1/],
    [{ batch: { max: 1, waitMs: 1 }, isolate: 'thread' }, /a batch has no isolate/],
    [{ batch: { max: 1, waitMs: 1 }, killsMax: 0 }, /killsMax is 0/],
  ])('is not defined with %j', (options, why) => {
    expect(() => batchTask('bad', { input: z.number(), run: () => {}, ...options } as never)).toThrow(why)
  })
})

describe('an enqueue may say', () => {
  it('that only the last of many counts, once it is quiet', async () => {
    const inputs: number[] = []
    const index = task('index', { input: z.number(), run: (n) => void inputs.push(n) })
    await on.tasks.work([index])
    const ids = new Set<string>()
    for (const n of [1, 2, 3]) {
      ids.add((await on.tasks.enqueue(index, n, { dedupId: 'hotel-7', debounceMs: 1_000 })).id)
      await on.clock.advance(900)
    }
    expect(inputs).toEqual([])
    await on.clock.advance(100)
    expect(inputs).toEqual([3])
    expect(ids.size).toBe(1)
    await on.tasks.enqueue(index, 4, { dedupId: 'hotel-7', debounceMs: 1_000 })
    await on.clock.advance(1_000)
    expect(inputs).toEqual([3, 4])
  })

  it('that one more may follow the running one', async () => {
    const inputs: number[] = []
    const running = gate()
    const sync = task('sync', {
      input: z.number(),
      dedup: { kind: 'afterRunning' },
      run: async (n) => {
        inputs.push(n)
        await running.opened
      },
    })
    await on.tasks.work([sync])
    const enqueue = (n: number) => on.tasks.enqueue(sync, n, { dedupId: 'a' })
    await enqueue(1)
    await on.clock.advance(0)
    const [second, third] = [await enqueue(2), await enqueue(3)]
    expect(third.id).toBe(second.id)
    running.open()
    await on.clock.advance(10)
    expect(inputs).toEqual([1, 2])
  })

  it('when it is of no use any more', async () => {
    const inputs: number[] = []
    const news = task('news', { input: z.number(), run: (n) => void inputs.push(n) })
    const at = (ms: number) => new Date(on.clock.wallMs() + ms)
    await on.tasks.enqueue(news, 1, { expiresAt: at(5_000) })
    await on.tasks.enqueue(news, 2, { expiresAt: at(50_000) })
    await on.clock.advance(10_000)
    await on.tasks.work([news])
    await on.clock.advance(0)
    expect(inputs).toEqual([2])
    await expect(on.tasks.enqueue(news, 3, { expiresAt: at(0) })).rejects.toThrow(/has passed or is no date/)
    await expect(on.tasks.enqueue(news, 3, { expiresAt: at(9), ttlMs: 9 })).rejects.toThrow(/both ttlMs and expiresAt/)
  })

  it('nothing that contradicts itself', async () => {
    const windowed = task('windowed', { input: NOTHING, dedup: { kind: 'window', windowMs: 1_000 }, run: () => {} })
    const enqueue = (options: object) => on.tasks.enqueue(windowed, {}, options)
    await expect(enqueue({ debounceMs: 1 })).rejects.toThrow(/debounceMs, which wants a dedupId/)
    await expect(enqueue({ debounceMs: 1, dedupId: 'a', delayMs: 1 })).rejects.toThrow(/no other delay/)
    await expect(enqueue({ debounceMs: 1, dedupId: 'a' })).rejects.toThrow(/its queue 'windowed' has dedup 'window'/)
  })
})
