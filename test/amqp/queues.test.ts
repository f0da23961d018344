import type { Channel, ConsumeMessage, GetMessage } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { until } from '../broker/started.ts'
import { connected, refused, servedAmqp } from './serving.ts'
import { WireClient } from './wire-client.ts'

async function opened() {
  const served = await servedAmqp()
  const { connection, faults } = await connected(served.url)
  const channel = await connection.createConfirmChannel()
  const send = async (queue: string, ...bodies: string[]): Promise<void> => {
    for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body))
    await channel.waitForConfirms()
  }
  return { ...served, connection, faults, channel, send }
}

describe('queues', () => {
  it('get a name from the server, which an empty name then means', async () => {
    const { channel } = await opened()
    const { queue } = await channel.assertQueue('', { exclusive: true })
    expect(queue).toMatch(/^amq\.gen-/)
    await channel.bindQueue('', 'amq.fanout', '')
    expect(await channel.purgeQueue('')).toEqual({ messageCount: 0 })
  })

  it('are purged and deleted with the count of their messages', async () => {
    const { channel, send } = await opened()
    await channel.assertQueue('q')
    await send('q', 'a', 'b', 'c')
    expect(await channel.purgeQueue('q')).toEqual({ messageCount: 3 })
    await send('q', 'd')
    expect(await channel.deleteQueue('q')).toEqual({ messageCount: 1 })
    expect(await channel.deleteQueue('q')).toEqual({ messageCount: 0 })
  })

  it('that are exclusive are closed to other connections, and go with their own', async () => {
    const { url, connection, channel } = await opened()
    const other = await connected(url)
    const theirs = await other.connection.createChannel()
    await theirs.assertQueue('mine', { exclusive: true })
    expect(await refused(channel, channel.checkQueue('mine'))).toMatch(
      /405.*RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '\/'\. It could be/,
    )
    await other.connection.close()
    const again = await connection.createChannel()
    expect(await refused(again, again.checkQueue('mine'))).toMatch(/404/)
  })

  it('that are auto-delete go with their last consumer', async () => {
    const { channel, connection, broker } = await opened()
    await channel.assertQueue('passing', { autoDelete: true })
    const one = await channel.consume('passing', () => {})
    const two = await channel.consume('passing', () => {})
    await channel.cancel(one.consumerTag)
    expect(await channel.checkQueue('passing')).toMatchObject({ consumerCount: 1 })
    await channel.cancel(two.consumerTag)
    await until(async () => (await broker.measure(['passing'])).length === 0)
    const other = await connection.createChannel()
    expect(await refused(other, other.checkQueue('passing'))).toMatch(
      /404.*NOT_FOUND - no queue 'passing' in vhost '\/'/,
    )
  })

  it('expire when nobody uses them, and not while somebody consumes them', async () => {
    const { channel, clock, broker } = await opened()
    await channel.assertQueue('idle', { expires: 30_000 })
    const { consumerTag } = await channel.consume('idle', () => {})
    for (let i = 0; i < 10; i++) await clock.advance(9_000)
    expect(await broker.measure(['idle'])).toHaveLength(1)
    await channel.cancel(consumerTag)
    await clock.advance(31_000)
    expect(await broker.measure(['idle'])).toHaveLength(0)
  })

  it('tell their consumers when they are deleted', async () => {
    const { channel, connection } = await opened()
    await channel.assertQueue('q')
    const cancelled = new Promise<ConsumeMessage | null>((resolve) => {
      void connection.createChannel().then((other) => other.consume('q', resolve))
    })
    await until(async () => (await channel.checkQueue('q')).consumerCount === 1)
    await channel.deleteQueue('q')
    expect(await cancelled).toBeNull()
  })

  it('refuse what does not fit when full: the newest is nacked, or the oldest goes', async () => {
    const { channel, send } = await opened()
    await channel.assertQueue('drop', { maxLength: 2 })
    await send('drop', 'a', 'b', 'c')
    expect(((await channel.get('drop', { noAck: true })) as GetMessage).content.toString()).toBe('b')
    await channel.assertQueue('reject', { maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } })
    const outcomes: string[] = []
    for (const body of ['a', 'b', 'c']) {
      channel.sendToQueue('reject', Buffer.from(body), {}, (error) => outcomes.push(error === null ? 'ack' : 'nack'))
    }
    await channel.waitForConfirms().catch(() => {})
    expect(outcomes.sort()).toEqual(['ack', 'nack', 'nack'])
    expect(await channel.checkQueue('reject')).toMatchObject({ messageCount: 1 })
  })

  it.each([
    ['serve higher priorities first, up to the highest they know', { maxPriority: 8 }, ['9', '200', '5', '1']],
    ['do not know priorities unless they were declared with them', {}, ['1', '9', '5', '200']],
  ] as const)('%s', async (_, options, served) => {
    const { channel } = await opened()
    await channel.assertQueue('p', options)
    for (const priority of [1, 9, 5, 200]) channel.sendToQueue('p', Buffer.from(`${priority}`), { priority })
    await channel.waitForConfirms()
    const order: string[] = []
    for (let i = 0; i < 4; i++) {
      const message = (await channel.get('p', { noAck: true })) as GetMessage
      // What a client said is what its consumers hear, whatever it came to.
      expect(message.properties.priority).toBe(Number(message.content))
      order.push(message.content.toString())
    }
    expect(order).toEqual(served)
  })

  it('keep a message for the smaller of their time and its own', async () => {
    const { channel, clock, broker } = await opened()
    await channel.assertQueue('t', { messageTtl: 5_000 })
    channel.sendToQueue('t', Buffer.from('longer'), { expiration: '60000' })
    channel.sendToQueue('t', Buffer.from('shorter'), { expiration: '2000' })
    await channel.waitForConfirms()
    const ready = async () => (await broker.measure(['t']))[0]?.ready
    await clock.advance(2_000)
    expect(await ready()).toBe(1)
    await clock.advance(2_999)
    expect(await ready()).toBe(1)
    await clock.advance(1)
    expect(await ready()).toBe(0)
  })

  it.each([
    [
      'another durability',
      (c: Channel) => c.assertQueue('q', { durable: false }),
      /406.*PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '\/': received 'false' but current is 'true'/,
    ],
    [
      'auto-delete',
      (c: Channel) => c.assertQueue('q', { autoDelete: true }),
      /406.*inequivalent arg 'auto_delete' for queue 'q' in vhost '\/': received 'true' but current is 'false'/,
    ],
    [
      'another argument',
      (c: Channel) => c.assertQueue('q', { messageTtl: 5 }),
      /406.*inequivalent arg 'x-message-ttl' for queue 'q' in vhost '\/': received the value '5' of type 'byte' but current is none/,
    ],
    [
      'a negative length',
      (c: Channel) => c.assertQueue('n', { maxLength: -1 }),
      /406.*invalid arg 'x-max-length' for queue 'n' in vhost '\/': \{value_negative,-1\}/,
    ],
    [
      'a text for a number',
      (c: Channel) => c.assertQueue('n', { arguments: { 'x-message-ttl': 'x' } }),
      /406.*\{unacceptable_type,longstr\}/,
    ],
    [
      'a stream',
      (c: Channel) => c.assertQueue('n', { arguments: { 'x-queue-type': 'stream' } }),
      /406.*'stream' is not supported/,
    ],
    [
      'a dead-letter key without exchange',
      (c: Channel) => c.assertQueue('n', { deadLetterRoutingKey: 'k' }),
      /406.*routing_key_but_no_dlx_defined/,
    ],
    ['a reserved name', (c: Channel) => c.assertQueue('amq.q'), /403.*queue name 'amq.q' contains reserved prefix/],
    [
      'to be deleted while not empty',
      (c: Channel) => c.deleteQueue('q', { ifEmpty: true }),
      /406.*queue 'q' in vhost '\/' not empty/,
    ],
    [
      'to be deleted while consumed',
      (c: Channel) => c.deleteQueue('used', { ifUnused: true }),
      /406.*queue 'used' in vhost '\/' in use/,
    ],
  ] as const)('refuse %s', async (_, ask, message) => {
    const { channel, connection, send } = await opened()
    await channel.assertQueue('q')
    await channel.assertQueue('used')
    await channel.consume('used', () => {})
    await send('q', 'still here')
    const other = await connection.createChannel()
    expect(await refused(other, ask(other))).toMatch(message)
    expect(await channel.checkQueue('q')).toMatchObject({ messageCount: 1 })
  })

  it('that another protocol made are declared again as plain durable ones, their policy untouched', async () => {
    const { broker, channel } = await opened()
    await broker.declareQueue('theirs', { attemptsMax: 3 })
    await channel.assertQueue('theirs')
    expect((await broker.measure(['theirs']))[0]?.policy.attemptsMax).toBe(3)
  })
})

