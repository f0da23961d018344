import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs'
import type { GetMessage } from 'amqplib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { StoredUsers } from '../../src/broker/users.ts'
import { listenAmqp } from '../../src/frontends/amqp/listen.ts'
import { awsFrontend } from '../../src/frontends/aws/aws-frontend.ts'
import { openSqs } from '../../src/frontends/sqs/sqs-service.ts'
import { decodeHead, encodeContent } from '../../src/model/content.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { storedBroker, until } from '../broker/started.ts'
import { sqsClient } from '../sqs/serving.ts'
import { connected, refused, servedAmqp } from './serving.ts'

describe('a message', () => {
  it('sent by AMQP is received by SQS, and the other way round, with its attributes', async () => {
    const { url, broker, clock } = await servedAmqp()
    const random = seededRandom(3)
    const sqs = await openSqs({ port: broker, clock, random })
    const server = createServer(awsFrontend({ services: [sqs], clock, random, log: silentLog }))
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    onTestFinished(async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    })
    const client = sqsClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('shared')
    channel.sendToQueue('shared', Buffer.from('{"n":1}'), {
      contentType: 'application/json',
      headers: { tenant: 'a', level: 3 },
    })
    await channel.waitForConfirms()
    const QueueUrl = 'shared'
    const received = await client.send(
      new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['All'], VisibilityTimeout: 0 }),
    )
    expect(received.Messages?.[0]?.Body).toBe('{"n":1}')
    expect(received.Messages?.[0]?.MessageAttributes).toMatchObject({
      tenant: { DataType: 'String', StringValue: 'a' },
      level: { DataType: 'Number', StringValue: '3' },
    })
    await channel.purgeQueue('shared')
    await client.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: 'hello',
        MessageAttributes: { tenant: { DataType: 'String', StringValue: 'b' } },
      }),
    )
    const got = (await channel.get('shared', { noAck: true })) as GetMessage
    expect(got.content.toString()).toBe('hello')
    expect(got.properties).toMatchObject({ contentType: 'text/plain', deliveryMode: 2, headers: { tenant: 'b' } })
    expect(got.fields).toMatchObject({ exchange: '', routingKey: 'shared' })
  })

  it('sent by the embedded API keeps its type and headers', async () => {
    const { url, broker } = await servedAmqp()
    await broker.declareQueue('jobs', {})
    const content = encodeContent({ a: 1 }, { type: 'job.run', headers: { half: 0.5, yes: true, big: 2 ** 40 } })
    await broker.append('jobs', [{ content, priority: 4 }])
    const { connection } = await connected(url)
    const channel = await connection.createChannel()
    const got = (await channel.get('jobs', { noAck: true })) as GetMessage
    expect(JSON.parse(got.content.toString())).toEqual({ a: 1 })
    expect(got.properties).toMatchObject({
      contentType: 'application/json',
      type: 'job.run',
      priority: 4,
      headers: { half: 0.5, yes: true, big: 2 ** 40 },
    })
  })

  it('sent by AMQP has type and headers for the embedded API', async () => {
    const { url, broker } = await servedAmqp()
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('jobs')
    channel.sendToQueue('jobs', Buffer.from('x'), { type: 'job.run', contentType: 'text/plain', headers: { a: 1 } })
    await channel.waitForConfirms()
    const [delivery] = await broker.receive({ queue: 'jobs', max: 1 })
    expect(decodeHead(delivery?.content.head ?? new Uint8Array(0))).toMatchObject({
      kind: 'text',
      type: 'job.run',
      headers: { a: 1 },
    })
  })
})

