import { request as httpRequest } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Broker } from '../../src/broker/broker.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { type TaskHandlerOptions, taskHandler } from '../../src/http/index.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { createTasks, type TaskClient } from '../../src/tasks/client.ts'
import { task } from '../../src/tasks/index.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { gate } from '../tasks/rig.ts'
import { type Listening, serverEvents, underHono, underNodeHttp } from './server.ts'

const parts = { clock: systemClock, random: systemRandom, limits: defaultLimits, log: silentLog }
const double = task('double', { input: z.object({ n: z.number() }), run: ({ n }) => n * 2 })
const other = task('other', { input: z.object({}), run: () => 'other' })
let broker: Broker
let tasks: TaskClient
let server: Listening

beforeEach(async () => {
  broker = new Broker({ engine: new MemoryEngine(parts), ...parts })
  await broker.start()
  tasks = createTasks({ port: broker, ...parts })
})
afterEach(async () => {
  await server.close()
  await tasks.close()
  await broker.close()
})

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.origin + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.origin + path, { headers })
const accepted = async (name: string, body: unknown): Promise<string> => {
  const response = await post(`/tasks/${name}`, body)
  expect(response.status).toBe(202)
  return response.headers.get('location') ?? ''
}

/** A task that reports half its work and goes on when told. */
function steps() {
  const goOn = gate()
  const aborted = gate<unknown>()
  const stepsTask = task('steps', {
    input: z.object({}),
    async run(_input, { progress, signal }) {
      signal.addEventListener('abort', () => aborted.open(signal.reason))
      await progress(0.5, { page: 3 })
      await Promise.race([goOn.opened, aborted.opened])
      return 'done'
    },
  })
  return { goOn, aborted, task: stepsTask }
}

