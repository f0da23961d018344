import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type Spindle } from 'spindle-mq'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PoolFigures } from '../../src/autoscale/figures.ts'
import { type Command, fixture, spindle } from './command.ts'
import { counted } from './fixtures/counted.ts'

const file = fixture('counted.ts')

describe('spindle autoscale', () => {
  it('explains itself', async () => {
    const command = spindle(['autoscale', '--help'])
    expect(await command.exited).toBe(0)
    expect(command.output()).toMatch(/--target-latency <time>[\s\S]*Examples:[\s\S]*SPINDLE_WANTED/)
  })

  it.each([
    [[], /which modules\? Name files, or use --command or --metrics-only/],
    [['nowhere.js'], /there is no file nowhere\.js/],
    [[file, '--target-latency', '5'], /argument '5' is invalid. It must be a time such as 500ms, 5s/],
    [[file, '--min', '3', '--max', '2'], /the minimum of queue 'counted', 3, is over its maximum, 2/],
    [[file, '--queue', 'counted=4..2'], /the minimum of queue 'counted', 4, is over its maximum, 2/],
    [[file, '--queue', 'counted=0..0'], /the maximum of queue 'counted' is 0 but must be 1 to/],
    [[file, '--queue', 'counted@5x'], /the target latency of queue 'counted' is '5x'/],
    [[file, '--queue', 'counted', 'counted=1..2'], /queue 'counted' is named twice/],
    [[file, '--queue', 'nobody'], /no task goes through queue 'nobody'; the files have counted, other/],
    [[file, '--poll', '1ms'], /--poll must be 100 ms or more/],
    [['--command', 'true'], /which queues\? Name files or --queue/],
    [[file, '--command', 'true', '--metrics-only'], /exclude each other/],
    [[file, '--maximum', '3'], /unknown option '--maximum'/],
  ])('refuses %j as a mistake in usage', async (args, errors) => {
    const command = spindle(['autoscale', ...args])
    expect(await command.exited).toBe(2)
    expect(command.errors()).toMatch(errors)
    expect(command.output()).toBe('')
  })
})