describe('a queue that orders by group', () => {
  it('takes nothing from AMQP: a confirm is a nack, and without confirms the channel is closed', async () => {
    const { url, broker } = await servedAmqp()
    await broker.declareQueue('grouped', { groups: { kind: 'ordered' } })
    const { connection } = await connected(url)
    const confirming = await connection.createConfirmChannel()
    confirming.sendToQueue('grouped', Buffer.from('x'))
    await expect(confirming.waitForConfirms()).rejects.toThrow(/nacked/)
    const channel = await connection.createChannel()
    const error = new Promise<Error>((resolve) => channel.once('error', resolve))
    channel.sendToQueue('grouped', Buffer.from('x'))
    expect((await error).message).toMatch(/406.*without a group/)
  })
})

describe('what another protocol deletes', () => {
  it('is missed by who publishes to it, and its consumers are told in time', async () => {
    const { url, broker, clock } = await servedAmqp()
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    await channel.assertExchange('e', 'fanout')
    await channel.assertQueue('q')
    channel.publish('e', '', Buffer.from('x'))
    await channel.waitForConfirms()
    const cancelled = new Promise<unknown>((resolve) => {
      void connection.createChannel().then((other) => other.consume('q', resolve))
    })
    await until(async () => (await channel.checkQueue('q')).consumerCount === 1)
    await broker.deleteQueue('q')
    await clock.advance(20_000)
    expect(await cancelled).toBeNull()
    await broker.deleteExchange('e')
    const error = new Promise<Error>((resolve) => channel.once('error', resolve))
    channel.publish('e', '', Buffer.from('x'))
    expect((await error).message).toMatch(/404.*NOT_FOUND - no exchange 'e' in vhost '\/'/)
  })
})

describe('virtual hosts', () => {
  it('have names of their own', async () => {
    const { url, broker } = await servedAmqp()
    await broker.transact([{ kind: 'record', key: 'spindle/amqp/vhost/shop', value: new Uint8Array(1) }])
    const { connection } = await connected(`${url}/shop`)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('orders')
    await channel.assertExchange('events', 'fanout')
    await channel.bindQueue('orders', 'events', '')
    channel.publish('events', '', Buffer.from('x'))
    await channel.waitForConfirms()
    expect(await broker.measure(['vhost:shop/orders', 'orders'])).toMatchObject([
      { queue: 'vhost:shop/orders', ready: 1 },
    ])
    expect(await refused(channel, channel.checkQueue('elsewhere'))).toMatch(/no queue 'elsewhere' in vhost 'shop'/)
  })
})

describe('permissions', () => {
  it('are asked for each verb, by the name in the store', async () => {
    const { port, users, url } = await servedAmqp()
    const admin = await connected(url)
    const setUp = await admin.connection.createChannel()
    for (const queue of ['mine', 'theirs']) await setUp.assertQueue(queue)
    await users.put('ann', {
      password: 'pw',
      grants: [{ verbs: ['read', 'write'], resources: ['mine', 'amq.*'] }],
    })
    const { connection } = await connected(`amqp://ann:pw@127.0.0.1:${port}`)
    const channel = await connection.createConfirmChannel()
    channel.sendToQueue('mine', Buffer.from('x'))
    await channel.waitForConfirms()
    expect(await channel.get('mine')).not.toBe(false)
    for (const ask of [
      () => connection.createChannel().then((c) => refused(c, c.get('theirs'))),
      () => connection.createChannel().then((c) => refused(c, c.assertQueue('new'))),
      () => connection.createChannel().then((c) => refused(c, c.deleteQueue('mine'))),
      () => connection.createChannel().then((c) => refused(c, c.bindQueue('mine', 'theirs', ''))),
    ]) {
      expect(await ask()).toMatch(
        /403.*ACCESS_REFUSED - access to (queue|exchange) '\w+' in vhost '\/' refused for user 'ann'/,
      )
    }
    const other = await connection.createChannel()
    const error = new Promise<Error>((resolve) => other.once('error', resolve))
    other.sendToQueue('theirs', Buffer.from('x'))
    expect((await error).message).toMatch(/403.*refused for user 'ann'/)
    const forger = await connection.createChannel()
    const forged = new Promise<Error>((resolve) => forger.once('error', resolve))
    forger.sendToQueue('mine', Buffer.from('x'), { userId: 'bob' })
    expect((await forged).message).toMatch(/406.*user_id property set to 'bob' but authenticated user was 'ann'/)
  })
})

