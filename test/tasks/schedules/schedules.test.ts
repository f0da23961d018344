import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { decodeBody, decodeHead } from '../../../src/model/content.ts'
import { task } from '../../../src/tasks/index.ts'
import { gate, type Rig, rig, sleep } from '../rig.ts'

const MINUTE = 60_000
let on: Rig

beforeEach(async () => {
  on = await rig()
  await on.port.declareQueue('reports', {})
})
afterEach(() => on.close())

/** What waits in the queue: bodies, and the instants that they stand for, in ms since the rig was set up. */
async function fired(queue = 'reports'): Promise<{ body: unknown; atMs: number }[]> {
  const { messages } = await on.port.browse({ queue, states: ['ready', 'leased', 'delayed', 'done'], limit: 1_000 })
  const startMs = on.clock.wallMs() - on.elapsedMs()
  return messages.map(({ content }) => {
    const head = decodeHead(content.head)
    return {
      body: decodeBody(head.kind, content.body),
      atMs: Date.parse(String(head.headers['spindle-scheduled-at'])) - startMs,
    }
  })
}

describe('a schedule', () => {
  it('sends to its queue at each instant, never early', async () => {
    await on.tasks.schedule('minutely', { queue: 'reports', body: { kind: 'sales' }, cron: '* * * * *' })
    await on.clock.advance(MINUTE - 1)
    expect(await fired()).toEqual([])
    await on.clock.advance(1)
    expect(await fired()).toEqual([{ body: { kind: 'sales' }, atMs: MINUTE }])
    await on.clock.advance(2 * MINUTE)
    expect((await fired()).map(({ atMs }) => atMs)).toEqual([MINUTE, 2 * MINUTE, 3 * MINUTE])
  })

  it('enqueues its task, which knows when it was meant', async () => {
    const seen: unknown[] = []
    const report = task('report', {
      input: z.object({ region: z.string() }),
      run: ({ region }, { headers }) => {
        seen.push([region, headers['spindle-schedule'], headers['spindle-scheduled-at'], headers['by']])
      },
    })
    await on.tasks.schedule('nightly', {
      task: report,
      input: { region: 'eu' },
      everyMs: 5_000,
      headers: { by: 'ada' },
    })
    await on.tasks.work([report])
    await on.clock.advance(5_000)
    expect(seen).toEqual([['eu', 'nightly', '2026-01-01T00:00:05.000Z', 'ada']])
  })

  it('carries text and bytes as they are', async () => {
    await on.tasks.schedule('text', { queue: 'reports', body: 'plain', at: new Date(on.clock.wallMs() + 1) })
    await on.tasks.schedule('bytes', {
      queue: 'reports',
      body: Uint8Array.of(0, 255),
      at: new Date(on.clock.wallMs() + 2),
    })
    await on.clock.advance(10)
    const [text, bytes] = await fired()
    expect(text?.body).toBe('plain')
    expect(Buffer.from(bytes?.body as Uint8Array)).toEqual(Buffer.of(0, 255))
  })

  it('fires a one-off once, also when it is declared again', async () => {
    const once = { queue: 'reports', body: 1, at: new Date(on.clock.wallMs() + 1_000) }
    await on.tasks.schedule('once', once)
    await on.clock.advance(2_000)
    const schedule = await on.tasks.schedule('once', once)
    await on.clock.advance(MINUTE)
    expect(await fired()).toHaveLength(1)
    expect(await schedule.view()).toMatchObject({ nextRunsMs: [], fired: 1 })
  })

  it('is declared again without effect, and anew when it differs', async () => {
    const declare = (everyMs: number, body: unknown) => on.tasks.schedule('job', { queue: 'reports', body, everyMs })
    await declare(10_000, 1)
    await on.clock.advance(6_000)
    await declare(10_000, 1)
    await on.clock.advance(4_000)
    expect(await fired()).toEqual([{ body: 1, atMs: 10_000 }])
    await on.clock.advance(5_000)
    await declare(10_000, 2)
    await on.clock.advance(5_000)
    expect((await fired()).at(-1)).toEqual({ body: 2, atMs: 20_000 })
    await declare(1_000, 2)
    await on.clock.advance(1_000)
    expect((await fired()).at(-1)).toEqual({ body: 2, atMs: 21_000 })
  })

  it('is fired exactly once by however many processes', async () => {
    const others = Array.from({ length: 7 }, () => on.another())
    for (const client of [on.tasks, ...others]) {
      await client.schedule('shared', { queue: 'reports', body: 1, everyMs: 1_000 })
    }
    // All of them have read the record before the first one commits.
    const transact = on.port.transact.bind(on.port)
    on.port.transact = async (...call) => {
      await sleep(on.clock, 5)
      return transact(...call)
    }
    await on.clock.advance(20_500)
    const instants = (await fired()).map(({ atMs }) => atMs)
    expect(instants).toEqual(Array.from({ length: 20 }, (_, i) => (i + 1) * 1_000))
  })

  it('goes on in another process, and catches up what was missed by its policy', async () => {
    for (const [name, missed] of [
      ['skip', 'skip'],
      ['once', 'once'],
      ['all', { all: 3 }],
    ] as const) {
      await on.port.declareQueue(name, {})
      await on.tasks.schedule(name, { queue: name, body: name, everyMs: 10 * MINUTE, missed })
    }
    const closing = on.tasks.close()
    await on.clock.advance(65 * MINUTE)
    await closing
    expect(await fired('once')).toEqual([])
    await on.another().fireSchedules()
    await on.clock.advance(0)
    expect((await fired('skip')).map(({ atMs }) => atMs / MINUTE)).toEqual([])
    expect((await fired('once')).map(({ atMs }) => atMs / MINUTE)).toEqual([60])
    expect((await fired('all')).map(({ atMs }) => atMs / MINUTE)).toEqual([40, 50, 60])
    await on.clock.advance(5 * MINUTE)
    expect((await fired('skip')).map(({ atMs }) => atMs / MINUTE)).toEqual([70])
    expect((await fired('all')).map(({ atMs }) => atMs / MINUTE)).toEqual([40, 50, 60, 70])
  })

  it('notices a clock that is set forward within a second', async () => {
    await on.tasks.schedule('daily', { queue: 'reports', body: 1, cron: '0 0 * * *' })
    on.clock.jumpWall(24 * 60 * MINUTE)
    await on.clock.advance(1_000)
    expect(await fired()).toHaveLength(1)
  })

  it('fires nothing twice when the clock is set back, and keeps an interval going', async () => {
    const hourly = await on.tasks.schedule('hourly', { queue: 'reports', body: 'cron', cron: '0 * * * *' })
    await on.port.declareQueue('beats', {})
    await on.tasks.schedule('beat', { queue: 'beats', body: 'every', everyMs: 10_000 })
    await on.clock.advance(60 * MINUTE)
    const beats = (await fired('beats')).length
    on.clock.jumpWall(-30 * MINUTE)
    await on.clock.advance(MINUTE)
    expect((await fired('beats')).length - beats).toBeGreaterThanOrEqual(5)
    await on.clock.advance(30 * MINUTE)
    expect(await hourly.view()).toMatchObject({ fired: 1 })
    await on.clock.advance(60 * MINUTE)
    expect(await hourly.view()).toMatchObject({ fired: 2 })
  })

  it('pauses, resumes with the next instant, runs now and goes', async () => {
    const schedule = await on.tasks.schedule('job', { queue: 'reports', body: 1, everyMs: MINUTE, missed: { all: 9 } })
    expect(await schedule.pause()).toBe(true)
    expect(await schedule.pause()).toBe(false)
    await on.clock.advance(2.5 * MINUTE)
    expect(await fired()).toEqual([])
    expect(await schedule.view()).toMatchObject({ paused: true, nextRunsMs: [] })
    const id = await schedule.runNow()
    expect(await on.port.find(id)).toMatchObject({ state: 'ready' })
    expect(await schedule.resume()).toBe(true)
    expect(await schedule.resume()).toBe(false)
    await on.clock.advance(MINUTE)
    expect((await fired()).map(({ atMs }) => atMs / MINUTE)).toEqual([2.5, 3])
    expect(await schedule.remove()).toBe(true)
    expect(await schedule.remove()).toBe(false)
    await on.clock.advance(5 * MINUTE)
    expect(await fired()).toHaveLength(2)
    await expect(schedule.view()).rejects.toMatchObject({ code: 'no-such-schedule' })
    await expect(schedule.runNow()).rejects.toMatchObject({ code: 'no-such-schedule' })
  })

  it('is steered from a process that did not declare it', async () => {
    await on.tasks.schedule('job', { queue: 'reports', body: 1, everyMs: MINUTE })
    const other = on.another()
    expect(await other.schedules.find('nothing')).toBeUndefined()
    await (await other.schedules.find('job'))?.remove()
    await on.clock.advance(2 * MINUTE)
    expect(await fired()).toEqual([])
  })

  it('is found by a process that did not hear of it', async () => {
    const listen = on.port.listen
    on.port.listen = () => () => {}
    const other = on.another()
    await other.fireSchedules()
    on.port.listen = listen
    await on.tasks.schedule('job', { queue: 'reports', body: 1, everyMs: 20_000 })
    await on.tasks.close()
    await on.clock.advance(20_000)
    expect(await fired()).toHaveLength(1)
  })

  it('lists by name, with the runs to come', async () => {
    await on.tasks.schedule('b', {
      queue: 'reports',
      body: 1,
      cron: '0 12 * * *',
      timezone: 'Asia/Tokyo',
      missed: 'skip',
    })
    await on.tasks.schedule('a', { queue: 'reports', body: 1, everyMs: 1_000, overlap: 'skip' })
    const [first, second] = await on.tasks.schedules.list({ runs: 2 })
    expect(first).toMatchObject({ name: 'a', overlap: 'skip', missed: 'once', lastRunMs: undefined })
    expect(second).toMatchObject({
      name: 'b',
      queue: 'reports',
      task: undefined,
      when: { kind: 'cron', cron: '0 12 * * *', timezone: 'Asia/Tokyo' },
      nextRunsMs: [Date.parse('2026-01-01T03:00Z'), Date.parse('2026-01-02T03:00Z')],
    })
    expect(await on.tasks.schedules.list({ after: 'a' })).toMatchObject([{ name: 'b' }])
    await expect(on.tasks.schedules.list({ limit: 0 })).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('refuses what could never run', async () => {
    const every = { everyMs: 1_000 }
    const refused = (options: unknown) => on.tasks.schedule('bad', options as never)
    await expect(refused({ queue: 'nowhere', body: 1, ...every })).rejects.toMatchObject({ code: 'no-such-queue' })
    await expect(refused({ body: 1, ...every })).rejects.toThrow(/a task with its input, or a queue/)
    await expect(refused({ queue: 'reports', body: 1n, ...every })).rejects.toThrow(/cannot be JSON/)
    await expect(refused({ queue: 'reports', body: () => 1, ...every })).rejects.toThrow(/is a function/)
    await expect(refused({ queue: 'reports', ...every, missed: { all: 0 } })).rejects.toThrow(/missed must be/)
    await expect(refused({ queue: 'reports', ...every, overlap: 'twice' })).rejects.toThrow(/overlap must be/)
    await expect(refused({ queue: 'reports', ...every, priority: 256 })).rejects.toThrow(/priority is 256/)
    await expect(refused({ queue: 'reports', ...every, headers: { a: new Uint8Array(1) } })).rejects.toThrow(/is bytes/)
    const typed = task('typed', { input: z.object({ n: z.number() }), run: () => {} })
    await expect(refused({ task: typed, input: { n: 'one' }, ...every })).rejects.toMatchObject({
      code: 'invalid-input',
    })
    expect(await on.tasks.schedules.list()).toEqual([])
  })

  it('waits while its queue refuses, and fires when it no longer does', async () => {
    await on.port.declareQueue('full', { lengthMax: 0 })
    await on.tasks.schedule('job', { queue: 'full', body: 1, at: new Date(on.clock.wallMs() + 1_000) })
    await on.clock.advance(10_000)
    expect(on.warnings).toContain('a schedule could not fire and is tried again')
    await on.port.declareQueue('full', { lengthMax: null })
    await on.clock.advance(MINUTE)
    expect(await fired('full')).toEqual([{ body: 1, atMs: 1_000 }])
  })

  it('is left alone when its record is not one', async () => {
    for (const value of ['', '{}', '{"__proto__":{}}', '{"when":{"kind":"cron"},"target":null}', '[]']) {
      await on.port.transact([{ kind: 'record', key: 'spindle/schedule/odd', value: Buffer.from(value) }])
      const client = on.another()
      await client.fireSchedules()
      expect(await client.schedules.list()).toEqual([])
      await client.close()
    }
  })
})

describe('a run that takes longer than the interval', () => {
  async function slowRuns(overlap: 'allow' | 'skip' | 'queueOne') {
    const started: number[] = []
    let running = gate()
    const slow = task('slow', {
      input: z.object({}),
      run: () => {
        started.push(on.elapsedMs() / 1_000)
        return running.opened
      },
    })
    await on.tasks.schedule('slow', { task: slow, input: {}, everyMs: 10_000, overlap })
    await on.tasks.work([slow])
    await on.clock.advance(35_000)
    const before = [...started]
    running.open()
    running = gate()
    await on.clock.advance(1_000)
    const after = [...started]
    running.open()
    await on.clock.advance(5_000)
    return { before, after, whole: started }
  }

  it('runs beside the next ones', async () => {
    expect((await slowRuns('allow')).before).toEqual([10, 20, 30])
  })

  it('has the instants meanwhile left out', async () => {
    expect(await slowRuns('skip')).toEqual({ before: [10], after: [10], whole: [10, 40] })
  })

  it('holds one back until it has ended', async () => {
    const { before, after, whole } = await slowRuns('queueOne')
    expect({ before, after }).toEqual({ before: [10], after: [10, 35] })
    expect(whole).toEqual([10, 35, 40])
  })

  it('is found by its headers when the process that fired it died before it wrote down its id', async () => {
    const transact = on.port.transact.bind(on.port)
    // The write after the firing is the second that touches the record alone.
    on.port.transact = (steps, options) => {
      const alone = steps.length === 1 && steps[0]?.kind === 'record' && steps[0].key === 'spindle/schedule/job'
      return alone ? Promise.reject(new Error('died')) : transact(steps, options)
    }
    await on.tasks.schedule('job', { queue: 'reports', body: 1, everyMs: 10_000, overlap: 'skip' })
    await on.clock.advance(30_000)
    expect(await fired()).toHaveLength(1)
    const [delivery] = await on.port.receive({ queue: 'reports', max: 1 })
    await on.port.settle([{ receipt: delivery?.receipt as never, how: { kind: 'ack' } }])
    await on.clock.advance(10_000)
    expect(await fired()).toHaveLength(1)
  })
})

describe('a hundred thousand schedules', () => {
  it('cost one read in five seconds while none is due', async () => {
    const count = 100_000
    const steps = Array.from({ length: count }, (_, i) => {
      const value = Buffer.from(
        JSON.stringify({
          when: { kind: 'cron', cron: '0 4 * * *', timezone: 'Europe/Berlin' },
          missed: 'once',
          overlap: 'allow',
          target: { queue: 'reports', kind: 'json', body: i },
          state: { nextMs: on.clock.wallMs() + 3_600_000 + (i % 1_000), paused: false, fired: 0, running: [] },
        }),
      )
      return { kind: 'record', key: `spindle/schedule/${i}`, value } as const
    })
    for (let i = 0; i < count; i += 10_000) await on.port.transact(steps.slice(i, i + 10_000))
    await on.tasks.fireSchedules()
    let calls = 0
    const read = on.port.read.bind(on.port)
    on.port.read = (key) => {
      calls++
      return read(key)
    }
    on.port.scan = () => Promise.reject(new Error('scanned'))
    await on.clock.advance(60_000)
    expect(calls).toBe(12)
    expect(on.warnings).toEqual([])
  })
})
