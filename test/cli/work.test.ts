import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type Spindle } from 'spindle-mq'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Command, fixture, spindle } from './command.ts'
import { double, more, slow } from './fixtures/tasks.ts'

const tasksFile = fixture('tasks.ts')

describe('spindle', () => {
  it.each([
    [['--help'], 0, /Usage: spindle \[options\] \[command\]/],
    [['work', '--help'], 0, /--concurrency <n>.*\n.*--queue[\s\S]*Examples:/],
    [['--version'], 0, /^\d+\.\d+\.\d+\n$/],
  ])('answers %j', async (args, code, output) => {
    const command = spindle(args)
    expect(await command.exited).toBe(code)
    expect(command.output()).toMatch(output)
  })

  it.each([
    [['wrok'], /unknown command 'wrok'\n\(Did you mean work\?\)/],
    [['work', tasksFile, '--concurency', '3'], /unknown option '--concurency'\n\(Did you mean --concurrency\?\)/],
    [
      ['work', tasksFile, '--concurrency', 'many'],
      /'--concurrency <n>' argument 'many' is invalid. It must be a whole number/,
    ],
    [['work'], /missing required argument 'file'/],
    [['work', 'nowhere.js'], /spindle: there is no file nowhere\.js/],
    [['work', fixture('no-tasks.js')], /no-tasks\.js exports no task/],
    [['work', tasksFile, fixture('twice.ts')], /'double' is defined twice/],
    [['work', tasksFile, '--queue', 'otter'], /no task goes through queue 'otter'; the files have double, other, slow/],
  ])('refuses %j as a mistake in usage', async (args, errors) => {
    const command = spindle(args)
    expect(await command.exited).toBe(2)
    expect(command.errors()).toMatch(errors)
    expect(command.output()).toBe('')
  })

  it('names the file that fails to load, with the place in it and nothing of its own', async () => {
    const command = spindle(['work', fixture('broken.js')])
    expect(await command.exited).toBe(1)
    expect(command.errors()).toMatch(
      /^spindle: \S+broken\.js could not be loaded \(Error: the configuration is missing\)\n/,
    )
    expect(command.errors()).toMatch(/at .*broken\.js:2:7/)
    expect(command.errors()).not.toContain('/src/')
  })

  it('fails on a URL that names no store', async () => {
    const command = spindle(['work', tasksFile, '--url', 'redis://localhost'])
    expect(await command.exited).toBe(1)
    expect(command.errors()).toMatch(
      /^spindle: open 'redis:\/\/localhost': The URL names no engine\. Use memory:, .*\n$/,
    )
  })

  // Node 20 strips no types, Node 24 does.
  it('loads TypeScript with what Node itself can do, or says which loader is missing', async () => {
    const bare = await mkdtemp(join(tmpdir(), 'spindle-cli-'))
    await writeFile(join(bare, 'tasks.ts'), 'export const answer: number = 42')
    const command = spindle(['work', 'tasks.ts'], { cwd: bare })
    expect(await command.exited).toBe(2)
    expect(command.errors()).toMatch(
      'typescript' in process.features && process.features.typescript !== false
        ? /tasks\.ts exports no task/
        : /tasks\.ts is TypeScript, and neither tsx nor jiti is installed in this project/,
    )
    await rm(bare, { recursive: true })
  })
})

describe('spindle work', () => {
  let folder: string
  let store: Spindle
  let command: Command
  let started: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'spindle-cli-'))
    store = await open(`file:${folder}/data`)
  })
  afterAll(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })
  beforeEach(async () => {
    started = join(folder, `started-${Math.random()}`)
    command = spindle(['work', tasksFile, '--url', `file:${folder}/data`, '--drain', '1'])
    await command.printed(/working on double, fails, slow at file:/)
  })
  afterEach(() => {
    command.child.kill('SIGKILL')
  })

  it('runs what another process enqueued and prints how each ended', async () => {
    const job = await store.enqueue(double, 21)
    expect(await job.result({ timeoutMs: 20_000 })).toBe(42)
    const failed = await store.enqueue(more.fails, {})
    await expect(failed.result({ timeoutMs: 20_000 })).rejects.toMatchObject({ code: 'task-failed' })
    const time = '\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z'
    await command.printed(new RegExp(`^${time} double ${job.id} succeeded \\d+ ms$`))
    await command.printed(
      new RegExp(`^${time} fails ${failed.id} failed \\d+ ms \\(attempt 1: Error: no route to host\\)$`),
    )
  })

  it('hears that a task was cancelled in another process', async () => {
    const job = await store.enqueue(slow, { started, ms: 60_000 })
    await appeared(started)
    expect(await job.cancel()).toBe(true)
    await command.printed(new RegExp(`slow ${job.id} cancelled`))
    expect(await job.status()).toMatchObject({ state: 'cancelled' })
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('drains on %s and exits with %i', async (signal, code) => {
    const job = await store.enqueue(slow, { started, ms: 600 })
    await appeared(started)
    command.child.kill(signal)
    expect(await command.exited).toBe(code)
    expect(command.output()).toContain(`${signal}: waiting up to 1 s for 1 running`)
    expect(command.output()).toContain(`slow ${job.id} succeeded`)
    expect(await job.status()).toMatchObject({ state: 'succeeded', result: 'finished', attempts: 1 })
  })

  it('gives back unspent what does not end in time', async () => {
    const job = await store.enqueue(slow, { started, ms: 60_000 })
    await appeared(started)
    command.child.kill('SIGTERM')
    expect(await command.exited).toBe(143)
    expect(command.output()).toContain(`slow ${job.id} released`)
    expect(await job.status()).toMatchObject({ state: 'queued', attempts: 0 })
    await job.cancel()
  })

  it('exits at once on the second signal', async () => {
    const job = await store.enqueue(slow, { started, ms: 60_000 })
    await appeared(started)
    command.child.kill('SIGTERM')
    await command.printed(/SIGTERM: waiting/)
    command.child.kill('SIGINT')
    expect(await command.exited).toBe(130)
    expect(command.output()).not.toContain('released')
    await job.cancel()
  })
})

/** The task says so by a file, as it runs in another process. */
async function appeared(path: string): Promise<void> {
  const { watch } = await import('node:fs')
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (!existsSync(path)) return
      watcher.close()
      resolve()
    }
    const watcher = watch(join(path, '..'), look)
    look()
  })
}
