import { AMQPClient } from '@cloudamqp/amqp-client'
import { Connection } from 'rabbitmq-client'
import { BrokerAsPromised } from 'rascal'
import { describe, expect, it, onTestFinished } from 'vitest'
import { until } from '../broker/started.ts'
import { servedAmqp } from './serving.ts'

describe('rabbitmq-client', () => {
  it('publishes with confirm, consumes, retries and answers requests', async () => {
    const { url } = await servedAmqp()
    const connection = new Connection(url)
    onTestFinished(() => connection.close())
    await connection.queueDeclare({ queue: 'orders', durable: true })
    const got: unknown[] = []
    const consumer = connection.createConsumer(
      { queue: 'orders', queueOptions: { durable: true }, qos: { prefetchCount: 2 } },
      async (message) => {
        got.push([message.body, message.redelivered])
        // It requeues what its handler throws for.
        if (!message.redelivered) throw new Error('again')
      },
    )
    consumer.on('error', () => {})
    onTestFinished(() => consumer.close())
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 1 })
    onTestFinished(() => publisher.close())
    await publisher.send('orders', { id: 7 })
    await until(() => got.length === 2)
    expect(got).toEqual([
      [{ id: 7 }, false],
      [{ id: 7 }, true],
    ])
    const rpcServer = connection.createConsumer({ queue: 'rpc' }, async (request, reply) => {
      await reply(`${request.body}!`)
    })
    onTestFinished(() => rpcServer.close())
    await new Promise((ready) => rpcServer.once('ready', ready))
    const rpc = connection.createRPCClient({ confirm: true })
    onTestFinished(() => rpc.close())
    expect((await rpc.send('rpc', 'ping')).body).toBe('ping!')
  })

  it('hears of a mandatory message that nobody takes', async () => {
    const { url } = await servedAmqp()
    const connection = new Connection(url)
    onTestFinished(() => connection.close())
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 1 })
    onTestFinished(() => publisher.close())
    const returned = new Promise((resolve) => publisher.once('basic.return', resolve))
    await publisher.send({ routingKey: 'nowhere', mandatory: true }, 'x').catch(() => {})
    expect(await returned).toMatchObject({ routingKey: 'nowhere', replyCode: 312 })
  })
})

describe('@cloudamqp/amqp-client', () => {
  it('declares, binds, publishes with confirm, gets, consumes and cancels', async () => {
    const { url } = await servedAmqp()
    const connection = await new AMQPClient(url).connect()
    onTestFinished(() => connection.close())
    const channel = await connection.channel()
    await channel.confirmSelect()
    await channel.exchangeDeclare('events', 'topic')
    await channel.queueDeclare('mail', { durable: true })
    await channel.queueBind('mail', 'events', 'user.*')
    await channel.basicPublish('events', 'user.created', 'hello', { deliveryMode: 2, headers: { n: 1 } })
    const message = await channel.basicGet('mail', { noAck: false })
    expect(message?.bodyString()).toBe('hello')
    expect(message?.properties.headers).toEqual({ n: 1 })
    await message?.nack(true)
    const bodies: (string | null)[] = []
    const consumer = await channel.basicConsume('mail', { noAck: false }, async (delivered) => {
      bodies.push(delivered.bodyString())
      await delivered.ack()
    })
    await until(() => bodies.length === 1)
    await consumer.cancel()
    expect(await channel.queueDelete('mail')).toMatchObject({ messageCount: 0 })
    await expect(channel.basicPublish('gone', '', 'x')).rejects.toThrow(/404|NOT_FOUND|no exchange/)
  })
})

describe('rascal', () => {
  it('asserts its topology, publishes, subscribes and dead-letters', async () => {
    const { port } = await servedAmqp()
    const broker = await BrokerAsPromised.create({
      vhosts: {
        '/': {
          // The management API is not asked: the virtual host is there.
          assert: false,
          connection: { protocol: 'amqp', hostname: '127.0.0.1', port, user: 'guest', password: 'guest' },
          exchanges: { shop: { type: 'topic' }, dead: { type: 'direct' } },
          queues: {
            orders: {
              options: { arguments: { 'x-dead-letter-exchange': 'dead', 'x-dead-letter-routing-key': 'orders' } },
            },
            'orders.dead': {},
          },
          bindings: {
            orders: { source: 'shop', destination: 'orders', bindingKey: 'order.#' },
            dead: { source: 'dead', destination: 'orders.dead', bindingKey: 'orders' },
          },
          publications: { order: { exchange: 'shop', routingKey: 'order.placed', confirm: true } },
          subscriptions: { orders: { queue: 'orders', prefetch: 3 }, dead: { queue: 'orders.dead' } },
        },
      },
    })
    onTestFinished(() => broker.shutdown())
    broker.on('error', () => {})
    const seen: unknown[] = []
    const orders = await broker.subscribe('orders')
    orders.on('message', (_message, content, ackOrNack) => {
      seen.push(content)
      if ((content as { bad?: boolean }).bad === true) ackOrNack(new Error('no'), { strategy: 'nack' })
      else ackOrNack()
    })
    const dead: unknown[] = []
    const deadLetters = await broker.subscribe('dead')
    deadLetters.on('message', (message, content, ackOrNack) => {
      dead.push([content, message.properties.headers?.['x-death']?.[0]?.reason])
      ackOrNack()
    })
    for (const content of [{ id: 1 }, { id: 2, bad: true }]) {
      const publication = await broker.publish('order', content)
      await new Promise((resolve) => publication.once('success', resolve))
    }
    await until(() => seen.length === 2 && dead.length === 1)
    expect(seen).toEqual([{ id: 1 }, { id: 2, bad: true }])
    expect(dead).toEqual([[{ id: 2, bad: true }, 'rejected']])
  })
})
