import type { Channel, GetMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { until } from '../broker/started.ts'
import { connected, servedAmqp } from './serving.ts'

async function got(channel: Channel, queue: string): Promise<GetMessage> {
  let message: GetMessage | false = false
  await until(async () => {
    message = await channel.get(queue, { noAck: true })
    return message !== false
  })
  return message as unknown as GetMessage
}

describe('dead letters', () => {
  it('of a rejected message go to the exchange, with x-death', async () => {
    const { url } = await servedAmqp()
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    await channel.assertExchange('dlx', 'fanout')
    await channel.assertQueue('dead')
    await channel.bindQueue('dead', 'dlx', '')
    await channel.assertQueue('work', { deadLetterExchange: 'dlx', deadLetterRoutingKey: 'died' })
    await channel.assertExchange('in', 'direct')
    await channel.bindQueue('work', 'in', 'k')
    channel.publish('in', 'k', Buffer.from('bad'), { headers: { a: 1 }, messageId: 'm-1' })
    await channel.waitForConfirms()
    const message = (await channel.get('work')) as GetMessage
    channel.reject(message, false)
    const dead = await got(channel, 'dead')
    expect(dead.content.toString()).toBe('bad')
    expect(dead.fields).toMatchObject({ exchange: 'dlx', routingKey: 'died' })
    expect(dead.properties.messageId).toBe('m-1')
    const headers = dead.properties.headers as Record<string, unknown>
    expect(headers).toMatchObject({
      a: 1,
      'x-first-death-reason': 'rejected',
      'x-first-death-queue': 'work',
      'x-first-death-exchange': 'in',
      'x-death': [{ count: 1, reason: 'rejected', queue: 'work', exchange: 'in', 'routing-keys': ['k'] }],
    })
  })

  it('of an expired message go by the default exchange to the queue that the key names, without their expiration', async () => {
    const { url, clock } = await servedAmqp()
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('later')
    await channel.assertQueue('wait', { deadLetterExchange: '', deadLetterRoutingKey: 'later' })
    channel.sendToQueue('wait', Buffer.from('tick'), { expiration: '5000' })
    await channel.waitForConfirms()
    await clock.advance(4_999)
    expect(await channel.get('later')).toBe(false)
    await clock.advance(1)
    const dead = await got(channel, 'later')
    expect(dead.fields).toMatchObject({ exchange: '', routingKey: 'later' })
    expect(dead.properties.expiration).toBeUndefined()
    expect(dead.properties.headers?.['x-death']).toMatchObject([
      { reason: 'expired', queue: 'wait', exchange: '', 'routing-keys': ['wait'], 'original-expiration': '5000' },
    ])
  })

  it('keep their routing key where the queue names none', async () => {
    const { url } = await servedAmqp()
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    await channel.assertExchange('dlx', 'direct')
    await channel.assertQueue('dead')
    await channel.bindQueue('dead', 'dlx', 'work')
    await channel.assertQueue('work', { deadLetterExchange: 'dlx', maxLength: 1 })
    channel.sendToQueue('work', Buffer.from('old'))
    channel.sendToQueue('work', Buffer.from('new'))
    await channel.waitForConfirms()
    const dead = await got(channel, 'dead')
    expect(dead.content.toString()).toBe('old')
    expect(dead.properties.headers?.['x-death']).toMatchObject([{ reason: 'maxlen', queue: 'work' }])
  })

  it('come after x-delivery-limit redeliveries, each of which says its x-delivery-count', async () => {
    const { url } = await servedAmqp()
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('dead')
    await channel.assertQueue('work', {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-delivery-limit': 2,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': 'dead',
      },
    })
    channel.sendToQueue('work', Buffer.from('poison'))
    await channel.waitForConfirms()
    const counts: unknown[] = []
    for (let i = 0; i < 3; i++) {
      const message = (await channel.get('work')) as GetMessage
      counts.push([message.fields.redelivered, message.properties.headers?.['x-delivery-count']])
      channel.nack(message, false, true)
    }
    expect(counts).toEqual([
      [false, undefined],
      [true, 1],
      [true, 2],
    ])
    const dead = await got(channel, 'dead')
    expect(dead.properties.headers?.['x-death']).toMatchObject([{ reason: 'delivery_limit', queue: 'work', count: 1 }])
  })
})
