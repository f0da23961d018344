import type { ConsumeMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { connected, servedAmqp } from './serving.ts'

describe('amqplib', () => {
  it('declares a queue, publishes with confirm, consumes and acks', async () => {
    const { url, broker } = await servedAmqp()
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    expect(await channel.assertQueue('orders')).toEqual({ queue: 'orders', messageCount: 0, consumerCount: 0 })
    channel.sendToQueue('orders', Buffer.from('one'), { contentType: 'text/plain', headers: { a: 1 }, type: 'order' })
    channel.sendToQueue('orders', Buffer.from('two'))
    await channel.waitForConfirms()
    expect(await channel.checkQueue('orders')).toMatchObject({ messageCount: 2 })
    const got: ConsumeMessage[] = []
    const both = new Promise<void>((resolve) => {
      void channel.consume('orders', (message) => {
        if (message === null) return
        got.push(message)
        channel.ack(message)
        if (got.length === 2) resolve()
      })
    })
    await both
    expect(got.map(({ content }) => content.toString())).toEqual(['one', 'two'])
    expect(got[0]?.properties).toMatchObject({ contentType: 'text/plain', headers: { a: 1 }, type: 'order' })
    expect(got[0]?.fields).toMatchObject({ exchange: '', routingKey: 'orders', redelivered: false, deliveryTag: 1 })
    await channel.close()
    expect(await broker.measure(['orders'])).toMatchObject([{ ready: 0, leased: 0 }])
  })
})
