import { afterEach, describe, expect, it } from 'vitest'
import { parseGrant } from '../../src/model/access.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'
import { call, rawCall } from './call.ts'

const started: TestServer[] = []
async function server(settings: Parameters<typeof testServer>[0] = {}): Promise<TestServer> {
  const one = await testServer(settings)
  started.push(one)
  return one
}
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

describe('while there are no users', () => {
  it('everybody on this machine may do everything', async () => {
    const { url } = await server()
    expect((await call(url, 'PUT', '/queues/q')).status).toBe(200)
    expect((await call(url, 'GET', '/session')).body).toMatchObject({ user: null, open: true })
  })

  it('a name that may be anybody’s is refused, local names and configured ones are not', async () => {
    const { url } = await server({ allowedHosts: ['queue.example.com'] })
    const status = async (host: string, path = '/api/v1/queues') =>
      (await rawCall(url, { path, headers: { host } })).status
    for (const host of ['evil.example.com', 'localhost.evil.com:4566', '127.0.0.1.evil.com', '.']) {
      expect([host, await status(host)]).toEqual([host, 403])
    }
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:4566', 'spindle', 'a.localhost', 'queue.example.com:80']) {
      expect([host, await status(host)]).toEqual([host, 200])
    }
    expect(await status('evil.example.com', '/metrics')).toBe(403)
    expect(await status('evil.example.com', '/healthz')).toBe(200)
  })

  it('a page of another origin is refused, and one of this origin writes with the token of its session', async () => {
    const { url } = await server()
    const origin = url
    const put = (headers: Record<string, string>) =>
      rawCall(url, { method: 'PUT', path: '/api/v1/queues/q', headers: { ...headers, host: new URL(url).host } })
    expect((await put({ origin: 'https://evil.example.com' })).status).toBe(403)
    expect((await put({ 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await put({ 'sec-fetch-site': 'same-site' })).status).toBe(403)
    expect((await put({ origin: 'null' })).status).toBe(403)
    expect((await put({ origin, 'sec-fetch-site': 'same-origin' })).status).toBe(403)
    const { writeToken } = (await call(url, 'GET', '/session')).body as { writeToken: string }
    expect((await put({ origin, 'x-spindle-token': `${writeToken}x` })).status).toBe(403)
    expect((await put({ origin, 'x-spindle-token': writeToken })).status).toBe(200)
    expect((await call(url, 'GET', '/queues')).headers.get('access-control-allow-origin')).toBeNull()
  })

  it('a rebound page cannot reach SQS either, and a program can by whatever name', async () => {
    const { url } = await server()
    const list = (headers: Record<string, string>) =>
      rawCall(url, {
        path: '/?Action=ListQueues&Version=2012-11-05',
        headers: { host: 'evil.example.com', ...headers },
      })
    expect((await list({ 'user-agent': 'Mozilla/5.0' })).status).toBe(403)
    expect((await list({ 'user-agent': 'aws-sdk-js/3' })).status).toBe(200)
  })
})

describe('once there are users', () => {
  it('a call without a token, or with a wrong one, is refused alike', async () => {
    const { url, users } = await server()
    await users.put('ada', { grants: [parseGrant('admin:*')] })
    const token = await users.addToken('ada')
    const none = await call(url, 'GET', '/queues')
    expect(none).toMatchObject({ status: 401, body: { code: 'not-authenticated' } })
    expect(none.headers.get('www-authenticate')).toBe('Bearer')
    const bearer = (text: string) => call(url, 'GET', '/queues', { headers: { authorization: `Bearer ${text}` } })
    expect(await bearer('wrong')).toMatchObject({ status: 401, body: none.body })
    expect((await bearer(token)).status).toBe(200)
    expect((await fetch(`${url}/metrics`)).status).toBe(401)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })

  it('each sees and does what its grants say', async () => {
    const { url, users, port } = await server()
    await users.put('ada', { grants: [parseGrant('read:mail'), parseGrant('write,configure:mail-*')] })
    const headers = { authorization: `Bearer ${await users.addToken('ada')}` }
    for (const queue of ['mail', 'secret']) await port.declareQueue(queue, {})
    const [outcome] = await port.append('secret', [{ content: { head: new Uint8Array(0), body: new Uint8Array(0) } }])
    const status = async (method: string, path: string, body?: object) =>
      (await call(url, method, path, { headers, ...(body === undefined ? {} : { body }) })).status
    expect((await call(url, 'GET', '/queues', { headers })).body).toMatchObject({ items: [{ name: 'mail' }] })
    expect((await call(url, 'GET', '/stats', { headers })).body).toMatchObject({ queueCount: 1 })
    expect(await (await fetch(`${url}/metrics`, { headers })).text()).not.toMatch(/secret/)
    expect(await status('GET', '/queues/mail')).toBe(200)
    expect(await status('GET', '/queues/secret')).toBe(403)
    expect(await status('GET', '/queues/unknown')).toBe(403)
    expect(await status('GET', `/messages/${outcome?.kind === 'stored' ? outcome.id : ''}`)).toBe(404)
    expect(await status('PUT', '/queues/mail-out')).toBe(200)
    expect(
      await status('PUT', '/queues/mail-x', { policy: { onDeath: { kind: 'deadLetter', queue: 'secret' } } }),
    ).toBe(403)
    expect(await status('DELETE', '/queues/mail')).toBe(403)
    expect(await status('POST', '/queues/mail/messages', { messages: [] })).toBe(403)
    expect(await status('POST', '/queues/mail/redrive', {})).toBe(403)
    for (const [method, path] of [
      ['GET', '/users'],
      ['PUT', '/users/eve'],
      ['DELETE', '/users/ada'],
      ['POST', '/users/ada/tokens'],
    ] as const) {
      expect(await status(method, path)).toBe(403)
    }
  })

  it('a grant on everything but some names shows nothing of those', async () => {
    const { url, users, port } = await server()
    const grants = [{ verbs: ['read' as const], resources: ['*'], except: ['secret*'] }]
    await users.put('ada', { grants })
    const headers = { authorization: `Bearer ${await users.addToken('ada')}` }
    for (const queue of ['mail', 'secret-plans']) await port.declareQueue(queue, {})
    expect((await call(url, 'GET', '/queues', { headers })).body).toMatchObject({ items: [{ name: 'mail' }] })
    expect(await (await fetch(`${url}/metrics`, { headers })).text()).not.toMatch(/secret/)
    const events = await fetch(`${url}/api/v1/events`, { headers })
    const reader = (events.body as ReadableStream<Uint8Array>).getReader()
    const { value } = await reader.read()
    await reader.cancel()
    expect(new TextDecoder().decode(value)).not.toMatch(/secret/)
  })

  it('an administrator manages them, and no answer or record shows a secret again', async () => {
    const { url, adminToken } = await server({ initAdmin: true })
    const headers = { authorization: `Bearer ${adminToken}` }
    const body = { password: 'canary-password', grants: [{ verbs: ['read'], resources: ['*'] }] }
    expect(await call(url, 'PUT', '/users/bob', { headers, body })).toMatchObject({
      status: 200,
      body: { name: 'bob', hasPassword: true, tokens: 0 },
    })
    const made = await call(url, 'POST', '/users/bob/tokens', { headers })
    const key = await call(url, 'POST', '/users/bob/access-keys', { headers })
    expect([made.status, key.status]).toEqual([201, 201])
    const { token } = made.body as { token: string }
    const { secret } = key.body as { secret: string }
    const listed = JSON.stringify((await call(url, 'GET', '/users', { headers })).body)
    for (const hidden of ['canary', token, secret]) expect(listed).not.toContain(hidden)
    const asBob = { authorization: `Bearer ${token}` }
    expect((await call(url, 'GET', '/session', { headers: asBob })).body).toMatchObject({
      user: 'bob',
      writeToken: null,
    })
    expect((await call(url, 'DELETE', '/users/bob', { headers })).status).toBe(204)
    expect((await call(url, 'GET', '/session', { headers: asBob })).status).toBe(401)
    expect(await call(url, 'DELETE', '/users/bob', { headers })).toMatchObject({
      status: 404,
      body: { code: 'no-such-user' },
    })
  })
})
