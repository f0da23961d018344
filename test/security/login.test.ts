import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { LoginLimit } from '../../src/broker/login-limit.ts'
import { SESSION_MS, Sessions } from '../../src/broker/sessions.ts'
import { StoredUsers } from '../../src/broker/users.ts'
import { parseGrant } from '../../src/model/access.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { call, rawCall } from '../admin/call.ts'
import { startedBroker } from '../broker/started.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'

const started: TestServer[] = []
async function serverWithAda(settings: Parameters<typeof testServer>[0] = {}) {
  const server = await testServer(settings)
  started.push(server)
  await server.users.put('ada', { password: 'lovelace', grants: [parseGrant('admin:*')] })
  return { server, token: await server.users.addToken('ada') }
}
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

async function logIn(url: string, body: object, headers: Record<string, string> = {}) {
  const answer = await call(url, 'POST', '/session', { body, headers })
  const set = answer.headers.get('set-cookie') ?? ''
  return { ...answer, set, cookie: set.split(';')[0] ?? '' }
}

describe('a browser that logs in', () => {
  it.each([
    ['a password', () => ({ user: 'ada', password: 'lovelace' })],
    ['a token', (token: string) => ({ token })],
  ])('with %s has a cookie that no script reads and no other site sends', async (_by, credentials) => {
    const { server, token } = await serverWithAda()
    const { status, body, set, cookie } = await logIn(server.url, credentials(token))
    const session = { user: 'ada', open: false, version: expect.any(String), writeToken: expect.any(String) }
    expect([status, body]).toMatchObject([201, session])
    expect(set).toMatch(/^spindle_session=[\w-]{40}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/)
    expect((await call(server.url, 'GET', '/session', { headers: { cookie } })).body).toEqual(body)
    expect((await call(server.url, 'GET', '/users', { headers: { cookie } })).status).toBe(200)
    expect((await fetch(`${server.url}/metrics`, { headers: { cookie } })).status).toBe(200)
  })

  it('behind a proxy that speaks TLS has one for TLS and this host only', async () => {
    const { server, token } = await serverWithAda()
    const { set, cookie } = await logIn(server.url, { token }, { 'x-forwarded-proto': 'https' })
    expect(set).toMatch(/^__Host-spindle_session=.*; Secure$/)
    expect((await call(server.url, 'GET', '/session', { headers: { cookie } })).status).toBe(200)
  })

  it('writes only with the token that its page read, whatever else is sent', async () => {
    const { server, token } = await serverWithAda()
    const { cookie, body } = await logIn(server.url, { token })
    const { writeToken } = body as { writeToken: string }
    const put = async (headers: Record<string, string>) =>
      (await rawCall(server.url, { method: 'PUT', path: '/api/v1/queues/q', headers: { cookie, ...headers } })).status
    const shown = { 'x-spindle-token': writeToken }
    expect(await put({})).toBe(403)
    expect(await put({ 'x-spindle-token': `${writeToken}x` })).toBe(403)
    expect(await put({ ...shown, origin: 'https://evil.example.com' })).toBe(403)
    expect(await put({ ...shown, 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await put({ ...shown, host: 'evil.example.com' })).toBe(403)
    expect(await put(shown)).toBe(200)
  })

  it('is kept out with a wrong secret, with both kinds, or under a name that may be anybody’s', async () => {
    const { server, token } = await serverWithAda()
    for (const body of [
      { token: `${token}x` },
      { user: 'ada', password: 'no' },
      { user: 'eve', password: 'lovelace' },
    ]) {
      const { status, set } = await logIn(server.url, body)
      expect([status, set]).toEqual([401, ''])
    }
    expect((await logIn(server.url, { token, user: 'ada', password: 'lovelace' })).status).toBe(400)
    const login = { method: 'POST', path: '/api/v1/session', body: JSON.stringify({ token }) }
    const type = { 'content-type': 'application/json' }
    expect((await rawCall(server.url, { ...login, headers: { ...type, host: 'evil.example.com' } })).status).toBe(403)
    expect(
      (await rawCall(server.url, { ...login, headers: { ...type, origin: 'https://evil.example.com' } })).status,
    ).toBe(403)
    expect((await rawCall(server.url, { ...login, headers: { 'content-type': 'text/plain' } })).status).toBe(415)
  })

  it('is nobody any more after logging out', async () => {
    const { server, token } = await serverWithAda()
    const { cookie, body } = await logIn(server.url, { token })
    const { writeToken } = body as { writeToken: string }
    expect((await call(server.url, 'DELETE', '/session', { headers: { cookie } })).status).toBe(403)
    const headers = { cookie, 'x-spindle-token': writeToken }
    const out = await call(server.url, 'DELETE', '/session', { headers })
    expect([out.status, out.headers.get('set-cookie')]).toEqual([
      204,
      expect.stringMatching(/^spindle_session=; .*Max-Age=0/),
    ])
    expect((await call(server.url, 'GET', '/session', { headers: { cookie } })).status).toBe(401)
  })

  it('hears no events once its user is gone', async () => {
    const { server, token } = await serverWithAda()
    const { cookie } = await logIn(server.url, { token })
    const events = await fetch(`${server.url}/api/v1/events`, { headers: { cookie } })
    const reader = (events.body as ReadableStream<Uint8Array>).getReader()
    expect((await reader.read()).done).toBe(false)
    await server.users.put('bob', { grants: [] })
    await server.users.remove('ada')
    for (;;) if ((await reader.read()).done) break
  })
})

describe('a session', () => {
  async function rig() {
    const { broker: port, clock } = await startedBroker()
    const parts = { port, clock, random: seededRandom(3), log: silentLog }
    const users = await StoredUsers.open(parts)
    await users.put('ada', { password: 'lovelace' })
    return { port, clock, users, sessions: new Sessions({ ...parts, users }) }
  }
  const byPassword = { kind: 'password', name: 'ada', password: 'lovelace' } as const

  it('lies in the store as a hash, and is known to whoever shares it', async () => {
    const { port, clock, users, sessions } = await rig()
    const { id, writeToken } = await sessions.open(byPassword, '127.0.0.1')
    const others = new Sessions({ port, users, clock, random: seededRandom(4) })
    expect(await others.find(id)).toMatchObject({ identity: { name: 'ada' }, writeToken })
    const [record] = await port.scan('spindle/session/', { limit: 10 })
    expect(`${record?.key} ${Buffer.from(record?.value ?? [])}`).not.toContain(id)
    expect(await sessions.find(`${id}x`)).toBeUndefined()
  })

  it.each([
    ['its twelve hours are over', async ({ clock }: Awaited<ReturnType<typeof rig>>) => clock.advance(SESSION_MS)],
    ['the password changes', ({ users }: Awaited<ReturnType<typeof rig>>) => users.put('ada', { password: 'byron' })],
    ['its user goes', ({ users }: Awaited<ReturnType<typeof rig>>) => users.remove('ada')],
  ])('ends when %s', async (_what, end) => {
    const made = await rig()
    const { id } = await made.sessions.open(byPassword, '127.0.0.1')
    await made.users.put('ada', { tags: ['monitoring'] })
    expect(await made.sessions.find(id)).toBeDefined()
    await end(made)
    expect(await made.sessions.find(id)).toBeUndefined()
  })

  it('opened by a token ends with that token, not with another one', async () => {
    const { users, sessions } = await rig()
    const token = await users.addToken('ada')
    await users.addToken('ada')
    const { id } = await sessions.open({ kind: 'token', token }, '127.0.0.1')
    const [first, second] = users.find('ada')?.tokenIds ?? []
    expect(await users.removeToken('ada', second ?? '')).toBe(true)
    expect(await sessions.find(id)).toBeDefined()
    expect(await users.removeToken('ada', first ?? '')).toBe(true)
    expect(await users.removeToken('ada', first ?? '')).toBe(false)
    expect(await sessions.find(id)).toBeUndefined()
    expect(users.withToken(token)).toBeUndefined()
  })

  it('is one of a thousand at most: the one that ends first makes room', async () => {
    const { port, clock, users, sessions } = await rig()
    const { id } = await sessions.open(byPassword, '127.0.0.1')
    const [first] = await port.scan('spindle/session/', { limit: 1 })
    for (let made = 1; made < 1_000; made++) {
      const value = JSON.stringify({
        ...JSON.parse(Buffer.from(first?.value ?? []).toString()),
        endsAtMs: clock.wallMs() + SESSION_MS + made,
      })
      await port.transact([{ kind: 'record', key: `spindle/session/${made}`, value: Buffer.from(value) }])
    }
    expect(users.configured()).toBe(true)
    const { id: last } = await sessions.open(byPassword, '127.0.0.1')
    expect((await port.scan('spindle/session/', { limit: 2_000 })).length).toBe(1_000)
    expect(await sessions.find(id)).toBeUndefined()
    expect(await sessions.find(last)).toBeDefined()
  })
})

describe('guessing', () => {
  it('is slowed for one account from one place, and keeps nobody else out', async () => {
    const clock = new VirtualClock()
    const limit = new LoginLimit(clock)
    const guess = (from: string, name: string): void => {
      limit.check(from, name)
      limit.failed(from, name)
    }
    for (let made = 0; made < 5; made++) guess('192.0.2.1', 'ada')
    expect(() => guess('192.0.2.1', 'ada')).toThrow(/try again in 10 s/)
    expect(() => limit.check('192.0.2.2', 'ada')).not.toThrow()
    expect(() => limit.check('192.0.2.1', 'bob')).not.toThrow()
    await clock.advance(10_000)
    guess('192.0.2.1', 'ada')
    expect(() => guess('192.0.2.1', 'ada')).toThrow(/10 s/)
  })

  it('of many accounts from one network is slowed, too', () => {
    const limit = new LoginLimit(new VirtualClock())
    for (let made = 0; made < 50; made++) limit.failed(`2001:db8:1:2::${made.toString(16)}`, `user${made}`)
    expect(() => limit.check('2001:db8:1:2:ffff::1', 'ada')).toThrow(/too many wrong/)
    expect(() => limit.check('2001:db8:1:3::1', 'ada')).not.toThrow()
  })

  it('over HTTP is answered with 429, while whoever is known to be right comes in', async () => {
    const { server } = await serverWithAda()
    const right = { user: 'ada', password: 'lovelace' }
    expect((await logIn(server.url, right)).status).toBe(201)
    const wrong = { user: 'ada', password: 'wrong' }
    for (let made = 0; made < 5; made++) expect((await logIn(server.url, wrong)).status).toBe(401)
    expect(await logIn(server.url, wrong)).toMatchObject({ status: 429, body: { code: 'overloaded' } })
    expect((await logIn(server.url, right)).status).toBe(201)
  })

  it('over AMQP and the management API counts like any other', async () => {
    const { server } = await serverWithAda({ amqpPort: 0, managementPort: 0 })
    const whoAmI = async (password: string) => {
      const authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`
      return (await fetch(`${server.managementUrl}/api/whoami`, { headers: { authorization } })).status
    }
    for (let made = 0; made < 5; made++) expect(await whoAmI('wrong')).toBe(401)
    expect(await whoAmI('lovelace')).toBe(429)
    expect((await logIn(server.url, { user: 'ada', password: 'lovelace' })).status).toBe(429)
    const closed = await new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(server.amqpUrl).port), '127.0.0.1', () =>
        socket.write('AMQP\u0000\u0000\u0009\u0001'),
      )
      const heard: Buffer[] = []
      socket.on('data', (chunk) => {
        if (heard.push(chunk) === 1) socket.write(startOk('ada', 'lovelace'))
      })
      socket.on('close', () => resolve(Buffer.concat(heard).toString('latin1')))
      socket.on('error', () => {})
    })
    expect(closed).toContain('PLAIN')
    // No connection.tune (10, 30) followed: the login was refused.
    expect(closed).not.toContain('\u0000\u000a\u0000\u001e')
  })
})

/** connection.start-ok with SASL PLAIN, by hand. */
function startOk(name: string, password: string): Buffer {
  const response = Buffer.from(`\0${name}\0${password}`)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(response.length)
  const short = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
  const payload = Buffer.concat([
    Buffer.from([0, 10, 0, 11, 0, 0, 0, 0]),
    short('PLAIN'),
    size,
    response,
    short('en_US'),
  ])
  const head = Buffer.from([1, 0, 0, 0, 0, 0, payload.length])
  return Buffer.concat([head, payload, Buffer.from([0xce])])
}