describe.each([
  ['plain node:http', underNodeHttp],
  ['Hono', underHono],
])('202 Accepted under %s', (_name, listen) => {
  const serve = async (options: Partial<TaskHandlerOptions> = {}): Promise<void> => {
    server = await listen(taskHandler({ spindle: tasks, tasks: [double], ...options }))
  }

  it('accepts a task, says where to look, and tells how it ended', async () => {
    await serve()
    const response = await post('/tasks/double', { n: 21 })
    expect(response.status).toBe(202)
    const location = response.headers.get('location') ?? ''
    expect(await response.json()).toEqual({ id: location.split('/').at(-1), status: location })
    expect(location).toMatch(/^\/tasks\/double\/[\w-]+$/)
    expect(await (await get(location)).json()).toMatchObject({ state: 'queued', task: 'double' })
    await tasks.work([double])
    await tasks.job(location.split('/').at(-1) ?? '').result()
    const ended = await get(location)
    expect(ended.status).toBe(200)
    expect(ended.headers.get('content-type')).toBe('application/json')
    expect(await ended.json()).toMatchObject({ state: 'succeeded', result: 42 })
  })

  it('streams status and progress until the end, then tells the browser to stay away', async () => {
    const { goOn, task: slow } = steps()
    await serve({ tasks: [slow] })
    const location = await accepted('steps', {})
    const response = await get(location, { accept: 'text/event-stream' })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const raw: string[] = []
    const events = serverEvents(response, raw)
    expect((await events.next()).value).toMatchObject({ event: 'status', data: { state: 'queued' } })
    await tasks.work([slow])
    const seen: string[] = []
    let last: string | undefined
    for await (const { id, data } of events) {
      seen.push(`${data.state} ${data.progress ?? data.result ?? ''}`.trim())
      if (data.progress === 0.5) goOn.open()
      last = id
    }
    expect(seen.at(-1)).toBe('succeeded done')
    expect(seen).toContain('running 0.5')
    expect(last).toBe('end')
    expect(raw).toContain('retry: 2000')
    const again = await get(location, { accept: 'text/event-stream', 'last-event-id': 'end' })
    expect(again.status).toBe(204)
  })

  it('cancels what waits, tells what runs, and says when it was too late', async () => {
    const { aborted, task: slow } = steps()
    await serve({ tasks: [double, slow] })
    const remove = (path: string): Promise<Response> => fetch(server.origin + path, { method: 'DELETE' })
    const waiting = await accepted('double', { n: 1 })
    const cancelled = await remove(waiting)
    expect([cancelled.status, await cancelled.json()]).toMatchObject([200, { state: 'cancelled' }])
    const tooLate = await remove(waiting)
    expect([tooLate.status, await tooLate.json()]).toMatchObject([409, { state: 'cancelled' }])
    await tasks.work([slow])
    const running = await accepted('steps', {})
    const watched = serverEvents(await get(running, { accept: 'text/event-stream' }))
    for await (const { data } of watched) if (data.progress === 0.5) break
    const told = await remove(running)
    expect([200, 202]).toContain(told.status)
    expect(await aborted.opened).toMatchObject({ kind: 'cancelled' })
    await expect(tasks.job(running.split('/').at(-1) ?? '').result()).rejects.toMatchObject({ code: 'task-cancelled' })
  })

  it('lets go of the task when the client hangs up', async () => {
    const listened = new Set<string>()
    const hungUp = gate()
    const listen = broker.listen.bind(broker)
    broker.listen = (channel, heard) => {
      listened.add(channel)
      const end = listen(channel, heard)
      return () => {
        end()
        listened.delete(channel)
        if (listened.size === 0) hungUp.open()
      }
    }
    await serve()
    const location = await accepted('double', { n: 1 })
    const leaving = new AbortController()
    const response = await fetch(server.origin + location, {
      headers: { accept: 'text/event-stream' },
      signal: leaving.signal,
    })
    const events = serverEvents(response)
    await events.next()
    expect(listened.size).toBe(2)
    leaving.abort()
    await expect(events.next()).rejects.toThrow()
    await hungUp.opened
    expect(listened.size).toBe(0)
  })

  it('answers what is wrong as problem+json', async () => {
    await serve({ bodyBytesMax: 100 })
    const problem = async (response: Response): Promise<unknown> => {
      expect(response.headers.get('content-type')).toBe('application/problem+json')
      return response.json()
    }
    const invalid = await post('/tasks/double', { n: 'one' })
    expect(invalid.status).toBe(400)
    expect(await problem(invalid)).toMatchObject({ status: 400, issues: [{ path: 'n' }] })
    const broken = await post('/tasks/double', '{"n":')
    expect([broken.status, await problem(broken)]).toMatchObject([400, { title: 'The body is not JSON.' }])
    const form = await post('/tasks/double', 'n=1', { 'content-type': 'application/x-www-form-urlencoded' })
    expect([form.status, await problem(form)]).toMatchObject([415, { status: 415 }])
    const long = await post('/tasks/double', { n: 1, text: 'x'.repeat(100) })
    expect([long.status, await problem(long)]).toMatchObject([413, { status: 413 }])
    for (const path of [
      '/tasks/none',
      '/tasks/double/018f0000-0000-7000-8000-000000000000',
      '/tasks/double/a/b',
      '/tasks/double/..%2f..',
    ]) {
      const missing = await get(path)
      expect([path, missing.status, await problem(missing)]).toMatchObject([path, 404, {}])
    }
    const wrong = await get('/tasks/double')
    expect([wrong.status, wrong.headers.get('allow'), await problem(wrong)]).toMatchObject([405, 'POST', {}])
    const put = await fetch(`${server.origin}/tasks/double/018f`, { method: 'PUT' })
    expect([put.status, put.headers.get('allow'), await problem(put)]).toMatchObject([405, 'GET, DELETE', {}])
  })

  it('shows no task under the name of another', async () => {
    await serve({ tasks: [double, other] })
    const location = await accepted('double', { n: 1 })
    expect((await get(location.replace('double', 'other'))).status).toBe(404)
    expect((await fetch(server.origin + location.replace('double', 'other'), { method: 'DELETE' })).status).toBe(404)
    expect(await (await get(location)).json()).toMatchObject({ state: 'queued' })
  })

  it('asks before it does anything', async () => {
    const authorize = (request: Request): boolean | Response => {
      if (request.headers.get('authorization') === 'Bearer ok') return true
      return request.headers.has('authorization') ? false : new Response(null, { status: 401 })
    }
    await serve({ authorize })
    expect((await post('/tasks/double', { n: 1 })).status).toBe(401)
    expect((await post('/tasks/double', { n: 1 }, { authorization: 'Bearer no' })).status).toBe(403)
    expect((await post('/tasks/double', { n: 1 }, { authorization: 'Bearer ok' })).status).toBe(202)
    expect(await broker.measure(['double'])).toMatchObject([{ ready: 1 }])
  })
})

