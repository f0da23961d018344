import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Random } from '../../src/runtime/random.ts'
import { exponential, fixed, linear, PermanentFailure, TaskInterrupted, task } from '../../src/tasks/index.ts'
import { type Rig, rig, sleep } from './rig.ts'

const NOTHING = z.object({})
const HALF: Random = { float: () => 0.5, bytes: (count) => new Uint8Array(count) }
let on: Rig

beforeEach(async () => {
  on = await rig({ random: HALF })
})
afterEach(() => on.close())

function failing(name: string, options: Partial<Parameters<typeof task>[1]> = {}) {
  return task(name, {
    input: NOTHING,
    ...options,
    run: (): never => {
      throw Object.assign(new Error('no route to host'), { code: 'EHOSTUNREACH' })
    },
  })
}

describe('a failed attempt', () => {
  it('is retried after its backoff, with full jitter', async () => {
    const startedAtMs: number[] = []
    const flaky = task('flaky', {
      input: NOTHING,
      retry: { attempts: 4, backoff: exponential({ baseMs: 1_000, maxMs: 3_000 }) },
      run(_input, { attempt }) {
        startedAtMs.push(on.elapsedMs())
        if (attempt < 4) throw new Error(`attempt ${attempt}`)
        return attempt
      },
    })
    const job = await on.tasks.enqueue(flaky, {})
    await on.tasks.work([flaky])
    await on.clock.advance(100)
    expect(await job.status()).toMatchObject({ state: 'retrying', attempts: 1, error: { message: 'attempt 1' } })
    await on.clock.advance(10_000)
    expect(startedAtMs).toEqual([0, 500, 1_500, 3_000])
    expect(await job.status()).toMatchObject({ state: 'succeeded', result: 4, attempts: 4 })
  })

  it('says when the next attempt is', async () => {
    const flaky = failing('flaky', { retry: { backoff: fixed({ delayMs: 60_000, jitter: 'none' }) } })
    const job = await on.tasks.enqueue(flaky, {})
    await on.tasks.work([flaky])
    await on.clock.advance(0)
    const nextAttemptAtMs = on.clock.wallMs() + 60_000
    expect(await job.status()).toMatchObject({ state: 'retrying', nextAttemptAtMs, error: { code: 'EHOSTUNREACH' } })
  })

  it('falls back to the default backoff when the given one answers nonsense', async () => {
    for (const [name, backoff] of [
      ['nan', () => Number.NaN],
      ['negative', () => -1],
      [
        'throws',
        () => {
          throw new Error('broken')
        },
      ],
    ] as const) {
      const broken = failing(name, { retry: { backoff } })
      const job = await on.tasks.enqueue(broken, {})
      const worker = await on.tasks.work([broken])
      await on.clock.advance(0)
      expect(await job.status()).toMatchObject({ state: 'retrying', nextAttemptAtMs: on.clock.wallMs() + 500 })
      await worker.stop()
    }
  })

  it('is kept as failed when its attempts are exhausted, and can be retried by hand', async () => {
    let healthy = false
    const flaky = task('flaky', {
      input: NOTHING,
      retry: { attempts: 2, backoff: () => 10 },
      run() {
        if (!healthy) throw new Error('down')
        return 'up'
      },
    })
    const job = await on.tasks.enqueue(flaky, {})
    await on.tasks.work([flaky])
    await on.clock.advance(100)
    expect(await job.status()).toMatchObject({
      state: 'failed',
      reason: 'exhausted',
      attempts: 2,
      error: { message: 'down' },
    })
    await expect(job.result()).rejects.toMatchObject({ code: 'task-failed', cause: { message: 'down' } })
    healthy = true
    expect(await job.retry()).toBe(true)
    await on.clock.advance(100)
    expect(await job.status()).toMatchObject({ state: 'succeeded', result: 'up', attempts: 1 })
    expect(await job.retry()).toBe(false)
  })

  it('is discarded, and says so for a while', async () => {
    const shrug = failing('shrug', { retry: { attempts: 1 }, onExhausted: 'discard', result: { retainMs: 60_000 } })
    const job = await on.tasks.enqueue(shrug, {})
    await on.tasks.work([shrug])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({ state: 'discarded', reason: 'exhausted' })
    await expect(job.result()).rejects.toThrow('exhausted, discarded')
    await on.clock.advance(60_001)
    await expect(job.status()).rejects.toMatchObject({ code: 'not-found' })
  })

  it('moves to the dead-letter queue', async () => {
    const letter = failing('letter', { retry: { attempts: 1 }, onExhausted: { deadLetter: 'graveyard' } })
    const job = await on.tasks.enqueue(letter, {})
    await on.tasks.work([letter])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({ state: 'failed', reason: 'exhausted', attempts: 1 })
    const [dead] = await on.port.receive({ queue: 'graveyard', max: 1 })
    expect(dead).toMatchObject({ id: job.id, history: [{ queue: 'letter', reason: 'exhausted', count: 1 }] })
  })

  it('is not retried when the handler says it is of no use', async () => {
    const refused = task('refused', {
      input: NOTHING,
      run: (): never => {
        throw new PermanentFailure('card refused')
      },
    })
    const job = await on.tasks.enqueue(refused, {})
    await on.tasks.work([refused])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({
      state: 'failed',
      reason: 'permanent',
      attempts: 1,
      error: { message: 'card refused' },
    })
  })

  it.each([
    ['a string', 'a string', 'the handler threw "a string", which is not an Error'],
    ['undefined', undefined, 'the handler threw undefined, which is not an Error'],
    ['an object', { code: 7 }, 'the handler threw {"code":7}, which is not an Error'],
    ['a bigint', 7n, 'the handler threw 7n, which is not an Error'],
    ['a symbol', Symbol('x'), 'the handler threw Symbol(x), which is not an Error'],
    ['a cycle', cycle(), 'the handler threw a value that cannot be described'],
    ['a revoked proxy', revoked(), 'the handler threw a value that cannot be described'],
  ])('describes %s that was thrown', async (_what, thrown, message) => {
    const odd = task('odd', {
      input: NOTHING,
      retry: { attempts: 1 },
      run: (): never => {
        throw thrown
      },
    })
    const job = await on.tasks.enqueue(odd, {})
    await on.tasks.work([odd])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({
      state: 'failed',
      reason: 'exhausted',
      error: { name: 'NonError', message },
    })
  })

  it('keeps an error that is far too long, cut', async () => {
    const long = task('long', {
      input: NOTHING,
      retry: { attempts: 1 },
      run: (): never => {
        throw new Error('ü"'.repeat(100_000))
      },
    })
    const job = await on.tasks.enqueue(long, {})
    await on.tasks.work([long])
    await on.clock.advance(0)
    const status = await job.status()
    expect(status.state === 'failed' && status.error?.message).toMatch(/^(ü")+ü?$/)
  })
})

describe('a time-out', () => {
  it('aborts the signal and fails the attempt', async () => {
    const reasons: unknown[] = []
    const slow = task('slow', {
      input: NOTHING,
      timeoutMs: 5_000,
      retry: { attempts: 2, backoff: () => 1_000 },
      async run(_input, { signal }) {
        await sleep(on.clock, 60_000, signal).catch((reason: unknown) => {
          reasons.push(reason)
          throw new Error('gave up')
        })
      },
    })
    const job = await on.tasks.enqueue(slow, {})
    await on.tasks.work([slow])
    await on.clock.advance(4_999)
    expect((await job.status()).state).toBe('running')
    await on.clock.advance(1)
    expect(await job.status()).toMatchObject({ state: 'retrying', error: { name: 'TaskInterrupted' } })
    await on.clock.advance(6_000)
    expect(await job.status()).toMatchObject({ state: 'failed', reason: 'exhausted', attempts: 2 })
    expect(reasons).toEqual([new TaskInterrupted('timeout'), new TaskInterrupted('timeout')])
  })

  it('ends an attempt whose handler ignores it, a second later', async () => {
    const deaf = task('deaf', {
      input: NOTHING,
      timeoutMs: 5_000,
      retry: { attempts: 1 },
      run: () => new Promise(() => {}),
    })
    const job = await on.tasks.enqueue(deaf, {})
    await on.tasks.work([deaf])
    await on.clock.advance(5_999)
    expect((await job.status()).state).toBe('running')
    await on.clock.advance(1)
    expect(await job.status()).toMatchObject({ state: 'failed', reason: 'exhausted' })
  })

  it('does not fire after the end', async () => {
    const quick = task('quick', { input: NOTHING, timeoutMs: 5_000, run: () => 'quick' })
    const jobs = await Promise.all([1, 2, 3].map(() => on.tasks.enqueue(quick, {})))
    await on.tasks.work([quick])
    await on.clock.advance(20_000)
    for (const job of jobs) expect(await job.status()).toMatchObject({ state: 'succeeded', attempts: 1 })
  })
})

describe('what cannot be run', () => {
  it('is buried as invalid when the input no longer fits', async () => {
    const before = task('mail', { input: z.object({ to: z.string() }), run: () => 1 })
    const after = task('mail', { input: z.object({ to: z.string(), subject: z.string() }), run: () => 2 })
    const job = await on.tasks.enqueue(before, { to: 'ada' })
    await on.another().work([after])
    await on.clock.advance(0)
    const status = await job.status()
    expect(status).toMatchObject({ state: 'failed', reason: 'invalid', attempts: 1, error: { code: 'invalid-input' } })
    expect(status.state === 'failed' && status.error?.message).toContain('subject')
  })

  it('goes on once a deploy reads the old input again', async () => {
    const mail = (input: z.ZodType) => task('mail', { input, run: () => 'sent' })
    const job = await on.tasks.enqueue(mail(z.object({ to: z.string() })), { to: 'ada' })
    const strict = await on.another().work([mail(z.object({ to: z.string(), subject: z.string() }))])
    await on.clock.advance(0)
    await strict.stop()
    expect((await on.port.browse({ queue: 'mail', states: ['dead'], limit: 10 })).messages).toHaveLength(1)
    expect(await job.retry()).toBe(true)
    await on.another().work([mail(z.object({ to: z.string(), subject: z.string().default('Hello') }))])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({ state: 'succeeded', result: 'sent' })
  })

  it('is buried as invalid when the body is no JSON', async () => {
    const mail = task('mail', { input: z.object({ to: z.string() }), run: () => 1 })
    await on.tasks.work([mail])
    const head = Uint8Array.of(2, ...Buffer.from('{"type":"mail"}'))
    const [stored] = await on.port.append('mail', [{ content: { head, body: Buffer.from('{"to":') } }])
    await on.clock.advance(0)
    const id = stored?.kind === 'stored' ? stored.id : ''
    expect(await on.tasks.job(id).status()).toMatchObject({ state: 'failed', reason: 'invalid' })
  })

  it('is buried as an unknown task, visible and retryable', async () => {
    const old = task('old', { input: NOTHING, queue: 'shared', run: () => 1 })
    const current = task('current', { input: NOTHING, queue: 'shared', run: () => 1 })
    const job = await on.tasks.enqueue(old, {})
    const worker = await on.another().work([current])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({
      state: 'failed',
      reason: 'unknown-task',
      error: { code: 'unknown-task' },
    })
    await worker.stop()
    expect(await job.retry()).toBe(true)
    await on.another().work([old, current])
    await on.clock.advance(0)
    expect((await job.status()).state).toBe('succeeded')
  })

  it('fails when its result is too large, without a retry', async () => {
    const big = task('big', { input: NOTHING, run: () => 'x'.repeat(262_145) })
    const job = await on.tasks.enqueue(big, {})
    await on.tasks.work([big])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({
      state: 'failed',
      reason: 'result-too-large',
      attempts: 1,
      error: { code: 'result-too-large' },
    })
  })

  it('fails when its result is nothing that JSON can carry', async () => {
    const odd = task('odd', { input: NOTHING, run: () => ({ n: 1n }) })
    const job = await on.tasks.enqueue(odd, {})
    await on.tasks.work([odd])
    await on.clock.advance(0)
    expect(await job.status()).toMatchObject({ state: 'failed', reason: 'invalid-result' })
  })

  it('fails as exhausted when earlier deliveries ended without a word', async () => {
    let runs = 0
    const crash = task('crash', {
      input: NOTHING,
      queue: 'shared',
      retry: { attempts: 1 },
      run() {
        runs++
      },
    })
    const patient = task('patient', { input: NOTHING, queue: 'shared', retry: { attempts: 9 }, run: () => 1 })
    await on.tasks.enqueue(patient, {}, { delayMs: 1_000_000 })
    const job = await on.tasks.enqueue(crash, {})
    await on.port.receive({ queue: 'shared', max: 1 })
    await on.clock.advance(30_000)
    await on.tasks.work([crash, patient])
    await on.clock.advance(0)
    expect(runs).toBe(0)
    expect(await job.status()).toMatchObject({ state: 'failed', reason: 'exhausted' })
  })
})

describe('backoff', () => {
  const delays = (backoff: ReturnType<typeof linear>): number[] => [1, 2, 3, 4].map((n) => backoff(n, undefined, HALF))

  it('grows as it says, under its cap', () => {
    expect(delays(exponential({ baseMs: 100, maxMs: 500, jitter: 'none' }))).toEqual([100, 200, 400, 500])
    expect(delays(exponential({ baseMs: 100, factor: 3, jitter: 'none' }))).toEqual([100, 300, 900, 2_700])
    expect(delays(linear({ baseMs: 100, stepMs: 50, maxMs: 220, jitter: 'none' }))).toEqual([100, 150, 200, 220])
    expect(delays(fixed({ delayMs: 100, jitter: 'none' }))).toEqual([100, 100, 100, 100])
  })

  it('draws from the whole delay unless told otherwise', () => {
    expect(delays(exponential({ baseMs: 100 }))).toEqual([50, 100, 200, 400])
    expect(delays(linear({ baseMs: 100 }))).toEqual([50, 100, 150, 200])
    expect(delays(fixed({ delayMs: 100 }))).toEqual([50, 50, 50, 50])
  })
})

function cycle(): unknown {
  const value: Record<string, unknown> = {}
  value['self'] = value
  return value
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
