import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { isLocalOrPublicAddress } from '../../src/runtime/public-address.ts'
import { task } from '../../src/tasks/index.ts'
import type { Post } from '../../src/tasks/webhook.ts'
import { checkWebhookUrl } from '../../src/tasks/webhook-url.ts'
import { type Rig, rig, sleep } from './rig.ts'

const NOTHING = z.object({})
const HALF = { float: () => 0.5, bytes: (count: number) => new Uint8Array(count) }

describe('a webhook', () => {
  const posts: { readonly url: string; readonly body: unknown; readonly atMs: number }[] = []
  let answers: (number | Error)[] = []
  let on: Rig
  const post: Post = async (url, body, signal) => {
    posts.push({ url: url.href, body: JSON.parse(body), atMs: on.elapsedMs() })
    const answer = answers.shift() ?? 204
    if (answer instanceof Error) throw answer
    if (answer === 0) await sleep(on.clock, 3_600_000, signal)
    return answer
  }

  beforeEach(async () => {
    posts.length = 0
    answers = []
    on = await rig({ random: HALF, post })
  })
  afterEach(() => on.close())

  it('posts the final status, once the task has ended', async () => {
    const double = task('double', { input: z.number(), run: (n) => n * 2 })
    const job = await on.tasks.enqueue(double, 21, { webhook: 'https://example.com/done' })
    await on.tasks.work([double])
    await on.clock.advance(10)
    expect(posts).toMatchObject([
      {
        url: 'https://example.com/done',
        body: { id: job.id, task: 'double', state: 'succeeded', result: 42, attempts: 1 },
      },
    ])
  })

  it('is retried with backoff until it is taken, each try within ten seconds', async () => {
    const quick = task('quick', { input: NOTHING, run: () => 1 })
    answers = [500, new Error('refused'), 0]
    await on.tasks.enqueue(quick, {}, { webhook: 'https://example.com/done' })
    await on.tasks.work([quick])
    await on.clock.advance(60_000)
    expect(posts.map(({ atMs }) => atMs)).toEqual([0, 500, 1_500, 13_500])
  })

  it('tells of a failure and of a cancellation, and not of an attempt', async () => {
    const failing = task('failing', {
      input: NOTHING,
      retry: { attempts: 2, backoff: () => 1_000 },
      run: (): never => {
        throw new Error('down')
      },
    })
    const slow = task('slow', { input: NOTHING, run: (_input, { signal }) => sleep(on.clock, 60_000, signal) })
    await on.tasks.enqueue(failing, {}, { webhook: 'https://example.com/failed' })
    const job = await on.tasks.enqueue(slow, {}, { webhook: 'https://example.com/cancelled' })
    await on.tasks.work([failing, slow])
    await on.clock.advance(500)
    expect(posts).toEqual([])
    await job.cancel()
    await on.clock.advance(10_000)
    expect(posts).toMatchObject([
      { url: 'https://example.com/cancelled', body: { state: 'cancelled' } },
      { url: 'https://example.com/failed', body: { state: 'failed', reason: 'exhausted', error: { message: 'down' } } },
    ])
  })

  it('tells of a task that was cancelled before it ran, also while workers are idle', async () => {
    const quick = task('quick', { input: NOTHING, run: () => 1 })
    await on.tasks.work([quick])
    const job = await on.tasks.enqueue(quick, {}, { webhook: 'https://example.com/done', delayMs: 60_000 })
    expect(await job.cancel()).toBe(true)
    await on.clock.advance(1_000)
    expect(posts).toMatchObject([{ body: { id: job.id, task: 'quick', state: 'cancelled', attempts: 1 } }])
  })

  it('tells of an end that the store judged, because no worker lived to say it', async () => {
    const silent = task('silent', {
      input: NOTHING,
      idempotent: false,
      leaseMs: 30_000,
      run: () => sleep(on.clock, 3_600_000),
    })
    const quick = task('quick', { input: NOTHING, run: () => 1 })
    const job = await on.tasks.enqueue(silent, {}, { webhook: 'https://example.com/lost' })
    await on.tasks.enqueue(silent, {})
    await on.another({ post }).work([silent], { renew: false })
    await on.tasks.work([quick])
    await on.clock.advance(29_000)
    expect(posts).toEqual([])
    await on.clock.advance(2_000)
    expect(posts).toMatchObject([
      { url: 'https://example.com/lost', body: { id: job.id, state: 'failed', reason: 'lost', attempts: 1 } },
    ])
  })

  it('tells of the end of a task that was redriven, and fails once more', async () => {
    const failing = task('failing', {
      input: NOTHING,
      retry: { attempts: 1 },
      run: (): never => {
        throw new Error('down')
      },
    })
    const job = await on.tasks.enqueue(failing, {}, { webhook: 'https://example.com/failed' })
    await on.tasks.work([failing])
    await on.clock.advance(100)
    expect(posts).toHaveLength(1)
    await job.retry()
    await on.clock.advance(100)
    expect(posts.map(({ body }) => body)).toMatchObject([{ state: 'failed' }, { state: 'failed' }])
  })

  it('is not sent after a redirect, nor again after 410', async () => {
    const quick = task('quick', { input: NOTHING, run: () => 1 })
    answers = [302, 410]
    await on.tasks.enqueue(quick, {}, { webhook: 'https://example.com/a' })
    await on.tasks.enqueue(quick, {}, { webhook: 'https://example.com/b' })
    await on.tasks.work([quick])
    await on.clock.advance(100_000)
    expect(posts).toHaveLength(2)
    expect(await on.port.measure(['spindle.webhook'])).toMatchObject([{ dead: 2 }])
  })

  it('waits for a worker of this store when there is none', async () => {
    const quick = task('quick', { input: NOTHING, run: () => 1 })
    answers = [500]
    await on.tasks.enqueue(quick, {}, { webhook: 'https://example.com/done' })
    const worker = await on.tasks.work([quick])
    await on.clock.advance(0)
    const stopping = worker.stop()
    await on.clock.advance(0)
    await stopping
    expect(posts).toHaveLength(1)
    await on.another({ post: async () => posts.push({ url: 'other', body: 0, atMs: 0 }) && 200 }).work([quick])
    await on.clock.advance(10_000)
    expect(posts.map(({ url }) => url)).toEqual(['https://example.com/done', 'other'])
  })
})