describe('a restart', () => {
  it('keeps what is durable, and drops the rest', async () => {
    const stored = await storedBroker()
    const { clock } = stored
    const random = seededRandom(5)
    const serve = async () => {
      const port = stored.broker
      const users = await StoredUsers.open({ port, clock, random, log: silentLog })
      // The process before was killed, though this test goes on.
      const processes = { self: async () => 'this', isAlive: async () => false }
      const parts = { port, users, clock, random, log: silentLog, limits: defaultLimits, processes }
      const listener = await listenAmqp({ ...parts, host: '127.0.0.1', listenPort: 0 })
      return { listener, users, url: `amqp://guest:guest@127.0.0.1:${listener.address.port}` }
    }
    const first = await serve()
    const before = await connected(first.url)
    const channel = await before.connection.createConfirmChannel()
    await channel.assertQueue('durable')
    await channel.assertQueue('transient', { durable: false })
    await channel.assertQueue('own', { exclusive: true })
    await channel.assertExchange('passing', 'fanout', { durable: false })
    // Deleted and made anew by another protocol: it is not AMQP's transient queue any more.
    await channel.assertQueue('reborn', { durable: false })
    await stored.broker.deleteQueue('reborn')
    await stored.broker.declareQueue('reborn', {})
    await channel.assertQueue('reborn', { durable: true })
    await channel.assertExchange('staying', 'topic', { internal: true })
    for (const queue of ['durable', 'transient']) channel.sendToQueue(queue, Buffer.from('x'), { headers: { a: 1 } })
    await channel.waitForConfirms()
    await stored.crash()
    const second = await serve()
    onTestFinished(async () => {
      for (const { listener, users } of [first, second]) {
        const closed = listener.close({ drainMs: 10 }).catch(() => {})
        await clock.advance(10)
        await closed
        users.close()
      }
    })
    const after = await connected(second.url)
    const again = await after.connection.createChannel()
    expect(await again.assertQueue('durable')).toMatchObject({ messageCount: 1 })
    expect(((await again.get('durable')) as GetMessage).properties.headers).toEqual({ a: 1 })
    await again.assertQueue('reborn', { durable: true })
    await again.assertExchange('staying', 'topic', { internal: true })
    for (const ask of [
      () => after.connection.createChannel().then((c) => refused(c, c.checkQueue('transient'))),
      () => after.connection.createChannel().then((c) => refused(c, c.checkQueue('own'))),
      () => after.connection.createChannel().then((c) => refused(c, c.checkExchange('passing'))),
    ]) {
      expect(await ask()).toMatch(/404/)
    }
  })
})

describe('the registry', () => {
  it('lists connections with their channels and consumers, and closes one', async () => {
    const { url, listener } = await servedAmqp()
    const { connection } = await connected(url)
    const closed = new Promise<unknown>((resolve) => connection.once('close', resolve))
    const channel = await connection.createConfirmChannel()
    await channel.prefetch(5)
    await channel.assertQueue('q')
    await channel.consume('q', () => {}, { consumerTag: 'me', priority: 3 })
    const [view] = listener.registry.connections()
    expect(view).toMatchObject({
      user: 'guest',
      vhost: '/',
      state: 'running',
      authMechanism: 'PLAIN',
      channels: [
        {
          number: 1,
          mode: 'confirm',
          prefetch: 5,
          consumers: [{ tag: 'me', queue: 'q', priority: 3, noAck: false, active: true }],
        },
      ],
    })
    expect(listener.registry.close(view?.name ?? '', 'Closed via management plugin')).toBe(true)
    expect(String(await closed)).toMatch(/320.*CONNECTION_FORCED - Closed via management plugin/)
    await until(() => listener.registry.size === 0)
  })
})
