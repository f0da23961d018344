import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { PermanentFailure, type TaskLimits, task } from '../../../src/tasks/index.ts'
import { type Rig, rig, sleep } from '../rig.ts'

let on: Rig
/** Group (or input) and instant of each start. */
let starts: [string, number][]

beforeEach(async () => {
  on = await rig()
  starts = []
})
afterEach(() => on.close())

const tenants = (limits?: TaskLimits, ms = 1_000) =>
  task('tenants', {
    input: z.string(),
    groups: 'fair',
    ...(limits === undefined ? {} : { limits }),
    async run(tenant) {
      starts.push([tenant, on.elapsedMs()])
      await sleep(on.clock, ms)
    },
  })

async function flood(limited: ReturnType<typeof tenants>, counts: Record<string, number>): Promise<void> {
  for (const [tenant, count] of Object.entries(counts)) {
    await on.tasks.enqueueMany(
      limited,
      Array.from({ length: count }, () => ({ input: tenant, options: { group: tenant } })),
    )
  }
}

describe('limits', () => {
  it('of a task hold over all workers', async () => {
    const limited = tenants({ concurrency: 3 })
    await flood(limited, { a: 9 })
    await on.tasks.work([limited], { concurrency: 10 })
    await on.another().work([limited], { concurrency: 10 })
    await on.clock.advance(2_500)
    expect(starts.map(([, atMs]) => atMs)).toEqual([0, 0, 0, 1_000, 1_000, 1_000, 2_000, 2_000, 2_000])
  })

  it('of a rate let a burst through, then go evenly', async () => {
    const limited = tenants({ rate: { count: 2, perMs: 1_000, burst: 4 } }, 0)
    await flood(limited, { a: 8 })
    await on.tasks.work([limited], { concurrency: 100 })
    await on.clock.advance(5_000)
    expect(starts.map(([, atMs]) => atMs)).toEqual([0, 0, 0, 0, 500, 1_000, 1_500, 2_000])
  })

  it('of a key leave the other keys alone', async () => {
    const limited = tenants({ perKey: { concurrency: 1 } })
    await flood(limited, { a: 3, b: 2 })
    await on.tasks.work([limited], { concurrency: 10 })
    await on.clock.advance(3_000)
    const of = (tenant: string) => starts.filter(([one]) => one === tenant).map(([, atMs]) => atMs)
    expect({ a: of('a'), b: of('b') }).toEqual({ a: [0, 1_000, 2_000], b: [0, 1_000] })
  })

  it('change while it is worked', async () => {
    const limited = tenants({ concurrency: 1 })
    await flood(limited, { a: 10 })
    await on.tasks.work([limited], { concurrency: 10 })
    await on.clock.advance(500)
    expect(starts).toHaveLength(1)
    await on.another().limit('tenants', { concurrency: 4, perKey: { concurrency: 3 } })
    await on.clock.advance(0)
    expect(starts).toHaveLength(3)
    await on.tasks.limit('tenants', { concurrency: null, perKey: { concurrency: null } })
    await on.clock.advance(0)
    expect(starts).toHaveLength(10)
  })

  it('are refused where they could not hold', async () => {
    await expect(on.tasks.limit('nowhere', {})).rejects.toMatchObject({ code: 'no-such-queue' })
    const bad = (options: object) =>
      on.tasks.enqueue(task('bad', { input: z.string(), run: () => {}, ...options } as never), 'x' as never)
    await expect(bad({ groups: 'ordered', limits: { perKey: { concurrency: 2 } } })).rejects.toThrow(/one at a time/)
    await expect(bad({ groups: 'sticky', limits: { perKey: { concurrency: 2 } } })).rejects.toThrow(/sticky groups/)
    await expect(bad({ limits: { concurrency: 0 } })).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})

describe('fair turns', () => {
  it("let another key's first task in after one turn of a flood", async () => {
    const limited = tenants()
    await flood(limited, { flood: 1_000 })
    await on.tasks.work([limited], { concurrency: 1 })
    await on.clock.advance(2_500)
    await flood(limited, { late: 1 })
    await on.clock.advance(1_000)
    expect(starts.at(-1)).toEqual(['late', 3_000])
  })
})

describe('a pause', () => {
  const plain = (name: string, queue?: string) =>
    task(name, {
      input: z.string(),
      groups: 'fair',
      ...(queue === undefined ? {} : { queue }),
      run: (text) => void starts.push([`${name} ${text}`, on.elapsedMs()]),
    })

  it('of a queue hands out nothing, to no worker, until it is resumed', async () => {
    const mail = plain('mail')
    await on.tasks.work([mail])
    expect(await on.tasks.pause({ queue: 'mail' })).toBe(true)
    expect(await on.tasks.pause({ queue: 'mail' })).toBe(false)
    await on.tasks.enqueue(mail, 'a')
    await on.clock.advance(60_000)
    expect(starts).toEqual([])
    expect(await on.tasks.listPauses()).toEqual([{ queue: 'mail' }])
    expect(await on.another().resume({ queue: 'mail' })).toBe(true)
    await on.clock.advance(0)
    expect(starts).toEqual([['mail a', 60_000]])
    expect(await on.tasks.resume({ queue: 'mail' })).toBe(false)
    await expect(on.tasks.pause({ queue: 'nowhere' })).rejects.toMatchObject({ code: 'no-such-queue' })
  })

  it('of a task type leaves the other types of its queue alone, and spends nothing', async () => {
    const [mail, fax] = [plain('mail', 'post'), plain('fax', 'post')]
    await on.tasks.work([mail, fax])
    await on.another().pause({ task: 'fax' })
    await on.clock.advance(0)
    const job = await on.tasks.enqueue(fax, 'x')
    await on.tasks.enqueue(mail, 'y')
    await on.clock.advance(20_000)
    expect(starts).toEqual([['mail y', 0]])
    await on.tasks.resume({ task: 'fax' })
    await on.clock.advance(5_000)
    expect(starts.at(-1)?.[0]).toBe('fax x')
    expect(await job.status()).toMatchObject({ state: 'succeeded', attempts: 1 })
  })

  it('of a key leaves the other keys alone, also in a worker that starts later', async () => {
    const mail = plain('mail')
    await on.tasks.enqueue(mail, 'a', { group: 'a' })
    await on.tasks.enqueue(mail, 'b', { group: 'b' })
    await on.tasks.pause({ queue: 'mail', key: 'a' })
    await on.tasks.work([mail])
    await on.clock.advance(10_000)
    expect(starts.map(([text]) => text)).toEqual(['mail b'])
    await on.tasks.resume({ queue: 'mail', key: 'a' })
    await on.clock.advance(5_000)
    expect(starts.map(([text]) => text)).toEqual(['mail b', 'mail a'])
  })

  it('of names that are no names is refused', async () => {
    for (const target of [{ task: '' }, { queue: '' }, { queue: 'q', key: '\u0000' }]) {
      await expect(on.tasks.pause(target)).rejects.toMatchObject({ code: 'invalid-argument' })
    }
  })
})

describe('a circuit breaker', () => {
  let down = true
  const vendor = task('vendor', {
    input: z.number(),
    retry: { attempts: 3, backoff: () => 100 },
    breaker: { failures: 4, probeAfterMs: 10_000, probeAfterMsMax: 25_000 },
    run: (n) => {
      starts.push([String(n), on.elapsedMs()])
      if (n < 0) throw new PermanentFailure('never')
      if (down) throw new Error('connection refused')
      return n
    },
  })
  beforeEach(() => {
    down = true
  })
  const state = async () => {
    const [measure] = await on.port.measure(['vendor'])
    return { paused: measure?.policy.paused, concurrency: measure?.policy.concurrency }
  }

  it('parks the queue, probes with one task at growing intervals, and lets all through when the vendor is back', async () => {
    await on.tasks.enqueueMany(
      vendor,
      Array.from({ length: 50 }, (_, input) => ({ input })),
    )
    await on.tasks.work([vendor], { concurrency: 2 })
    await on.another().work([vendor], { concurrency: 2 })
    await on.clock.advance(5_000)
    const first = starts.length
    expect(first).toBeLessThanOrEqual(12)
    expect(await state()).toEqual({ paused: true, concurrency: null })
    await on.clock.advance(65_000)
    // Probes 10, 20, 25 s after each other.
    expect(starts.slice(first).map(([, atMs]) => Math.round(atMs / 1_000))).toEqual([10, 30, 55])
    down = false
    await on.clock.advance(30_000)
    expect(await state()).toEqual({ paused: false, concurrency: null })
    expect(await on.port.measure(['vendor'])).toMatchObject([{ done: 50, dead: 0 }])
    const { messages } = await on.port.browse({ queue: 'vendor', states: ['done'], limit: 50 })
    expect(messages.filter(({ attempts }) => attempts > 2)).toEqual([])
  })

  it('does not open for failures that say nothing of the vendor, nor for some among successes', async () => {
    await on.tasks.work([vendor], { concurrency: 1 })
    await on.tasks.enqueueMany(
      vendor,
      Array.from({ length: 20 }, () => ({ input: -1 })),
    )
    await on.clock.advance(1_000)
    expect(await state()).toEqual({ paused: false, concurrency: null })
    for (let i = 0; i < 10; i++) {
      down = i % 3 !== 0
      await on.tasks.enqueue(vendor, i)
      await on.clock.advance(10)
    }
    expect(await state()).toEqual({ paused: false, concurrency: null })
  })

  it('is known to a worker that starts while it is open, and leaves a pause by hand alone', async () => {
    await on.tasks.enqueueMany(
      vendor,
      Array.from({ length: 10 }, (_, input) => ({ input })),
    )
    await on.tasks.limit('vendor', { concurrency: 7 }).catch(() => undefined)
    const worker = await on.tasks.work([vendor])
    await on.clock.advance(1_000)
    await worker.stop()
    expect(await state()).toMatchObject({ paused: true })
    await on.tasks.pause({ queue: 'vendor' })
    down = false
    starts = []
    await on.another().work([vendor])
    await on.clock.advance(30_000)
    expect(starts).toEqual([])
    await on.tasks.resume({ queue: 'vendor' })
    await on.clock.advance(30_000)
    expect(await on.port.measure(['vendor'])).toMatchObject([{ done: 10, dead: 0 }])
    expect(await state()).toEqual({ paused: false, concurrency: 7 })
  })
})
