import 'reflect-metadata'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { INestApplication } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { afterEach, describe, expect, it } from 'vitest'
import { expressApp } from '../../examples/frameworks/express.ts'
import { fastifyApp } from '../../examples/frameworks/fastify.ts'
import { ShopModule } from '../../examples/frameworks/nestjs/shop.module.ts'
import { SPINDLE } from '../../examples/frameworks/nestjs/spindle.module.ts'
import * as route from '../../examples/frameworks/nextjs/app/api/tasks/[...path]/route.ts'
import { spindle as nextSpindle } from '../../examples/frameworks/nextjs/lib/spindle.ts'
import { invoice } from '../../examples/frameworks/tasks.ts'
import { open, type Spindle } from '../../src/index.ts'
import { serverEvents } from './server.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Shop {
  readonly origin: string
  readonly spindle: Spindle
}

async function underExpress(): Promise<Shop> {
  const spindle = await open('memory:')
  const server = await new Promise<Server>((resolve) => {
    const listening = expressApp(spindle).listen(0, '127.0.0.1', () => resolve(listening))
  })
  closing.push(() => spindle.close())
  closing.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spindle }
}

async function underFastify(): Promise<Shop> {
  const spindle = await open('memory:')
  const app = fastifyApp(spindle)
  closing.push(() => spindle.close())
  closing.push(() => app.close())
  return { origin: await app.listen({ port: 0, host: '127.0.0.1' }), spindle }
}

async function underNest(): Promise<Shop> {
  const app: INestApplication<Server> = await NestFactory.create(ShopModule, {
    logger: false,
    forceCloseConnections: true,
  })
  closing.push(() => app.close())
  await app.listen(0, '127.0.0.1')
  return {
    origin: `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`,
    spindle: app.get(SPINDLE),
  }
}

const JSON_HEADERS = { 'content-type': 'application/json' }
const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { ...JSON_HEADERS, ...headers },
    body: body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body),
  })

describe.each([
  ['Express', underExpress],
  ['Fastify', underFastify],
  ['NestJS', underNest],
])('the 202 handler under %s', (name, started) => {
  it('accepts, streams progress until the end, and shows the result', async () => {
    const { origin, spindle } = await started()
    const accepted = await post(`${origin}/tasks/invoice`, { order: 'a-1', cents: 1250 })
    expect(accepted.status).toBe(202)
    const location = accepted.headers.get('location') ?? ''
    expect(location).toMatch(/^\/tasks\/invoice\/[\w-]+$/)

    const events = await fetch(origin + location, { headers: { accept: 'text/event-stream' } })
    expect(events.headers.get('content-type')).toBe('text/event-stream')
    const worker = await spindle.work([invoice])
    const seen: (string | undefined)[] = []
    for await (const { data } of serverEvents(events)) seen.push(data.state)
    expect(seen.at(-1)).toBe('succeeded')
    await worker.stop()
    expect(await (await fetch(origin + location)).json()).toMatchObject({
      state: 'succeeded',
      result: 'Invoice for a-1: 12.50 EUR',
    })
  })

  it('cancels, and refuses what is wrong as problem+json', async () => {
    const { origin, spindle } = await started()
    const location = (await post(`${origin}/tasks/invoice`, { order: 'a', cents: 1 })).headers.get('location') ?? ''
    const cancelled = await fetch(origin + location, { method: 'DELETE' })
    expect(cancelled.status).toBe(200)
    expect(await cancelled.json()).toMatchObject({ state: 'cancelled' })

    const refused = await post(`${origin}/tasks/invoice`, { order: '', cents: 1 })
    expect(refused.status).toBe(400)
    expect(refused.headers.get('content-type')).toContain('application/problem+json')
    expect((await post(`${origin}/tasks/nothing`, {})).status).toBe(404)
    expect((await post(`${origin}/tasks/invoice`, '{')).status).toBe(400)
    expect((await spindle.measure()).reduce((sum, { ready }) => sum + ready, 0)).toBe(0)
  })

  it('leaves the other routes alone', async () => {
    const { origin } = await started()
    const path = name === 'NestJS' ? '/orders/sample' : '/'
    expect((await fetch(origin + path)).status).toBe(200)
  })
})

it('takes the body that Express has parsed, under the path that the client asked for', async () => {
  const { origin } = await underExpress()
  const accepted = await post(`${origin}/api/tasks/invoice`, { order: 'a', cents: 1 })
  expect([accepted.status, accepted.headers.get('location')]).toEqual([202, expect.stringMatching(/^\/api\/tasks\//)])
  const packed = gzipSync(JSON.stringify({ order: 'packed', cents: 1 }))
  expect((await post(`${origin}/api/tasks/invoice`, packed, { 'content-encoding': 'gzip' })).status).toBe(202)
  expect((await post(`${origin}/api/tasks/invoice`, 'text', { 'content-type': 'text/plain' })).status).toBe(415)
})

it('enqueues from a NestJS provider what the handler then shows', async () => {
  const { origin } = await underNest()
  const { status } = (await (await fetch(`${origin}/orders/sample`)).json()) as { readonly status: string }
  expect(await (await fetch(origin + status)).json()).toMatchObject({ task: 'invoice', state: 'queued' })
})

it('is a Next.js route as it stands', async () => {
  process.env['SPINDLE_URL'] = 'memory:'
  const request = (path: string, init?: RequestInit): Request => new Request(`http://localhost/api/tasks/${path}`, init)
  const body = JSON.stringify({ order: 'n-1', cents: 100 })
  const accepted = await route.POST(request('invoice', { method: 'POST', headers: JSON_HEADERS, body }))
  closing.push(async () => (await nextSpindle()).close())
  expect(accepted.status).toBe(202)
  const { id } = (await accepted.json()) as { readonly id: string }
  expect(accepted.headers.get('location')).toBe(`/api/tasks/invoice/${id}`)
  await (await nextSpindle()).work([invoice])
  expect(await (await nextSpindle()).job(id, invoice).result()).toBe('Invoice for n-1: 1.00 EUR')
  expect((await route.GET(request(`invoice/${id}`))).status).toBe(200)
  expect((await route.DELETE(request(`invoice/${id}`, { method: 'DELETE' }))).status).toBe(409)
})
