import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { connected } from '../amqp/serving.ts'
import { servedManagement } from './serving.ts'

const real = () => JSON.parse(readFileSync(new URL('definitions.json', import.meta.url), 'utf8'))

it('imports what a RabbitMQ exported, and exports the same again', async () => {
  const { server, call, as } = await servedManagement()
  const taken = await call('POST', '/definitions', real())
  expect([taken.status, taken.body.ignored.map(({ what }: { what: string }) => what)]).toEqual([
    200,
    ["parameter operator_policy 'limit'", "ha-mode, ha-sync-mode of policy 'mirrored'", "user 'guest'"],
  ])
  // The open access ended with the users that came.
  expect((await call('GET', '/overview')).status).toBe(401)
  const admin = as('admin:correct horse')
  const exported = (await admin('GET', '/definitions')).body
  const { vhosts, queues, exchanges, bindings, policies, permissions } = real()
  const sorted = (items: object[]) => items.map((item) => JSON.stringify(item, Object.keys(item).sort())).sort()
  expect(exported.vhosts).toEqual(vhosts)
  const plain = (items: { arguments: object }[]) =>
    items.map((item) => ({ ...item, arguments: JSON.stringify(item.arguments) }))
  expect(sorted(plain(exported.queues))).toEqual(sorted(plain(queues)))
  expect(sorted(plain(exported.exchanges))).toEqual(sorted(plain(exchanges)))
  expect(sorted(plain(exported.bindings))).toEqual(sorted(plain(bindings)))
  expect(exported.policies).toHaveLength(policies.length)
  expect(exported.permissions).toEqual(permissions.filter(({ user }: { user: string }) => user !== 'guest'))
  expect(exported.users.map(({ name }: { name: string }) => name)).toEqual(['admin', 'shop'])

  // It works: what the shop publishes is where it says, and its policy holds.
  const { connection } = await connected(server.amqpUrl.replace('amqp://', 'amqp://shop:battery staple@'))
  const channel = await connection.createConfirmChannel()
  channel.publish('shop.events', 'order.created.eu', Buffer.from('{}'))
  await channel.waitForConfirms()
  expect((await channel.checkQueue('shop.orders')).messageCount).toBe(1)
  expect((await server.port.measure(['shop.orders']))[0]?.policy).toMatchObject({ lengthMax: 100_000, ttlMs: 600_000 })

  expect((await admin('POST', '/definitions', real())).status).toBe(200)
  const ofVhost = (await admin('GET', '/definitions/reports')).body
  expect(ofVhost.queues).toEqual([{ name: 'daily', durable: true, auto_delete: false, arguments: {} }])
  await admin('PUT', '/vhosts/copy')
  expect((await admin('POST', '/definitions/copy', ofVhost)).status).toBe(204)
  expect((await admin('GET', '/queues/copy')).body).toMatchObject([{ name: 'daily' }])
})

it.each([
  [
    'a stream',
    { queues: [{ name: 's', vhost: '/', durable: true, arguments: { 'x-queue-type': 'stream' } }] },
    'x-queue-type',
  ],
  [
    'an exchange type that is not there',
    { exchanges: [{ name: 'x', vhost: '/', type: 'x-consistent-hash' }] },
    'x-consistent-hash',
  ],
  [
    'topic permissions',
    { topic_permissions: [{ user: 'a', vhost: '/', exchange: 'x', read: '', write: '' }] },
    'topic_permissions',
  ],
  ['a virtual host that is not there', { queues: [{ name: 'q', vhost: 'none' }] }, "no vhost 'none'"],
  [
    'permissions of nobody',
    { permissions: [{ user: 'x', vhost: '/', configure: '', write: '', read: '' }] },
    "user 'x'",
  ],
  ['a queue without a name', { queues: [{ vhost: '/' }] }, 'name should be a string'],
  ['a list that is none', { queues: {} }, 'queues should be a list'],
  ['users among whom nobody administers', { users: [{ name: 'a', password_hash: '', tags: '' }] }, 'administrator'],
])('refuses %s, and makes nothing of the rest', async (_what, wrong, why) => {
  const { call } = await servedManagement()
  const { status, body } = await call('POST', '/definitions', {
    ...wrong,
    vhosts: [{ name: 'made' }],
    exchanges: 'exchanges' in wrong ? wrong.exchanges : [{ name: 'made', vhost: 'made', type: 'fanout' }],
  })
  expect([status, body.reason]).toEqual([400, expect.stringContaining(why)])
  expect((await call('GET', '/vhosts')).body).toHaveLength(1)
})

it('made its hashes as RabbitMQ does', () => {
  for (const [name, password] of [
    ['admin', 'correct horse'],
    ['shop', 'battery staple'],
    ['guest', 'guest'],
  ] as const) {
    const user = real().users.find((one: { name: string }) => one.name === name)
    const bytes = Buffer.from(user.password_hash, 'base64')
    expect(createHash('sha256').update(bytes.subarray(0, 4)).update(password).digest()).toEqual(bytes.subarray(4))
  }
})
