import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { declare } from '../../src/server/declare.ts'
import { type TestServer, testServer } from './test-server.ts'

const started: TestServer[] = []
async function server(...args: Parameters<typeof testServer>): Promise<TestServer> {
  const one = await testServer(...args)
  started.push(one)
  return one
}
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

const get = async (url: string) => {
  const response = await fetch(url)
  return { status: response.status, body: (await response.json()) as unknown }
}

describe('a server', () => {
  it('says that it lives, that its store is writable, and what LocalStack would say', async () => {
    const { url } = await server()
    expect(await get(`${url}/healthz`)).toEqual({ status: 200, body: { status: 'ok' } })
    expect(await get(`${url}/readyz`)).toEqual({ status: 200, body: { status: 'ready' } })
    expect(await get(`${url}/_localstack/health`)).toMatchObject({
      status: 200,
      body: { services: { sqs: 'running', sns: 'running' } },
    })
    expect(await get(`${url}/_localstack/init/ready`)).toMatchObject({ body: { completed: true } })
  })

  it('writes to tell that it is ready, once for all who ask within a second', async () => {
    const { url, port } = await server()
    await Promise.all([get(`${url}/readyz`), get(`${url}/readyz`), get(`${url}/readyz`)])
    expect(await port.read('spindle/readiness')).toMatchObject({ version: 1 })
  })

  it('listens on every port it is told, and says where', async () => {
    const { listening } = await server({ ports: [0, 0] })
    expect(listening.map(({ kind }) => kind)).toEqual(['http', 'http'])
    for (const { url } of listening) expect(await get(`${url}/healthz`)).toMatchObject({ status: 200 })
  })

  it('says what has the port, and lets go of the others', async () => {
    const first = await server()
    const taken = Number(new URL(first.url).port)
    await expect(testServer({ ports: [0, taken] })).rejects.toMatchObject({
      code: 'listen-failed',
      message: expect.stringContaining(`listen on 127.0.0.1:${taken} (another program listens there)`),
    })
  })

  it('makes what its configuration declares, and again without harm', async () => {
    const declarations = {
      queues: new Map([['mail', { leaseMs: 5_000 }]]),
      topics: new Map([['news', { subscriptions: [{ queue: 'mail' }] }]]),
      exchanges: new Map([['orders', { kind: 'topic' as const }]]),
      bindings: [{ exchange: 'orders', queue: 'mail', key: 'eu.#' }],
      users: new Map([['ada', { tokens: ['0123456789abcdef'] }]]),
    }
    const { port, users } = await server({ declarations })
    await declare(declarations, { port, users })
    expect(await port.measure(['mail'])).toMatchObject([{ policy: { leaseMs: 5_000 } }])
    const exchanges = await port.listExchanges()
    expect(exchanges.find(({ exchange }) => exchange === 'news')?.bindings).toHaveLength(1)
    expect(exchanges.find(({ exchange }) => exchange === 'orders')?.bindings).toMatchObject([{ key: 'eu.#' }])
    expect(users.withToken('0123456789abcdef')?.name).toBe('ada')
  })

  it('names the declaration that cannot be made', async () => {
    const declarations = { bindings: [{ exchange: 'nowhere', queue: 'mail' }] }
    await expect(testServer({ declarations })).rejects.toThrow(/^config: bindings\[0\]: /)
  })

  it('is not opened to a network without users and TLS, unless it is told to be', async () => {
    await expect(testServer({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'exposed' })
    const open = await server({ host: '0.0.0.0', insecure: true })
    expect(open.exposure).toMatchObject({ kind: 'insecure', warning: expect.stringMatching(/without users and TLS/) })
    expect((await server()).exposure).toMatchObject({ kind: 'open' })
  })

  it('makes an administrator once, and tells the token', async () => {
    const { adminToken, users } = await server({ initAdmin: true })
    expect(users.withToken(adminToken ?? '')?.may('admin', 'anything')).toBe(true)
  })

  it('does not wait for connections that ask nothing when it stops', async () => {
    const one = await server()
    const socket = connect(Number(new URL(one.url).port), '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('close', resolve))
    await new Promise((resolve) => socket.on('connect', resolve))
    await fetch(`${one.url}/healthz`)
    await one.stop(25_000)
    await closed
    await expect(one.port.measure()).rejects.toMatchObject({ code: 'closed' })
  })

  it('tells when its store is poisoned', async () => {
    const one = await server()
    await one.port.close()
    expect(await one.failed).toMatchObject({ code: 'closed' })
  })
})