describe('spindle autoscale, with a store', { timeout: 120_000 }, () => {
  let folder: string
  let data: string
  let store: Spindle
  let command: Command | undefined

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'spindle-autoscale-'))
    data = join(folder, 'data')
    store = await open(`file:${data}`)
  })
  afterEach(async () => {
    command?.child.kill('SIGTERM')
    await command?.exited
    command = undefined
    await store.close()
    await rm(folder, { recursive: true })
  })

  const start = async (args: readonly string[]): Promise<string> => {
    command = spindle(['autoscale', '--data', data, '--port', '0', ...args])
    const line = await command.printed(/figures at/)
    return line.replace(/^.* at /, '')
  }
  const figures = async (url: string, queue = 'counted'): Promise<PoolFigures> => {
    const answer = await fetch(`${url}/queues/${queue}`)
    return (await answer.json()) as PoolFigures
  }
  const runs = (): number[] => {
    const path = join(folder, 'runs')
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').map(Number) : []
  }
  const send = async (from: number, count: number, ms: number): Promise<void> => {
    const input = (n: number) => ({ n: from + n, ms, file: join(folder, 'runs') })
    await store.enqueueMany(
      counted,
      Array.from({ length: count }, (_, n) => ({ input: input(n) })),
    )
  }

  it('follows a tenfold load within two looks, returns to its minimum, loses and doubles nothing', async () => {
    const pool = ['--queue', 'counted=1..4@1s', '--concurrency', '2', '--scale-in-after', '3s']
    const url = await start([file, ...pool])
    await send(0, 10, 200)
    await expect.poll(runs, { timeout: 60_000 }).toHaveLength(10)
    await expect.poll(() => figures(url), { timeout: 30_000 }).toMatchObject({ wanted: 1, ready: 1 })

    await send(10, 100, 200)
    const { looks } = await figures(url)
    await expect.poll(async () => (await figures(url)).wanted, { timeout: 30_000 }).toBe(4)
    const { lastChange } = await figures(url)
    expect(lastChange?.look ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(looks + 2)

    await expect.poll(runs, { timeout: 90_000 }).toHaveLength(110)
    // Long tasks at the end: their workers are not to be stopped for being too many.
    await send(110, 4, 5_000)
    await expect.poll(async () => (await figures(url)).wanted, { timeout: 30_000 }).toBe(1)
    await expect.poll(async () => (await figures(url)).actual, { timeout: 30_000 }).toBe(1)
    await expect.poll(runs, { timeout: 30_000 }).toHaveLength(114)
    expect(runs().sort((a, b) => a - b)).toEqual(Array.from({ length: 114 }, (_, n) => n))
    expect(command?.output()).toMatch(/pool counted: \d -> 4 workers/)
    expect(command?.output()).not.toMatch(/released/)
  })

  it('replaces a worker that dies, and takes all of them along when it is told to stop', async () => {
    const url = await start([file, '--queue', 'counted=2..2'])
    await expect.poll(async () => (await figures(url)).ready, { timeout: 60_000 }).toBe(2)
    const { execFileSync } = await import('node:child_process')
    const children = (): number[] =>
      execFileSync('ps', ['-o', 'pid=', '--ppid', String(command?.child.pid)])
        .toString()
        .split('\n')
        .map(Number)
        .filter((pid) => pid > 0)
    const alive = (pid: number): boolean => existsSync(`/proc/${pid}`)
    const [victim = 0] = children().filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('work'))
    process.kill(victim, 'SIGKILL')
    await expect
      .poll(() => command?.errors() ?? '', { timeout: 20_000 })
      .toMatch(/worker \d+ ended \(SIGKILL\) and is replaced/)
    await expect.poll(async () => (await figures(url)).ready, { timeout: 60_000 }).toBe(2)
    await send(0, 1, 1_500)
    await expect.poll(async () => (await figures(url)).inFlight, { timeout: 20_000 }).toBe(1)
    const last = children()
    command?.child.kill('SIGTERM')
    expect(await command?.exited).toBe(143)
    expect(runs()).toEqual([0])
    expect(last.filter(alive)).toEqual([])
  })

  it('tells others what it would do, as JSON and as Prometheus text, and nothing else', async () => {
    await store.queue('orders')
    const url = await start(['--queue', 'orders=0..8', '--metrics-only'])
    const queue = await store.queue<string>('orders')
    await queue.sendMany(Array.from({ length: 30 }, () => ({ body: 'x' })))
    await expect.poll(async () => (await figures(url, 'orders')).waiting, { timeout: 20_000 }).toBe(30)
    expect(await figures(url, 'orders')).toMatchObject({ inFlight: 0, min: 0, max: 8, wanted: 1 })
    const text = await (await fetch(`${url}/metrics`)).text()
    expect(text).toContain('spindle_autoscale_waiting_messages{queue="orders"} 30\n')
    expect(text).toContain('spindle_autoscale_wanted_workers{queue="orders"} 1\n')
    const all = (await (await fetch(url)).json()) as { pools: PoolFigures[] }
    expect(all.pools.map((pool) => pool.queue)).toEqual(['orders'])
    const statuses = await Promise.all([
      fetch(`${url}/queues/nobody`),
      fetch(`${url}/queues/%ff`),
      fetch(`${url}/queues/orders`, { method: 'POST', body: 'x' }),
      fetch(`${url}/healthz`),
    ])
    expect(statuses.map(({ status }) => status)).toEqual([404, 404, 405, 200])
  })

  it('calls a command with the number of workers there should be', async () => {
    const told = join(folder, 'told')
    const hook = `echo "$SPINDLE_QUEUE $SPINDLE_WANTED of $SPINDLE_ACTUAL" >> ${told}`
    const queue = await store.queue<string>('orders')
    await queue.sendMany(Array.from({ length: 5_000 }, () => ({ body: 'x' })))
    await start(['--queue', 'orders=1..6', '--command', hook])
    await expect
      .poll(() => (existsSync(told) ? readFileSync(told, 'utf8') : ''), { timeout: 20_000 })
      .toMatch(/^orders 6 of /m)
  })
})