describe('a webhook over the network', () => {
  it('is a POST of JSON to a server on loopback', async () => {
    const on = await rig()
    const heard: { request: IncomingMessage; body: string }[] = []
    let told: () => void = () => {}
    const arrived = new Promise<void>((resolve) => {
      told = resolve
    })
    const server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      heard.push({ request, body })
      response.writeHead(204).end()
      told()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const quick = task('quick', { input: NOTHING, run: () => 'done' })
    await on.tasks.enqueue(quick, {}, { webhook: `http://127.0.0.1:${port}/hook` })
    await on.tasks.work([quick])
    await on.clock.advance(0)
    await arrived
    const [first] = heard
    expect(first?.request).toMatchObject({
      method: 'POST',
      url: '/hook',
      headers: { 'content-type': 'application/json' },
    })
    expect(JSON.parse(first?.body ?? '')).toMatchObject({ state: 'succeeded', result: 'done' })
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await on.close()
  })
})

describe('a webhook URL', () => {
  it.each([
    'https://example.com/x',
    'http://localhost:3000/',
    'http://127.0.0.1/',
    'http://[::1]:8080/',
    'http://8.8.8.8/',
    'http://[2606:4700::1]/',
  ])('may be %s', (url) => {
    expect(checkWebhookUrl(url).href).toBe(new URL(url).href)
  })

  it.each([
    'example.com',
    'ftp://example.com/',
    'file:///etc/passwd',
    'https://user:secret@example.com/',
    'http://10.0.0.1/',
    'http://0xa9fea9fe/latest/meta-data',
    'http://169.254.169.254/',
    'http://172.16.0.1/',
    'http://192.168.1.1/',
    'http://100.64.0.1/',
    'http://0.0.0.0/',
    'http://224.0.0.1/',
    'http://[fe80::1]/',
    'http://[fd00::1]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[64:ff9b::a00:1]/',
    'http://[2002:a00:1::]/',
    'http://[::]/',
  ])('may not be %s', (url) => {
    expect(() => checkWebhookUrl(url)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  it('is looked at again once its name is resolved', () => {
    expect(['127.0.0.1', '93.184.216.34', '2606:4700::1'].every(isLocalOrPublicAddress)).toBe(true)
    expect(['10.1.2.3', '::ffff:10.1.2.3', 'fe80::1%eth0'].some(isLocalOrPublicAddress)).toBe(false)
  })
})
