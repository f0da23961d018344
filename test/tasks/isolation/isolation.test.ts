import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open, type Spindle, type TaskStatus, task, type Worker } from 'spindle-mq'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { inProcess, inThread, smallProcess, smallThread } from './heavy-tasks.ts'

const file = fileURLToPath(new URL('heavy-tasks.ts', import.meta.url))
const files = [file]
const logged: string[] = []
let spindle: Spindle
let folder: string

beforeEach(async () => {
  logged.length = 0
  spindle = await open('memory:', { log: { info: (message) => logged.push(message), warn() {}, error() {} } })
  folder = await mkdtemp(join(tmpdir(), 'spindle-isolation-'))
})
afterEach(async () => {
  await spindle.close()
  await rm(folder, { recursive: true })
})

const attempts = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe.each([
  ['thread', inThread, smallThread],
  ['process', inProcess, smallProcess],
] as const)('a handler in a %s', (kind, isolated, small) => {
  it('runs there, and keeps its lease while it blocks its loop for three lease times', {
    timeout: 30_000,
  }, async () => {
    await spindle.work([isolated], { files, concurrency: 1 })
    await spindle.work([isolated], { files, concurrency: 1 })
    const record = join(folder, 'runs')
    const job = await spindle.enqueue(isolated, { file: record, how: 'block', ms: 1_300 })
    const result = await job.result()
    expect(result.where).toBe(kind === 'thread' ? 'thread' : 'main')
    expect(result.pid === process.pid).toBe(kind === 'thread')
    expect(await attempts('runs')).toBe('1\n')
    expect(await job.status()).toMatchObject({ attempts: 1 })
  })

  it('uses its isolate again', { timeout: 30_000 }, async () => {
    await spindle.work([isolated], { files, concurrency: 1 })
    const pids = []
    for (let i = 0; i < 3; i++) pids.push((await (await spindle.enqueue(isolated, {})).result()).pid)
    expect(new Set(pids).size).toBe(1)
  })

  it.each([
    ['exit', /ended with exit code 7 \(process\.exit\?\)/],
    ['uncaught', kind === 'thread' ? /crashed: Error: nobody catches this/ : /ended with exit code 1/],
  ])('fails an attempt by %s, with its reason, and the worker lives', { timeout: 30_000 }, async (how, why) => {
    const worker = await spindle.work([isolated], { files, concurrency: 1 })
    const job = await spindle.enqueue(isolated, { file: join(folder, 'runs'), how })
    await expect(job.result()).rejects.toMatchObject({ code: 'task-failed' })
    const status = await job.status()
    expect(status).toMatchObject({ state: 'failed', attempts: 2, reason: 'exhausted', error: { name: 'IsolateEnded' } })
    expect((status as TaskStatus<unknown> & { error: { message: string } }).error.message).toMatch(why)
    expect(await attempts('runs')).toBe('1\n2\n')
    await lives(worker)
  })

  it('fails an attempt when it is out of memory', { timeout: 60_000 }, async () => {
    const worker = await spindle.work([small, isolated], { files, concurrency: 2 })
    const job = await spindle.enqueue(small, { how: 'memory' })
    await expect(job.result()).rejects.toThrow(/ran out of memory \(memoryMbMax is 32\)/)
    await lives(worker)
  })

  it('throws as it would here: code, name and permanence', { timeout: 30_000 }, async () => {
    await spindle.work([isolated], { files })
    const far = await spindle.enqueue(isolated, { how: 'throw' })
    await expect(far.result()).rejects.toMatchObject({
      cause: { name: 'RangeError', message: 'too far', code: 'E_FAR' },
    })
    const never = await spindle.enqueue(isolated, { how: 'permanent' })
    await expect(never.result()).rejects.toThrow(/permanent; PermanentFailure: never again/)
    expect(await never.status()).toMatchObject({ attempts: 1 })
  })

  it('tells its progress, logs, and commits its follow-ups', { timeout: 30_000 }, async () => {
    await spindle.work([isolated], { files })
    const job = await spindle.enqueue(isolated, { how: 'bridge' })
    const seen: unknown[] = []
    for await (const status of job.watch()) if (status.state === 'running') seen.push(status.progress, status.data)
    expect(logged).toContain('half way')
    const { messages } = await spindle.port.browse({ queue: 'note', states: ['ready'], limit: 10 })
    expect(messages).toMatchObject([{ priority: 5 }])
    const wrong = await spindle.enqueue(isolated, { how: 'follow-up of a wrong input' })
    await expect(wrong.result()).rejects.toThrow(/enqueue task 'note' \(text: /)
    expect(await spindle.port.measure(['note'])).toMatchObject([{ ready: 1 }])
  })

  it('hears a cancel, and is ended when it is deaf to it', { timeout: 30_000 }, async () => {
    const worker = await spindle.work([isolated], { files, concurrency: 1 })
    const listening = await spindle.enqueue(isolated, { how: 'wait', file: join(folder, 'waits') })
    await started('waits')
    await listening.cancel()
    await expect(listening.result()).rejects.toMatchObject({ code: 'task-cancelled' })
    const deaf = await spindle.enqueue(isolated, { how: 'block', ms: 600_000, file: join(folder, 'blocks') })
    await started('blocks')
    await deaf.cancel()
    await expect(deaf.result()).rejects.toMatchObject({ code: 'task-cancelled' })
    const pid = Number(await attempts('blocks.pid'))
    if (kind === 'process') await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
    await lives(worker)
  })

  async function lives(worker: Worker): Promise<void> {
    expect(worker.running).toBeLessThanOrEqual(1)
    await expect((await spindle.enqueue(isolated, {})).result()).resolves.toMatchObject({ pid: expect.any(Number) })
  }

  async function started(name: string): Promise<void> {
    await expect.poll(() => attempts(name).catch(() => ''), { timeout: 10_000 }).toBe('1\n')
  }
})

describe('a process', () => {
  it('that is killed fails the attempt', { timeout: 30_000 }, async () => {
    await spindle.work([inProcess], { files })
    const job = await spindle.enqueue(inProcess, { how: 'kill' })
    await expect(job.result()).rejects.toThrow(/was killed by SIGKILL/)
  })
})

describe('a worker with isolated tasks', () => {
  it('wants to know where they are', async () => {
    await expect(spindle.work([inThread])).rejects.toThrow(/'in-thread' runs in a thread of its own.*pass files/)
  })

  it('fails attempts of files that do not load or lack the task, and says so', { timeout: 30_000 }, async () => {
    const once = { retry: { attempts: 1 }, isolate: 'thread', input: z.object({}), run: () => 1 } as const
    const elsewhere = task('elsewhere', once)
    const missing = task('missing', once)
    await spindle.work([elsewhere], { files })
    await expect((await spindle.enqueue(elsewhere, {})).result()).rejects.toThrow(/files exports task 'elsewhere'/)
    await spindle.work([missing], { files: ['nowhere.js'] })
    await expect((await spindle.enqueue(missing, {})).result()).rejects.toThrow(/there is no file nowhere\.js/)
  })

  it.each([
    [{ isolate: 'fiber' }, /isolate must be/],
    [{ memoryMbMax: 64 }, /memoryMbMax is 64/],
    [{ isolate: 'thread', memoryMbMax: 1 }, /memoryMbMax is 1/],
  ])('is not defined with %j', (options, why) => {
    expect(() => task('bad', { input: z.object({}), run: () => {}, ...options } as never)).toThrow(why)
  })
})