describe('the handler', () => {
  const at = (path: string, init?: RequestInit): Request => new Request(`http://localhost${path}`, init)
  const json = { 'content-type': 'application/json' }

  beforeEach(async () => {
    server = await underNodeHttp(taskHandler({ spindle: tasks, tasks: [double] }))
  })

  it('tells clients nothing of what went wrong inside', async () => {
    const faults: unknown[] = []
    const log = { ...silentLog, error: (_message: string, fields: unknown) => faults.push(fields) }
    const broken = {
      enqueue: () => Promise.reject(new Error('password is hunter2')),
      job: () => {
        throw new TypeError('cannot read properties of undefined')
      },
    }
    const handler = taskHandler({ spindle: broken, tasks: [double], log })
    for (const request of [
      at('/tasks/double', { method: 'POST', headers: json, body: '{"n":1}' }),
      at('/tasks/double/x'),
    ]) {
      const response = await handler(request)
      expect(response.status).toBe(500)
      expect(await response.text()).toBe('{"title":"The server failed to answer.","status":500}')
    }
    expect(faults).toHaveLength(2)
  })

  it('answers 503 when the store is closed', async () => {
    await broker.close()
    const response = await taskHandler({ spindle: tasks, tasks: [double] })(
      at('/tasks/double', { method: 'POST', headers: json, body: '{"n":1}' }),
    )
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
  })

  it('lives where it is told to', async () => {
    for (const basePath of ['api/jobs', '/api/jobs/', '/api/jobs']) {
      const handler = taskHandler({ spindle: tasks, tasks: [double], basePath })
      const response = await handler(at('/api/jobs/double', { method: 'POST', headers: json, body: '{"n":1}' }))
      expect(response.headers.get('location')).toMatch(/^\/api\/jobs\/double\//)
      expect((await handler(at('/tasks/double'))).status).toBe(404)
    }
  })

  it('takes options of the task from the request', async () => {
    const handler = taskHandler({
      spindle: tasks,
      tasks: [double],
      enqueueOptions: (request) => ({ dedupId: request.headers.get('idempotency-key') ?? 'none' }),
    })
    const send = async (): Promise<unknown> =>
      (
        await handler(
          at('/tasks/double', { method: 'POST', headers: { ...json, 'idempotency-key': 'k1' }, body: '{"n":1}' }),
        )
      ).json()
    expect(await send()).toEqual(await send())
  })

  it('sends signs of life while nothing happens, and none after the client has gone', async () => {
    const clock = new VirtualClock()
    const handler = taskHandler({ spindle: tasks, tasks: [double], clock, heartbeatMs: 15_000 })
    const { id } = await tasks.enqueue(double, { n: 1 })
    const response = await handler(at(`/tasks/double/${id}`, { headers: { accept: 'text/event-stream' } }))
    const reader = response.body?.getReader()
    const read = async (): Promise<string> => Buffer.from((await reader?.read())?.value ?? []).toString()
    expect(await read()).toBe('retry: 2000\n\n')
    expect(await read()).toMatch(/^event: status\ndata: \{.*"state":"queued"\}\n\n$/)
    const sign = read()
    await clock.advance(15_000)
    expect(await sign).toBe(': still here\n\n')
    await reader?.cancel()
    expect(clock.armedTimers).toBe(0)
  })

  it('refuses a request line that is no path, and a body that never ends', async () => {
    const { port, hostname } = new URL(server.origin)
    const status = (options: object, body: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const request = httpRequest({ hostname, port, method: 'POST', headers: json, ...options }, (response) => {
          resolve(response.statusCode)
          request.destroy()
        })
        request.on('error', reject)
        request.write(body)
      })
    expect(await status({ path: 'http://elsewhere/tasks/double' }, '')).toBe(400)
    expect(await status({ path: '/tasks/double' }, 'x'.repeat(1_100_000))).toBe(413)
  })
})
