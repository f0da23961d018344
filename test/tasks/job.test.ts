import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { TaskInterrupted, task } from '../../src/tasks/index.ts'
import type { TaskEnd, TaskStatus } from '../../src/tasks/types.ts'
import { gate, type Rig, rig, sleep } from './rig.ts'

const NOTHING = z.object({})
let on: Rig

beforeEach(async () => {
  on = await rig()
})
afterEach(() => on.close())

const echo = task('echo', { input: z.object({ n: z.number() }), run: ({ n }) => n })

describe('enqueue', () => {
  it('refuses an input that does not fit, and says where', async () => {
    const enqueuing = on.tasks.enqueue(echo, { n: 'one' } as unknown as { n: number })
    await expect(enqueuing).rejects.toMatchObject({
      code: 'invalid-input',
      issues: [{ path: 'n', message: expect.stringContaining('expected number') }],
    })
  })

  it('awaits a validator that is not synchronous', async () => {
    const even = z.number().refine(async (n) => n % 2 === 0, 'must be even')
    const halve = task('halve', { input: even, run: (n) => n / 2 })
    await on.tasks.work([halve])
    const job = await on.tasks.enqueue(halve, 8)
    await on.clock.advance(0)
    expect(await job.result()).toBe(4)
    await expect(on.tasks.enqueue(halve, 7)).rejects.toThrow('must be even')
    // Both the input and the options are refused: one rejection, and none that nobody hears.
    await expect(on.tasks.enqueue(halve, 7, { group: 'a' })).rejects.toMatchObject({ name: 'SpindleError' })
  })

  it('refuses at once what would arrive as something else', async () => {
    const when = task('when', { input: z.object({ at: z.date() }), run: () => 1 })
    const coerced = task('coerced', { input: z.object({ at: z.coerce.date() }), run: ({ at }) => at.getTime() })
    await expect(on.tasks.enqueue(when, { at: new Date(5) })).rejects.toThrow('as the worker will get it, through JSON')
    const job = await on.tasks.enqueue(coerced, { at: new Date(5) })
    await on.tasks.work([coerced])
    await on.clock.advance(0)
    expect(await job.result()).toBe(5)
  })

  it('refuses an input that JSON cannot carry', async () => {
    const any = task('any', { input: z.unknown(), run: () => 1 })
    await expect(on.tasks.enqueue(any, 1n)).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(on.tasks.enqueue(any, () => 1)).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('carries strings and nothing at all', async () => {
    const say = task('say', { input: z.string().optional(), run: (text) => `said ${text}` })
    await on.tasks.work([say])
    const jobs = [await on.tasks.enqueue(say, 'hello'), await on.tasks.enqueue(say, undefined)]
    await on.clock.advance(0)
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual(['said hello', 'said undefined'])
  })

  it('waits for its delay or its date, not for both', async () => {
    await on.tasks.work([echo])
    const delayed = await on.tasks.enqueue(echo, { n: 1 }, { delayMs: 60_000 })
    const dated = await on.tasks.enqueue(echo, { n: 2 }, { runAt: new Date(on.clock.wallMs() + 30_000) })
    expect(await delayed.status()).toMatchObject({ state: 'delayed', dueAtMs: on.clock.wallMs() + 60_000 })
    await on.clock.advance(30_000)
    expect((await dated.status()).state).toBe('succeeded')
    expect((await delayed.status()).state).toBe('delayed')
    await on.clock.advance(30_000)
    expect(await delayed.status()).toMatchObject({ state: 'succeeded', timings: { waitMs: 0 } })
    const both = on.tasks.enqueue(echo, { n: 3 }, { delayMs: 1, runAt: new Date(0) })
    await expect(both).rejects.toThrow('with both delayMs and runAt')
  })

  it('hands out the first job for a repeated dedupId', async () => {
    const first = await on.tasks.enqueue(echo, { n: 1 }, { dedupId: 'b-42' })
    const second = await on.tasks.enqueue(echo, { n: 1 }, { dedupId: 'b-42' })
    expect(second.id).toBe(first.id)
  })

  it('serves a higher priority first', async () => {
    const order: number[] = []
    const note = task('note', { input: z.number(), priority: 5, run: (n) => void order.push(n) })
    await on.tasks.enqueue(note, 1)
    await on.tasks.enqueue(note, 2, { priority: 0 })
    await on.tasks.enqueue(note, 3, { priority: 9 })
    await on.tasks.work([note], { concurrency: 1 })
    await on.clock.advance(0)
    expect(order).toEqual([3, 1, 2])
  })

  it('runs a group in order, and refuses one where the queue has none', async () => {
    const running = new Set<string>()
    const order: string[] = []
    const step = task('step', {
      input: z.string(),
      groups: 'ordered',
      async run(name) {
        const group = name.charAt(0)
        expect(running.has(group)).toBe(false)
        running.add(group)
        await sleep(on.clock, 10)
        running.delete(group)
        order.push(name)
      },
    })
    for (const name of ['a1', 'a2', 'b1', 'b2']) await on.tasks.enqueue(step, name, { group: name.charAt(0) })
    await on.tasks.work([step])
    await on.clock.advance(1_000)
    expect(order.filter((name) => name.startsWith('a'))).toEqual(['a1', 'a2'])
    expect(order).toHaveLength(4)
    await expect(on.tasks.enqueue(echo, { n: 1 }, { group: 'a' })).rejects.toThrow("groups: 'ordered'")
  })

  it('hands headers to the handler', async () => {
    const show = task('show', { input: NOTHING, run: (_input, { headers }) => ({ ...headers }) })
    const job = await on.tasks.enqueue(show, {}, { headers: { trace: 'abc', retries: 3, ['__proto__']: 'plain' } })
    await on.tasks.work([show])
    await on.clock.advance(0)
    expect(JSON.stringify(await job.result())).toBe('{"trace":"abc","retries":3,"__proto__":"plain"}')
  })

  it('stores many at once, or none when one of them is invalid', async () => {
    const jobs = await on.tasks.enqueueMany(echo, [{ input: { n: 1 } }, { input: { n: 2 } }])
    await on.tasks.work([echo])
    await on.clock.advance(0)
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual([1, 2])
    const bad = [{ input: { n: 1 } }, { input: {} as { n: number } }]
    await expect(on.tasks.enqueueMany(echo, bad)).rejects.toMatchObject({ code: 'invalid-input' })
    expect((await on.port.measure(['echo']))[0]).toMatchObject({ ready: 0, done: 2 })
  })

  it('declares its queue again when somebody deleted it', async () => {
    await on.tasks.enqueue(echo, { n: 1 })
    await on.port.deleteQueue('echo')
    const job = await on.tasks.enqueue(echo, { n: 2 })
    expect((await job.status()).state).toBe('queued')
  })

  it('says that an input is too large', async () => {
    const text = task('text', { input: z.string(), run: () => 1 })
    await expect(on.tasks.enqueue(text, 'x'.repeat(1_048_577))).rejects.toMatchObject({ code: 'too-large' })
  })

  it('runs what a producer stored that knows no tasks', async () => {
    const show = task('show', { input: z.object({ n: z.number() }), run: ({ n }) => n + 1 })
    await on.tasks.work([show])
    const content = { head: Uint8Array.of(1), body: Buffer.from('{"n":1}') }
    const [stored] = await on.port.append('show', [{ content }])
    await on.clock.advance(0)
    expect(await on.tasks.job(stored?.kind === 'stored' ? stored.id : '', show).result()).toBe(2)
  })
})

describe('cancel', () => {
  it('ends a queued task at once', async () => {
    const job = await on.tasks.enqueue(echo, { n: 1 })
    expect(await job.cancel()).toBe(true)
    expect(await job.status()).toMatchObject({ state: 'cancelled' })
    await expect(job.result()).rejects.toMatchObject({ code: 'task-cancelled' })
    await on.tasks.work([echo])
    await on.clock.advance(100)
    expect((await job.status()).state).toBe('cancelled')
    expect(await job.cancel()).toBe(false)
  })

  it('ends a delayed task and one that waits for its next attempt', async () => {
    const flaky = task('flaky', {
      input: NOTHING,
      retry: { backoff: () => 60_000 },
      run: (): never => {
        throw new Error('down')
      },
    })
    const delayed = await on.tasks.enqueue(echo, { n: 1 }, { delayMs: 1_000 })
    const retrying = await on.tasks.enqueue(flaky, {})
    await on.tasks.work([flaky])
    await on.clock.advance(0)
    expect(await delayed.cancel()).toBe(true)
    expect(await retrying.cancel()).toBe(true)
    expect((await delayed.status()).state).toBe('cancelled')
    expect((await retrying.status()).state).toBe('cancelled')
  })

  it('aborts a running task, which is not retried', async () => {
    const reasons: unknown[] = []
    const slow = task('slow', {
      input: NOTHING,
      run: (_input, { signal }) =>
        sleep(on.clock, 60_000, signal).catch((reason: unknown) => {
          reasons.push(reason)
          throw reason
        }),
    })
    const job = await on.another().enqueue(slow, {})
    await on.tasks.work([slow])
    await on.clock.advance(10)
    expect(await job.cancel()).toBe(true)
    await on.clock.advance(0)
    expect(reasons).toEqual([new TaskInterrupted('cancelled')])
    expect((await job.status()).state).toBe('cancelled')
    await on.clock.advance(100_000)
    expect((await job.status()).state).toBe('cancelled')
    expect(await on.port.scan('spindle/', { limit: 10 })).toEqual([])
  })

  it('reaches a worker that did not hear the announcement, at its next renewal', async () => {
    const slow = task('slow', { input: NOTHING, run: (_input, { signal }) => sleep(on.clock, 60_000, signal) })
    const job = await on.tasks.enqueue(slow, {})
    await on.tasks.work([slow])
    await on.clock.advance(10)
    on.port.announce = () => {}
    expect(await job.cancel()).toBe(true)
    expect((await job.status()).state).toBe('running')
    await on.clock.advance(10_000)
    expect((await job.status()).state).toBe('cancelled')
    expect(await on.port.scan('spindle/', { limit: 10 })).toEqual([])
  })

  it('reaches the next worker when the present one died', async () => {
    const job = await on.tasks.enqueue(echo, { n: 1 })
    await on.port.receive({ queue: 'echo', max: 1 })
    expect(await job.cancel()).toBe(true)
    await on.clock.advance(30_000)
    await on.tasks.work([echo])
    await on.clock.advance(0)
    expect((await job.status()).state).toBe('cancelled')
    expect(await on.port.scan('spindle/', { limit: 10 })).toEqual([])
  })

  it('rejects for an id that nobody knows', async () => {
    const nobody = on.tasks.job('018f0000-0000-7000-8000-000000000000')
    await expect(nobody.cancel()).rejects.toMatchObject({ code: 'not-found' })
    await expect(nobody.retry()).rejects.toMatchObject({ code: 'not-found' })
    await expect(nobody.status()).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('result', () => {
  it('waits for the end', async () => {
    const slow = task('slow', { input: NOTHING, run: () => sleep(on.clock, 1_000).then(() => 'late') })
    const job = await on.tasks.enqueue(slow, {})
    const result = job.result({ timeoutMs: 5_000 })
    await on.tasks.work([slow])
    await on.clock.advance(1_000)
    await expect(result).resolves.toBe('late')
  })

  it('gives up waiting after timeoutMs, and leaves the task alone', async () => {
    const job = await on.tasks.enqueue(echo, { n: 7 })
    const result = job.result({ timeoutMs: 2_000 })
    const refused = expect(result).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('which is queued'),
    })
    await on.clock.advance(2_000)
    await refused
    await on.tasks.work([echo])
    await on.clock.advance(0)
    expect(await job.result()).toBe(7)
  })

  it('finds the end by itself when no announcement comes', async () => {
    const job = await on.tasks.enqueue(echo, { n: 7 })
    on.port.listen = () => () => {}
    const result = job.result()
    await on.clock.advance(0)
    await on.tasks.work([echo])
    await on.clock.advance(5_000)
    await expect(result).resolves.toBe(7)
  })

  it('ends with its client', async () => {
    const client = on.another()
    const job = await client.enqueue(echo, { n: 7 })
    const refused = expect(job.result()).rejects.toMatchObject({ code: 'closed' })
    await on.clock.advance(0)
    await client.close()
    await refused
  })

  it('is there for another client, by its id', async () => {
    const { id } = await on.tasks.enqueue(echo, { n: 7 })
    await on.tasks.work([echo])
    await on.clock.advance(0)
    expect(await on.another().job(id, echo).result()).toBe(7)
  })

  it('goes when its time is over', async () => {
    const brief = task('brief', { input: NOTHING, result: { retainMs: 60_000 }, run: () => 1 })
    const job = await on.tasks.enqueue(brief, {})
    await on.tasks.work([brief])
    await on.clock.advance(59_999)
    expect((await job.status()).state).toBe('succeeded')
    await on.clock.advance(1)
    await expect(job.status()).rejects.toMatchObject({ code: 'not-found' })
  })

  it('goes when too many newer ones are kept', async () => {
    const few = task('few', { input: z.number(), result: { retainMax: 2 }, run: (n) => n })
    await on.tasks.work([few], { concurrency: 1 })
    const jobs = []
    for (const n of [1, 2, 3]) {
      jobs.push(await on.tasks.enqueue(few, n))
      await on.clock.advance(1)
    }
    const states = await Promise.all(
      jobs.map((job) =>
        job.status().then(
          ({ state }) => state,
          (fault) => fault.code,
        ),
      ),
    )
    expect(states).toEqual(['not-found', 'succeeded', 'succeeded'])
  })

  it('is not kept where nobody wants it', async () => {
    const forget = task('forget', { input: NOTHING, result: { retainMs: 0 }, run: () => 1 })
    const job = await on.tasks.enqueue(forget, {})
    await on.tasks.work([forget])
    await on.clock.advance(0)
    await expect(job.status()).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('status', () => {
  it('says where the time went', async () => {
    const slow = task('slow', { input: NOTHING, run: () => sleep(on.clock, 700) })
    const enqueuedAtMs = on.clock.wallMs()
    const job = await on.tasks.enqueue(slow, {})
    await on.clock.advance(300)
    await on.tasks.work([slow])
    await on.clock.advance(1_000)
    expect((await job.status()).timings).toEqual({ enqueuedAtMs, storeMs: 0, waitMs: 300, runMs: 700 })
    expect((await on.another().job(job.id).status()).timings.storeMs).toBeUndefined()
  })

  it('is watched from the first to the last', async () => {
    const goOn = gate()
    const slow = task('slow', {
      input: NOTHING,
      async run(_input, { progress }) {
        await progress(0.5, { page: 3 })
        await goOn.opened
        return 'done'
      },
    })
    const job = await on.tasks.enqueue(slow, {})
    const seen: TaskStatus<string>[] = []
    const watching = (async () => {
      for await (const status of job.watch()) seen.push(status)
    })()
    await on.clock.advance(0)
    await on.tasks.work([slow])
    await on.clock.advance(10)
    goOn.open()
    await on.clock.advance(10)
    await watching
    expect(seen.map(({ state }) => state).filter((state, i, all) => state !== all[i - 1])).toEqual([
      'queued',
      'running',
      'succeeded',
    ])
    expect(seen).toContainEqual(expect.objectContaining({ state: 'running', progress: 0.5, data: { page: 3 } }))
    expect(seen.at(-1)).toMatchObject({ state: 'succeeded', result: 'done' })
  })

  it('is watched no longer than asked', async () => {
    const job = await on.tasks.enqueue(echo, { n: 1 })
    const enough = new AbortController()
    const seen: string[] = []
    const watching = (async () => {
      for await (const { state } of job.watch({ signal: enough.signal })) seen.push(state)
    })()
    await on.clock.advance(0)
    enough.abort()
    await watching
    expect(seen).toEqual(['queued'])
  })
})

describe('progress', () => {
  it('is throttled; the latest counts, and it goes with the end', async () => {
    const goOn = gate()
    const steps = task('steps', {
      input: NOTHING,
      async run(_input, ctx) {
        for (let i = 1; i <= 50; i++) await ctx.progress(i / 100, i)
        await goOn.opened
      },
    })
    const writes: string[] = []
    const transact = on.port.transact.bind(on.port)
    on.port.transact = (parts, options) => {
      for (const part of parts) if (part.kind === 'record') writes.push(part.value === null ? 'removed' : 'written')
      return transact(parts, options)
    }
    const job = await on.tasks.enqueue(steps, {})
    await on.tasks.work([steps])
    await on.clock.advance(10)
    expect(await job.status()).toMatchObject({ state: 'running', progress: 0.01, data: 1 })
    await on.clock.advance(200)
    expect(await job.status()).toMatchObject({ state: 'running', progress: 0.5, data: 50 })
    goOn.open()
    await on.clock.advance(0)
    expect(writes).toEqual(['written', 'written', 'removed'])
    expect(await on.port.scan('spindle/', { limit: 10 })).toEqual([])
  })

  it('never fails a task', async () => {
    const odd = task('odd', {
      input: NOTHING,
      async run(_input, { progress }) {
        await progress(Number.NaN)
        await progress(7, 1n)
        await sleep(on.clock, 1_000)
        return 'fine'
      },
    })
    const job = await on.tasks.enqueue(odd, {})
    await on.tasks.work([odd])
    await on.clock.advance(500)
    expect(await job.status()).toMatchObject({ state: 'running', progress: 1 })
    await on.clock.advance(500)
    expect(await job.status()).toMatchObject({ state: 'succeeded', result: 'fine' })
  })

  it('does not outlive the worker that reported it', async () => {
    const slow = task('slow', {
      input: NOTHING,
      async run(_input, { attempt, progress }) {
        if (attempt > 1) return 'second'
        await progress(0.9)
        return new Promise<string>(() => {})
      },
    })
    const job = await on.tasks.enqueue(slow, {})
    await on.tasks.work([slow], { renew: false })
    await on.clock.advance(30_000)
    expect(await job.status()).toMatchObject({ state: 'succeeded', result: 'second' })
    expect(await on.port.scan('spindle/', { limit: 10 })).toEqual([])
  })
})

describe('records of tasks that the store judged', () => {
  it('go when the next worker starts, those of living tasks stay', async () => {
    const hang = task('hang', {
      input: NOTHING,
      idempotent: false,
      async run(_input, { progress }) {
        await progress(0.5)
        return new Promise<void>(() => {})
      },
    })
    const lost = await on.tasks.enqueue(hang, {})
    const worker = await on.tasks.work([hang], { renew: false })
    await on.clock.advance(30_000)
    expect(await lost.status()).toMatchObject({ state: 'failed', reason: 'lost' })
    const living = await on.tasks.enqueue(hang, {})
    await on.clock.advance(10)
    const keys = async (): Promise<string[]> =>
      (await on.port.scan('spindle/progress/', { limit: 10 })).map(({ key }) => key.slice('spindle/progress/'.length))
    expect((await keys()).sort()).toEqual([lost.id, living.id].sort())
    await on.another().work([echo])
    await on.clock.advance(10)
    expect(await keys()).toEqual([living.id])
    expect(worker.running).toBe(2)
  })
})

describe('a follow-up', () => {
  const next = task('next', { input: z.object({ n: z.number() }), run: ({ n }) => n })

  it('is enqueued together with the success of its task', async () => {
    const first = task('first', {
      input: NOTHING,
      retry: { backoff: () => 10 },
      run(_input, { enqueue, attempt }) {
        enqueue(next, { n: attempt })
        if (attempt === 1) throw new Error('after enqueueing')
        return 'done'
      },
    })
    const job = await on.tasks.enqueue(first, {})
    await on.tasks.work([first])
    await on.clock.advance(0)
    expect(await on.port.measure(['next'])).toMatchObject([{ ready: 0 }])
    await on.clock.advance(100)
    expect((await job.status()).state).toBe('succeeded')
    const { messages } = await on.port.browse({ queue: 'next', states: ['ready'], limit: 10 })
    expect(messages.map(({ content }) => Buffer.from(content.body).toString())).toEqual(['{"n":2}'])
  })

  it('is not enqueued by a run whose lease was lost', async () => {
    const ends: TaskEnd[] = []
    const first = task('first', {
      input: NOTHING,
      async run(_input, { enqueue, attempt }) {
        enqueue(next, { n: attempt })
        if (attempt === 1) await sleep(on.clock, 45_000)
      },
    })
    await on.tasks.enqueue(first, {})
    await on.tasks.work([first], { renew: false, ended: (end) => ends.push(end) })
    await on.clock.advance(60_000)
    expect(ends.map(({ attempt, outcome }) => `${attempt} ${outcome}`)).toEqual(['2 succeeded', '1 lost'])
    expect(await on.port.measure(['next'])).toMatchObject([{ ready: 1 }])
  })

  it('fails the attempt when the store refuses it', async () => {
    await on.port.declareQueue('next', { lengthMax: 1 })
    await on.tasks.enqueue(next, { n: 0 })
    const first = task('first', {
      input: NOTHING,
      retry: { attempts: 1 },
      run: (_input, { enqueue }) => enqueue(next, { n: 1 }),
    })
    const job = await on.tasks.enqueue(first, {})
    await on.tasks.work([first])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({ state: 'failed', reason: 'exhausted', error: { code: 'aborted' } })
  })

  it('throws in the handler when its input does not fit', async () => {
    const first = task('first', {
      input: NOTHING,
      retry: { attempts: 1 },
      run: (_input, { enqueue }) => enqueue(next, {} as { n: number }),
    })
    const job = await on.tasks.enqueue(first, {})
    await on.tasks.work([first])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({ state: 'failed', error: { code: 'invalid-input' } })
  })
})
