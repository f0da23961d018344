import { CreateQueueCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { afterEach, describe, expect, it } from 'vitest'
import { AUDIT_ENTRIES_MAX, type AuditAct, StoredAudit } from '../../src/broker/audit.ts'
import { parseGrant } from '../../src/model/access.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { call } from '../admin/call.ts'
import { startedBroker } from '../broker/started.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'

const started: TestServer[] = []
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

const act = (text: string, by: string | null = 'ada'): AuditAct => ({
  by,
  from: '127.0.0.1',
  via: 'admin',
  act: text,
  outcome: 'done',
})

async function rig() {
  const { broker: port, clock } = await startedBroker()
  const parts = { port, clock, log: silentLog }
  return { port, audit: new StoredAudit(parts), again: () => new StoredAudit(parts) }
}

describe('the audit log', () => {
  it('tells the latest first, in pages, of one user, or with some words', async () => {
    const { audit } = await rig()
    for (let made = 1; made <= 5; made++)
      await audit.record(act(`PUT /queues/q${made}`, made % 2 === 0 ? 'bob' : 'ada'))
    const numbers = (entries: readonly { number: number }[]): number[] => entries.map(({ number }) => number)
    const first = await audit.list({ limit: 2 })
    expect(first[0]).toEqual({ number: 5, atMs: expect.any(Number), ...act('PUT /queues/q5') })
    expect(numbers(first)).toEqual([5, 4])
    expect(numbers(await audit.list({ limit: 2, before: 4 }))).toEqual([3, 2])
    expect(numbers(await audit.list({ limit: 9, by: 'bob' }))).toEqual([4, 2])
    expect(numbers(await audit.list({ limit: 9, text: 'Q3' }))).toEqual([3])
  })

  it('is written by all processes of a store, without a gap, and goes on after a restart', async () => {
    const { audit, again } = await rig()
    const other = again()
    await Promise.all(
      Array.from({ length: 20 }, (_, made) => (made % 2 === 0 ? audit : other).record(act(`act ${made}`))),
    )
    const told = await again().list({ limit: 100 })
    expect(told.map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, at) => 20 - at))
    expect(new Set(told.map((entry) => entry.act)).size).toBe(20)
  })

  it('keeps the latest ten thousand', async () => {
    const { port, again } = await rig()
    const key = (number: number): string => `spindle/audit/${String(number % AUDIT_ENTRIES_MAX).padStart(5, '0')}`
    for (let number = 1; number <= AUDIT_ENTRIES_MAX; number++) {
      const value = Buffer.from(JSON.stringify({ number, atMs: 1, ...act(`old ${number}`) }))
      await port.transact([{ kind: 'record', key: key(number), value }])
    }
    const audit = again()
    await audit.record(act('new'))
    const entries = await audit.list({ limit: 20_000 })
    expect([entries.length, entries[0]?.act, entries.at(-1)?.number]).toEqual([AUDIT_ENTRIES_MAX, 'new', 2])
    expect((await port.scan('spindle/audit/', { limit: 20_000 })).length).toBe(AUDIT_ENTRIES_MAX)
  })

  it('never keeps an act from being answered', async () => {
    const { audit, port } = await rig()
    await port.close()
    await expect(audit.record(act('late'))).resolves.toBeUndefined()
  })
})

describe('a server', () => {
  it('writes down who did what through which door, and no secret, body or message', async () => {
    const server = await testServer({ managementPort: 0 })
    started.push(server)
    await server.users.put('ada', { password: 'canary-password', grants: [parseGrant('admin:*')] })
    await server.users.put('bob', { grants: [parseGrant('receive:mail')] })
    const key = await server.users.addAccessKey('ada')
    const asAda = { authorization: `Bearer ${await server.users.addToken('ada')}` }
    const asBob = { authorization: `Bearer ${await server.users.addToken('bob')}` }
    const made = await call(server.url, 'PUT', '/users/eve', {
      headers: asAda,
      body: { password: 'canary-eve', newToken: true },
    })
    await call(server.url, 'DELETE', '/users/ada', { headers: asBob })
    await call(server.url, 'PUT', '/queues/mail', { headers: asAda })
    await call(server.url, 'POST', '/queues/mail/messages', {
      headers: asAda,
      body: { messages: [{ body: 'canary-body' }] },
    })
    const credentials = { accessKeyId: key.id, secretAccessKey: key.secret }
    const sqs = new SQSClient({ endpoint: server.url, region: 'us-east-1', credentials })
    await sqs.send(new CreateQueueCommand({ QueueName: 'orders' }))
    await sqs.send(new SendMessageCommand({ QueueUrl: `${server.url}/000000000000/orders`, MessageBody: 'canary-sqs' }))
    sqs.destroy()
    await fetch(`${server.managementUrl}/api/vhosts/shop`, {
      method: 'PUT',
      headers: { authorization: `Basic ${Buffer.from('ada:canary-password').toString('base64')}` },
    })
    await call(server.url, 'POST', '/session', { body: { user: 'ada', password: 'canary-wrong' } })
    await call(server.url, 'POST', '/session', { body: { user: 'canary wrong', password: 'canary-wrong' } })

    const { body } = await call(server.url, 'GET', '/audit', { headers: asAda })
    const { items, next } = body as { items: (AuditAct & { number: number })[]; next: string | null }
    expect(next).toBeNull()
    expect(items.map(({ by, via, act: text, outcome }) => [by, via, text, outcome]).reverse()).toEqual([
      ['ada', 'admin', 'PUT /users/eve', 'done'],
      ['bob', 'admin', 'DELETE /users/ada', 'refused'],
      ['ada', 'admin', 'PUT /queues/mail', 'done'],
      ['ada', 'sqs', 'CreateQueue orders', 'done'],
      ['ada', 'management', 'PUT /api/vhosts/shop', 'done'],
      // Of refused logins one a minute, so that a guesser pushes nothing out.
      ['ada', 'admin', 'login', 'refused'],
    ])
    const { token } = made.body as { token: string }
    for (const secret of ['canary', token, key.secret]) expect(JSON.stringify(items)).not.toContain(secret)
    expect((await call(server.url, 'GET', '/audit', { headers: asBob })).status).toBe(403)
    const page = await call(server.url, 'GET', '/audit?limit=2', { headers: asAda })
    expect(page.body).toMatchObject({ items: [{ number: 6 }, { number: 5 }], next: '5' })
  })
})