describe('consumers', () => {
  /** Collects, in order of arrival, who got what. */
  function collector() {
    const got: { who: string; message: ConsumeMessage }[] = []
    const take =
      (who: string) =>
      (message: ConsumeMessage | null): void => {
        if (message !== null) got.push({ who, message })
      }
    const bodies = (who?: string): string[] =>
      got.filter((one) => who === undefined || one.who === who).map(({ message }) => message.content.toString())
    return { got, take, bodies }
  }

  it('get no more than their prefetch', async () => {
    const { channel, send } = await opened()
    const { got, take } = collector()
    await channel.assertQueue('q')
    await send('q', ...Array.from({ length: 10 }, (_, i) => `${i}`))
    await channel.prefetch(3)
    await channel.consume('q', take('a'))
    await until(() => got.length === 3)
    channel.ack(got[0]?.message as ConsumeMessage)
    await until(() => got.length === 4)
    channel.ack(got[3]?.message as ConsumeMessage, true)
    await until(() => got.length === 7)
    expect(await channel.checkQueue('q')).toMatchObject({ messageCount: 3 })
  })

  it('share a global prefetch', async () => {
    const { connection, send } = await opened()
    const { got, take } = collector()
    const channel = await connection.createChannel()
    await channel.assertQueue('q')
    await channel.prefetch(4, true)
    await channel.consume('q', take('a'))
    await channel.consume('q', take('b'))
    await send('q', ...Array.from({ length: 10 }, (_, i) => `${i}`))
    await until(() => got.length === 4)
    expect(await channel.checkQueue('q')).toMatchObject({ messageCount: 6 })
    channel.ackAll()
    await until(() => got.length === 8)
  })

  it('of one queue take turns', async () => {
    const { channel, send } = await opened()
    const { got, take, bodies } = collector()
    await channel.assertQueue('q')
    for (const who of ['a', 'b', 'c']) await channel.consume('q', take(who), { noAck: true })
    await send('q', ...Array.from({ length: 9 }, (_, i) => `${i}`))
    await until(() => got.length === 9)
    for (const who of ['a', 'b', 'c']) expect(bodies(who)).toHaveLength(3)
  })

  it('with a higher priority are served first while they have room', async () => {
    const { connection, send } = await opened()
    const { got, take, bodies } = collector()
    const channel = await connection.createChannel()
    await channel.assertQueue('q')
    await channel.prefetch(2)
    await channel.consume('q', take('low'), { priority: 1 })
    await channel.consume('q', take('high'), { priority: 10 })
    await send('q', 'a', 'b', 'c')
    await until(() => got.length === 3)
    expect(bodies('high')).toEqual(['a', 'b'])
    expect(bodies('low')).toEqual(['c'])
  })

  it('of a queue with a single active one wait until that one leaves', async () => {
    const { channel, send } = await opened()
    const { got, take, bodies } = collector()
    await channel.assertQueue('q', { arguments: { 'x-single-active-consumer': true } })
    const first = await channel.consume('q', take('first'), { noAck: true })
    await channel.consume('q', take('second'), { noAck: true })
    await send('q', 'a', 'b')
    await until(() => got.length === 2)
    await channel.cancel(first.consumerTag)
    await send('q', 'c')
    await until(() => got.length === 3)
    expect(bodies('first')).toEqual(['a', 'b'])
    expect(bodies('second')).toEqual(['c'])
  })

  it('leave what they did not answer in its place, marked as redelivered', async () => {
    const { connection, send, channel } = await opened()
    const { got, take } = collector()
    const other = await connection.createChannel()
    await other.assertQueue('q')
    await send('q', 'a', 'b', 'c')
    await other.consume('q', take('x'))
    await until(() => got.length === 3)
    other.ack(got[1]?.message as ConsumeMessage)
    await other.close()
    const first = (await channel.get('q', { noAck: true })) as GetMessage
    const second = (await channel.get('q', { noAck: true })) as GetMessage
    expect([first, second].map(({ content, fields }) => [content.toString(), fields.redelivered])).toEqual([
      ['a', true],
      ['c', true],
    ])
  })

  it('whose connection breaks leave what they did not answer to others, in its place and marked as redelivered', async () => {
    const { channel, send, port } = await opened()
    await channel.assertQueue('q')
    await send('q', 'a', 'b', 'c')
    const broken = await new WireClient(port).open()
    broken.send(1, 'basic.consume', {
      ticket: 0,
      queue: 'q',
      consumerTag: 't',
      noLocal: false,
      noAck: false,
      exclusive: false,
      noWait: true,
      arguments: new Map(),
    })
    for (let i = 0; i < 3; i++) await broken.hear('basic.deliver')
    broken.send(1, 'basic.ack', { deliveryTag: 2, multiple: false })
    await until(async () => (await channel.checkQueue('q')).consumerCount === 1)
    broken.destroy()
    const { got, take, bodies } = collector()
    await channel.consume('q', take('other'))
    await until(() => got.length === 2)
    expect(bodies()).toEqual(['a', 'c'])
    expect(got.map(({ message }) => message.fields.redelivered)).toEqual([true, true])
    expect(await channel.checkQueue('q')).toMatchObject({ messageCount: 0, consumerCount: 1 })
  })

  it('put back what they nack with requeue, and recover everything', async () => {
    const { channel, send } = await opened()
    const { got, take, bodies } = collector()
    await channel.assertQueue('q')
    await send('q', 'a', 'b')
    await channel.consume('q', take('x'))
    await until(() => got.length === 2)
    channel.nack(got[0]?.message as ConsumeMessage, false, true)
    await until(() => got.length === 3)
    await channel.recover()
    await until(() => got.length === 5)
    expect(bodies().slice(2)).toEqual(['a', 'a', 'b'])
    channel.nackAll(false)
    await until(async () => (await channel.checkQueue('q')).messageCount === 0)
  })

  it.each([
    [
      'a second answer',
      (c: Channel, m: GetMessage) => {
        c.ack(m)
        c.ack(m)
        return c.checkQueue('q')
      },
      /406.*PRECONDITION_FAILED - unknown delivery tag 1/,
    ],
    ['a consumer of a missing queue', (c: Channel) => c.consume('nope', () => {}), /404.*no queue 'nope'/],
    [
      'a second one beside an exclusive one',
      (c: Channel) => c.consume('taken', () => {}),
      /403.*queue 'taken' in vhost '\/' in exclusive use/,
    ],
    [
      'a consumer of replies that acks',
      (c: Channel) => c.consume('amq.rabbitmq.reply-to', () => {}),
      /406.*reply consumer cannot acknowledge/,
    ],
  ] as const)('are refused %s', async (_, ask, message) => {
    const { connection, channel, send } = await opened()
    await channel.assertQueue('q')
    await channel.assertQueue('taken')
    await channel.consume('taken', () => {}, { exclusive: true })
    await send('q', 'a')
    const other = await connection.createChannel()
    const got = (await other.get('q')) as GetMessage
    expect(await refused(other, ask(other, got))).toMatch(message)
  })

  it('answer requests by direct reply-to', async () => {
    const { connection, channel } = await opened()
    await channel.assertQueue('rpc')
    await channel.consume('rpc', (request) => {
      if (request === null) return
      const { replyTo, correlationId } = request.properties
      channel.sendToQueue(replyTo, Buffer.from(`${request.content}!`), { correlationId })
      channel.ack(request)
    })
    const client = await connection.createChannel()
    const reply = new Promise<ConsumeMessage | null>((resolve) => {
      void client.consume('amq.rabbitmq.reply-to', resolve, { noAck: true }).then(() => {
        client.sendToQueue('rpc', Buffer.from('ping'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: 'c-1' })
      })
    })
    const answer = await reply
    expect(answer?.content.toString()).toBe('ping!')
    expect(answer?.properties.correlationId).toBe('c-1')
  })
})

