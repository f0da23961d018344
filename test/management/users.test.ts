import { createHash } from 'node:crypto'
import amqp from 'amqplib'
import { expect, it } from 'vitest'
import { globsOf } from '../../src/frontends/management/permission-globs.ts'
import { connected, refused } from '../amqp/serving.ts'
import { servedManagement } from './serving.ts'

it('ends the open access with the first user, who must be able to administer', async () => {
  const { call, as } = await servedManagement()
  const worker = await call('PUT', '/users/worker', { password: 'w', tags: '' })
  expect([worker.status, worker.body.reason]).toEqual([400, expect.stringContaining('administrator')])
  expect((await call('PUT', '/users/boss', { password: 'b', tags: 'administrator' })).status).toBe(201)
  expect((await call('GET', '/overview')).status).toBe(401)
  const boss = as('boss:b')
  expect((await boss('GET', '/users')).body).toEqual([
    {
      name: 'boss',
      password_hash: '',
      hashing_algorithm: 'rabbit_password_hashing_sha256',
      tags: ['administrator'],
      limits: {},
    },
  ])
  expect((await boss('PUT', '/users/worker', { password: 'w', tags: '' })).status).toBe(201)
  // No tag: no management.
  expect((await as('worker:w')('GET', '/overview')).body.reason).toBe('Not management user')
  await boss('PUT', '/users/worker', { password: 'w', tags: 'management' })
  expect((await as('worker:w')('GET', '/overview')).status).toBe(200)
  for (const [method, path] of [
    ['GET', '/users'],
    ['PUT', '/vhosts/v'],
    ['GET', '/definitions'],
    ['PUT', '/permissions/%2F/worker'],
  ] as const) {
    expect((await as('worker:w')(method, path)).body.reason, path).toBe('Not administrator user')
  }
  expect((await boss('DELETE', '/users/worker')).status).toBe(204)
  expect((await boss('DELETE', '/users/worker')).status).toBe(404)
})

it('lets permissions count for AMQP and for itself, in their virtual host alone', async () => {
  const { server, call, as } = await servedManagement()
  await call('PUT', '/users/boss', { password: 'b', tags: 'administrator' })
  const boss = as('boss:b')
  await boss('PUT', '/users/app', { password: 'a', tags: 'management' })
  await boss('PUT', '/vhosts/other', {})
  expect((await boss('PUT', '/permissions/%2F/nobody', { configure: '', write: '', read: '' })).status).toBe(400)
  const permission = { configure: '^(app-.*|amq\\.gen.*)$', write: '.*', read: '.*' }
  expect((await boss('PUT', '/permissions/%2F/app', permission)).status).toBe(201)
  expect((await boss('GET', '/permissions/%2F/app')).body).toEqual({ user: 'app', vhost: '/', ...permission })
  const app = as('app:a')
  expect((await app('PUT', '/queues/%2F/app-q', {})).status).toBe(201)
  expect(await app('PUT', '/queues/%2F/q', {})).toMatchObject({ status: 401, body: { error: 'not_authorised' } })
  // `.*` of `/` does not reach into another virtual host, though its names are longer ones of the same store.
  expect((await app('PUT', '/queues/other/app-q', {})).status).toBe(401)
  await server.port.declareQueue('vhost:other/secret', {})
  expect((await app('GET', '/queues')).body.map(({ name }: { name: string }) => name)).toEqual(['app-q'])
  const url = server.amqpUrl.replace('amqp://', 'amqp://app:a@')
  const { connection } = await connected(url)
  const channel = await connection.createChannel()
  await channel.assertQueue('app-2')
  expect(await refused(channel, channel.assertQueue('q'))).toContain(
    "access to queue 'q' in vhost '/' refused for user 'app'",
  )
  await boss('DELETE', '/permissions/%2F/app')
  expect(server.users.find('app')?.grants).toEqual([])
  expect((await app('GET', '/queues')).body).toEqual([])
})

it('lets who monitors look, and who makes policies make them where they work', async () => {
  const { server, call, as } = await servedManagement()
  await call('PUT', '/users/boss', { password: 'b', tags: 'administrator' })
  const boss = as('boss:b')
  await boss('PUT', '/users/eye', { password: 'e', tags: 'monitoring' })
  await boss('PUT', '/users/maker', { password: 'm', tags: 'policymaker' })
  await connected(server.amqpUrl.replace('amqp://', 'amqp://boss:b@'))
  const [shown] = (await as('eye:e')('GET', '/connections')).body
  expect(shown.user).toBe('boss')
  expect((await as('maker:m')('GET', '/connections')).body).toEqual([])
  const path = `/connections/${encodeURIComponent(shown.name)}`
  expect((await as('eye:e')('DELETE', path)).status).toBe(401)
  expect((await as('maker:m')('DELETE', path)).status).toBe(404)
  const policy = { pattern: '.*', definition: { 'dead-letter-exchange': 'mine' } }
  expect((await as('eye:e')('PUT', '/policies/%2F/p', policy)).body.reason).toBe('Not policymaker user')
  expect((await as('maker:m')('PUT', '/policies/%2F/p', policy)).body.reason).toContain("no permissions in vhost '/'")
  await boss('PUT', '/permissions/%2F/maker', { configure: '', write: '', read: '^logs$' })
  expect((await as('maker:m')('PUT', '/policies/%2F/p', policy)).status).toBe(201)
})

it('takes a hash of RabbitMQ for a password, and keeps no hash of that kind', async () => {
  const { server, call, as } = await servedManagement()
  const salt = Buffer.from([1, 2, 3, 4])
  const hashOf = (algorithm: string) =>
    Buffer.concat([salt, createHash(algorithm).update(salt).update('geheim').digest()]).toString('base64')
  const put = (user: string, hash: string) => ({ password_hash: hash, tags: ['administrator'], user })
  await call('PUT', '/users/old', put('old', hashOf('sha256')))
  expect((await as('old:geheim')('GET', '/whoami')).body).toEqual({ name: 'old', tags: ['administrator'] })
  expect((await as('old:falsch')('GET', '/whoami')).status).toBe(401)
  await as('old:geheim')('PUT', '/users/older', put('older', hashOf('sha512')))
  expect((await as('older:geheim')('GET', '/whoami')).status).toBe(200)
  expect((await as('old:geheim')('PUT', '/users/oldest', put('oldest', hashOf('md5')))).status).toBe(400)
  const record = await server.port.read('spindle/user/old')
  const digest = createHash('sha256').update(salt).update('geheim').digest('base64')
  expect(Buffer.from(record?.value ?? []).toString()).not.toContain(digest)
  await expect(amqp.connect(server.amqpUrl.replace('amqp://', 'amqp://old:falsch@'))).rejects.toThrow()
})

it.each([
  ['', []],
  ['^$', []],
  ['.*', ['*']],
  ['^orders$', ['orders']],
  ['orders', ['*orders*']],
  ['^a\\.b.*', ['a.b*']],
  ['^(x-.+|y)$', ['x-*', 'y']],
  ['^x$|y', ['x', '*y*']],
])('keeps the permission %j as grants', (pattern, globs) => {
  expect(globsOf('read', pattern)).toEqual(globs)
})

it.each(['^[a-z]+$', 'a.b', 'ab?', '(a)(b)', 'a\\d', '((a))', 'a{2}', '\\*', 'a\\'])(
  'refuses the permission %j',
  (pattern) => {
    expect(() => globsOf('read', pattern)).toThrow(/cannot be kept exactly/)
  },
)
