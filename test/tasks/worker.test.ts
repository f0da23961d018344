import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { TaskInterrupted, task } from '../../src/tasks/index.ts'
import type { TaskEnd } from '../../src/tasks/types.ts'
import { gate, type Rig, rig, sleep } from './rig.ts'

const NOTHING = z.object({})
let on: Rig

beforeEach(async () => {
  on = await rig()
})
afterEach(() => on.close())

describe('a worker', () => {
  it('runs a task once and keeps its result', async () => {
    const double = task('double', { input: z.object({ n: z.number() }), run: ({ n }) => n * 2 })
    const job = await on.tasks.enqueue(double, { n: 21 })
    expect((await job.status()).state).toBe('queued')
    await on.tasks.work([double])
    await on.clock.advance(0)
    const status = await job.status()
    expect(status).toMatchObject({ id: job.id, task: 'double', state: 'succeeded', result: 42, attempts: 1 })
    expect(await job.result()).toBe(42)
  })

  it('begins tasksMax attempts and not one more, and stops when they have ended', async () => {
    const begun: number[] = []
    const slow = task('slow', {
      input: z.object({ n: z.number() }),
      async run({ n }) {
        begun.push(n)
        await sleep(on.clock, 60_000)
      },
    })
    await on.tasks.enqueueMany(
      slow,
      Array.from({ length: 9 }, (_, n) => ({ input: { n } })),
    )
    const worker = await on.tasks.work([slow], { concurrency: 2, tasksMax: 5 })
    const stopped = worker.stopped.then(() => on.elapsedMs())
    await on.clock.advance(240_000)
    expect(await stopped).toBe(180_000)
    expect(begun).toEqual([0, 1, 2, 3, 4])
    expect(worker.running).toBe(0)
    const [measures] = await on.port.measure(['slow'])
    expect(measures).toMatchObject({ ready: 4, leased: 0 })
  })

  it('refuses a tasksMax that is no count', async () => {
    const noop = task('noop', { input: NOTHING, run() {} })
    for (const tasksMax of [0, 1.5, -1, Number.NaN]) {
      await expect(on.tasks.work([noop], { tasksMax })).rejects.toThrow(/tasksMax is .* whole number from 1/)
    }
  })

  it('runs a 45 s task on a 30 s lease once, because the lease is renewed', async () => {
    let runs = 0
    const slow = task('slow', {
      input: NOTHING,
      leaseMs: 30_000,
      async run() {
        runs++
        await sleep(on.clock, 45_000)
        return 'done'
      },
    })
    const job = await on.tasks.enqueue(slow, {})
    await on.tasks.work([slow])
    await on.another().work([slow])
    await on.clock.advance(44_999)
    expect((await job.status()).state).toBe('running')
    await on.clock.advance(1)
    expect(await job.status()).toMatchObject({ state: 'succeeded', result: 'done', attempts: 1 })
    expect(runs).toBe(1)
  })

  it('starts a second run at 30 s without renewal, and refuses the late result of the first', async () => {
    const startedAtMs: number[] = []
    const ends: TaskEnd[] = []
    const slow = task('slow', {
      input: NOTHING,
      leaseMs: 30_000,
      async run(_input, { attempt }) {
        startedAtMs.push(on.elapsedMs())
        await sleep(on.clock, 45_000)
        return `run ${attempt}`
      },
    })
    const job = await on.tasks.enqueue(slow, {})
    const first = await on.tasks.work([slow], { concurrency: 1, renew: false, ended: (end) => ends.push(end) })
    await on.another().work([slow])
    await on.clock.advance(29_999)
    expect(first.running).toBe(1)
    expect(startedAtMs).toEqual([0])
    await on.clock.advance(1)
    expect(startedAtMs).toEqual([0, 30_000])
    await on.clock.advance(15_000)
    expect(ends).toMatchObject([{ attempt: 1, outcome: 'lost' }])
    expect((await job.status()).state).toBe('running')
    await on.clock.advance(30_000)
    expect(await job.status()).toMatchObject({ state: 'succeeded', result: 'run 2', attempts: 2 })
  })

  it('aborts the first run when the task comes back to the same worker', async () => {
    const reasons: unknown[] = []
    const slow = task('slow', {
      input: NOTHING,
      async run(_input, { attempt, signal }) {
        if (attempt > 1) return 'second'
        await sleep(on.clock, 100_000, signal).catch((reason: unknown) => reasons.push(reason))
        return 'first'
      },
    })
    const job = await on.tasks.enqueue(slow, {})
    const worker = await on.tasks.work([slow], { renew: false })
    await on.clock.advance(30_000)
    expect(reasons).toEqual([new TaskInterrupted('lost')])
    expect(await job.result()).toBe('second')
    expect(worker.running).toBe(0)
  })

  it('tells a handler whose lease was lost, and takes nothing from it', async () => {
    const lost = gate<unknown>()
    const ends: TaskEnd[] = []
    const stubborn = task('stubborn', {
      input: NOTHING,
      idempotent: false,
      leaseMs: 30_000,
      async run(_input, { signal }) {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        lost.open(signal.reason)
        throw signal.reason
      },
    })
    const job = await on.tasks.enqueue(stubborn, {})
    await on.tasks.work([stubborn], { ended: (end) => ends.push(end) })
    await on.clock.advance(0)
    // As after a long pause of this process: the lease ran out before it could be renewed.
    on.port.extend = () => Promise.resolve([{ kind: 'stale' }])
    await on.clock.advance(30_000)
    expect(await lost.opened).toEqual(new TaskInterrupted('lost'))
    expect(ends).toMatchObject([{ outcome: 'lost' }])
    expect(await job.status()).toMatchObject({ state: 'failed', reason: 'lost' })
  })

  it('never reruns a task that is not idempotent after its lease was lost', async () => {
    let runs = 0
    const once = task('once', {
      input: NOTHING,
      idempotent: false,
      async run() {
        runs++
        await sleep(on.clock, 100_000)
      },
    })
    const job = await on.tasks.enqueue(once, {})
    await on.tasks.work([once], { renew: false })
    await on.clock.advance(200_000)
    expect(runs).toBe(1)
    expect(await job.status()).toMatchObject({ state: 'failed', reason: 'lost' })
  })

  it('runs no more than its concurrency at a time, over all its queues', async () => {
    let running = 0
    let most = 0
    const run = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await sleep(on.clock, 100)
      running--
    }
    const tasks = ['a', 'b', 'c'].map((name) => task(name, { input: NOTHING, run }))
    const jobs = await Promise.all(tasks.flatMap((one) => Array.from({ length: 10 }, () => on.tasks.enqueue(one, {}))))
    const worker = await on.tasks.work(tasks, { concurrency: 4 })
    await on.clock.advance(50)
    expect(worker.running).toBe(4)
    await on.clock.advance(10_000)
    expect(most).toBe(4)
    for (const job of jobs) expect((await job.status()).state).toBe('succeeded')
  })

  it('claims no more at a time than the store hands out', async () => {
    const small = await rig({ limits: { receiveMax: 3 } })
    const one = task('one', { input: NOTHING, run: () => 1 })
    const jobs = await Promise.all(Array.from({ length: 10 }, () => small.tasks.enqueue(one, {})))
    await small.tasks.work([one], { concurrency: 100 })
    await small.clock.advance(10)
    for (const job of jobs) expect((await job.status()).state).toBe('succeeded')
    await small.close()
  })

  it('works on with more queues than slots', async () => {
    const tasks = ['a', 'b', 'c'].map((name) => task(name, { input: NOTHING, run: () => name }))
    await on.tasks.work(tasks, { concurrency: 1 })
    const jobs = await Promise.all(tasks.map((one) => on.tasks.enqueue(one, {})))
    await on.clock.advance(100)
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual(['a', 'b', 'c'])
  })

  it('waits for what runs when it stops, and claims nothing more', async () => {
    const slow = task('slow', { input: NOTHING, run: () => sleep(on.clock, 1_000) })
    const first = await on.tasks.enqueue(slow, {})
    const worker = await on.tasks.work([slow], { concurrency: 1 })
    await on.clock.advance(0)
    const second = await on.tasks.enqueue(slow, {})
    const stopping = worker.stop({ drainMs: 5_000 })
    await on.clock.advance(1_000)
    await stopping
    expect((await first.status()).state).toBe('succeeded')
    expect(await second.status()).toMatchObject({ state: 'queued', attempts: 0 })
  })

  it('aborts what does not end in time and gives it back without spending an attempt', async () => {
    const reasons: unknown[] = []
    const endless = task('endless', {
      input: NOTHING,
      async run(_input, { signal }) {
        await sleep(on.clock, 1_000_000, signal).catch((reason: unknown) => {
          reasons.push(reason)
          throw reason
        })
      },
    })
    const job = await on.tasks.enqueue(endless, {})
    const worker = await on.tasks.work([endless])
    await on.clock.advance(10_000)
    const stopping = worker.stop({ drainMs: 2_000 })
    await on.clock.advance(2_000)
    await stopping
    expect(reasons).toEqual([new TaskInterrupted('shutdown')])
    expect(await job.status()).toMatchObject({ state: 'queued', attempts: 0 })
  })

  it('leaves a handler behind that ignores its signal', async () => {
    const deaf = task('deaf', { input: NOTHING, run: () => new Promise<void>(() => {}) })
    const job = await on.tasks.enqueue(deaf, {})
    const worker = await on.tasks.work([deaf])
    await on.clock.advance(0)
    const stopping = worker.stop({ drainMs: 0 })
    await on.clock.advance(1_000)
    await stopping
    expect(await job.status()).toMatchObject({ state: 'queued', attempts: 0 })
    expect(on.warnings).toContain('a task goes on after its signal aborted; its attempt ends without it')
  })

  it('stops on a signal when asked to, and lets go of it', async () => {
    const before = process.listenerCount('SIGTERM')
    const slow = task('slow', { input: NOTHING, run: () => sleep(on.clock, 1_000) })
    const job = await on.tasks.enqueue(slow, {})
    const worker = await on.tasks.work([slow], { handleSignals: true })
    await on.clock.advance(0)
    expect(process.listenerCount('SIGTERM')).toBe(before + 1)
    process.emit('SIGTERM', 'SIGTERM')
    await on.clock.advance(1_000)
    await worker.stopped
    expect((await job.status()).state).toBe('succeeded')
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })

  it('leaves no timer behind', async () => {
    const before = on.clock.armedTimers
    const quick = task('quick', { input: NOTHING, timeoutMs: 5_000, run: () => 1 })
    await on.tasks.enqueue(quick, {})
    const worker = await on.tasks.work([quick])
    await on.clock.advance(10)
    await worker.stop()
    expect(on.clock.armedTimers).toBeLessThanOrEqual(before + 1)
  })

  it('ends with the store', async () => {
    const quick = task('quick', { input: NOTHING, run: () => 1 })
    const worker = await on.tasks.work([quick])
    await on.clock.advance(0)
    await on.port.close()
    await on.clock.advance(0)
    await expect(worker.stopped).resolves.toBeUndefined()
  })

  it('refuses a list that cannot be worked', async () => {
    const one = task('same', { input: NOTHING, run: () => 1 })
    const two = task('same', { input: NOTHING, run: () => 2 })
    await expect(on.tasks.work([])).rejects.toThrow('it was given no tasks')
    await expect(on.tasks.work([one, two])).rejects.toThrow("two tasks named 'same'")
    await expect(on.tasks.work([one], { concurrency: 0 })).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('refuses two tasks that want the same queue to be different', async () => {
    const one = task('one', { input: NOTHING, queue: 'shared', idempotent: false, run: () => 1 })
    const two = task('two', { input: NOTHING, queue: 'shared', run: () => 2 })
    await expect(on.tasks.work([one, two])).rejects.toThrow("run 'one' and 'two' through queue 'shared'")
  })
})