describe('transactions', () => {
  type TxChannel = Channel & { rpc(method: number, fields: object, expect: number): Promise<unknown> }
  const TX = {
    select: [5_898_250, 5_898_251],
    commit: [5_898_260, 5_898_261],
    rollback: [5_898_270, 5_898_271],
  } as const

  function ask(channel: Channel, what: keyof typeof TX): Promise<unknown> {
    const [method, answer] = TX[what]
    return (channel as TxChannel).rpc(method, {}, answer)
  }

  it('publish and ack with the commit, or not at all', async () => {
    const { connection, channel, send } = await opened()
    await channel.assertQueue('in')
    await channel.assertQueue('out')
    await send('in', 'job')
    const tx = await connection.createChannel()
    await ask(tx, 'select')
    const job = (await tx.get('in')) as GetMessage
    tx.sendToQueue('out', Buffer.from('result'))
    tx.ack(job)
    expect(await channel.checkQueue('out')).toMatchObject({ messageCount: 0 })
    await ask(tx, 'rollback')
    tx.sendToQueue('out', Buffer.from('result'))
    tx.ack(job)
    await ask(tx, 'commit')
    expect(await channel.checkQueue('out')).toMatchObject({ messageCount: 1 })
    await tx.close()
    expect(await channel.checkQueue('in')).toMatchObject({ messageCount: 0 })
  })

  it('give back what was acked and not committed when the channel closes', async () => {
    const { connection, channel, send } = await opened()
    await channel.assertQueue('in')
    await send('in', 'job')
    const tx = await connection.createChannel()
    await ask(tx, 'select')
    tx.ack((await tx.get('in')) as GetMessage)
    await tx.close()
    expect(await channel.checkQueue('in')).toMatchObject({ messageCount: 1 })
  })

  it('do not mix with confirms', async () => {
    const { channel } = await opened()
    expect(await refused(channel, ask(channel, 'select'))).toMatch(/406.*cannot switch from confirm to tx mode/)
  })
})
