import type { Channel, ConfirmChannel } from 'amqplib'
import { describe, expect, it } from 'vitest'
import { connected, refused, servedAmqp } from './serving.ts'

async function drain(channel: Channel, queue: string): Promise<string[]> {
  const bodies: string[] = []
  for (;;) {
    const message = await channel.get(queue, { noAck: true })
    if (message === false) return bodies
    bodies.push(message.content.toString())
  }
}

async function publish(
  channel: ConfirmChannel,
  exchange: string,
  key: string,
  body = key,
  options = {},
): Promise<void> {
  channel.publish(exchange, key, Buffer.from(body), options)
  await channel.waitForConfirms()
}

async function opened() {
  const served = await servedAmqp()
  const { connection, faults } = await connected(served.url)
  const channel = await connection.createConfirmChannel()
  return { ...served, connection, faults, channel }
}

describe('exchanges', () => {
  it('route by key, by pattern, to everybody, and by headers', async () => {
    const { channel } = await opened()
    await channel.assertExchange('d', 'direct')
    await channel.assertExchange('t', 'topic')
    await channel.assertExchange('f', 'fanout')
    await channel.assertExchange('h', 'headers')
    for (const queue of ['a', 'b']) await channel.assertQueue(queue)
    await channel.bindQueue('a', 'd', 'x')
    await channel.bindQueue('a', 't', 'log.*.error')
    await channel.bindQueue('b', 't', 'log.#')
    await channel.bindQueue('a', 'f', '')
    await channel.bindQueue('b', 'f', 'ignored')
    await channel.bindQueue('a', 'h', '', { 'x-match': 'all', kind: 'pdf', size: 4 })
    await channel.bindQueue('b', 'h', '', { 'x-match': 'any', kind: 'pdf', size: 4 })
    await publish(channel, 'd', 'x', 'd-x')
    await publish(channel, 'd', 'y', 'd-y')
    await publish(channel, 't', 'log.disk.error', 't-error')
    await publish(channel, 't', 'log', 't-log')
    await publish(channel, 'f', 'k', 'f')
    await publish(channel, 'h', '', 'h-both', { headers: { kind: 'pdf', size: 4 } })
    await publish(channel, 'h', '', 'h-one', { headers: { kind: 'pdf', size: 5 } })
    expect(await drain(channel, 'a')).toEqual(['d-x', 't-error', 'f', 'h-both'])
    expect(await drain(channel, 'b')).toEqual(['t-error', 't-log', 'f', 'h-both', 'h-one'])
  })

  it('lead to each other, and stop leading when unbound', async () => {
    const { channel } = await opened()
    await channel.assertExchange('from', 'topic')
    await channel.assertExchange('to', 'fanout', { internal: true })
    await channel.assertQueue('q')
    await channel.bindQueue('q', 'to', '')
    await channel.bindExchange('to', 'from', 'a.#')
    await publish(channel, 'from', 'a.b')
    await publish(channel, 'from', 'b')
    await channel.unbindExchange('to', 'from', 'a.#')
    await publish(channel, 'from', 'a.c')
    expect(await drain(channel, 'q')).toEqual(['a.b'])
  })

  it('give what nobody takes to their alternate exchange', async () => {
    const { channel } = await opened()
    await channel.assertExchange('rest', 'fanout')
    await channel.assertExchange('main', 'direct', { alternateExchange: 'rest' })
    await channel.assertQueue('q')
    await channel.bindQueue('q', 'rest', '')
    await publish(channel, 'main', 'nobody')
    expect(await drain(channel, 'q')).toEqual(['nobody'])
  })

  it('are there from the start: amq.direct, amq.topic, amq.fanout, amq.headers, amq.match', async () => {
    const { channel } = await opened()
    await channel.assertQueue('q')
    for (const name of ['amq.direct', 'amq.topic', 'amq.fanout', 'amq.headers', 'amq.match']) {
      await channel.checkExchange(name)
      await channel.bindQueue('q', name, 'k')
    }
    await publish(channel, 'amq.direct', 'k')
    expect(await drain(channel, 'q')).toEqual(['k'])
  })

  it('go with their last binding when they are auto-delete', async () => {
    const { channel, connection } = await opened()
    await channel.assertExchange('passing', 'fanout', { autoDelete: true })
    await channel.assertQueue('q')
    await channel.bindQueue('q', 'passing', '')
    await channel.checkExchange('passing')
    await channel.unbindQueue('q', 'passing', '')
    const other = await connection.createChannel()
    expect(await refused(other, other.checkExchange('passing'))).toMatch(
      /404 \(NOT-FOUND\).*NOT_FOUND - no exchange 'passing' in vhost '\/'/,
    )
  })

  it('return what is mandatory and cannot be routed, before its confirm', async () => {
    const { channel } = await opened()
    const order: string[] = []
    channel.on('return', ({ fields, content }) => {
      const { replyCode, replyText } = fields as { replyCode?: number; replyText?: string }
      order.push(`return ${replyCode} ${replyText} ${content}`)
    })
    await channel.assertExchange('e', 'direct')
    channel.publish('e', 'nowhere', Buffer.from('one'), { mandatory: true }, () => order.push('confirm'))
    channel.publish('', 'no-such-queue', Buffer.from('two'), { mandatory: true }, () => order.push('confirm'))
    await channel.waitForConfirms()
    const at = (what: string): number => order.indexOf(what)
    expect(order).toHaveLength(4)
    expect(at('return 312 NO_ROUTE one')).toBe(0)
    expect(at('return 312 NO_ROUTE two')).toBeLessThan(order.lastIndexOf('confirm'))
  })

  it('copy to the keys in CC and BCC, and show only CC', async () => {
    const { channel } = await opened()
    for (const queue of ['to', 'cc', 'bcc']) await channel.assertQueue(queue)
    await publish(channel, '', 'to', 'hello', { headers: { CC: ['cc', 'to'], BCC: ['bcc'] } })
    for (const queue of ['to', 'cc', 'bcc']) {
      const message = await channel.get(queue, { noAck: true })
      expect(message === false ? undefined : message.properties.headers).toEqual({ CC: ['cc', 'to'] })
      expect(await channel.get(queue)).toBe(false)
    }
  })

  it('of type x-delayed-message keep a message for its x-delay', async () => {
    const { channel, clock } = await opened()
    await channel.assertExchange('late', 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } })
    await channel.assertQueue('q')
    await channel.bindQueue('q', 'late', 'k')
    await publish(channel, 'late', 'k', 'later', { headers: { 'x-delay': 3_000 } })
    await publish(channel, 'late', 'k', 'now')
    expect(await drain(channel, 'q')).toEqual(['now'])
    await clock.advance(3_000)
    expect(await drain(channel, 'q')).toEqual(['later'])
  })

  it.each([
    [
      'another type',
      (c: Channel) => c.assertExchange('e', 'topic'),
      /406.*inequivalent arg 'type' for exchange 'e' in vhost '\/': received 'topic' but current is 'direct'/,
    ],
    [
      'another durability',
      (c: Channel) => c.assertExchange('e', 'direct', { durable: false }),
      /406.*inequivalent arg 'durable' for exchange 'e' in vhost '\/': received 'false' but current is 'true'/,
    ],
    [
      'a reserved name',
      (c: Channel) => c.assertExchange('amq.mine', 'direct'),
      /403.*ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.\*'/,
    ],
    ['a missing source', (c: Channel) => c.bindQueue('q', 'nope', ''), /404.*no exchange 'nope' in vhost '\/'/],
    ['a missing queue', (c: Channel) => c.bindQueue('nope', 'e', ''), /404.*no queue 'nope' in vhost '\/'/],
    [
      'the default exchange',
      (c: Channel) => c.bindQueue('q', '', 'x'),
      /403.*operation not permitted on the default exchange/,
    ],
    [
      'an exchange in use',
      (c: Channel) => c.deleteExchange('e', { ifUnused: true }),
      /406.*exchange 'e' in vhost '\/' in use/,
    ],
    [
      'a bad x-match',
      (c: Channel) => c.bindQueue('q', 'amq.headers', '', { 'x-match': 'some' }),
      /406.*Invalid x-match/,
    ],
  ] as const)('refuse %s', async (_, ask, message) => {
    const { channel, connection } = await opened()
    await channel.assertExchange('e', 'direct')
    await channel.assertQueue('q')
    await channel.bindQueue('q', 'e', 'k')
    const other = await connection.createChannel()
    expect(await refused(other, ask(other))).toMatch(message)
    // The others never notice.
    await publish(channel, 'e', 'k', 'still here')
    expect(await drain(channel, 'q')).toEqual(['still here'])
  })

  it('close the channel of who publishes to a missing or an internal one', async () => {
    const { connection, channel } = await opened()
    await channel.assertExchange('inside', 'fanout', { internal: true })
    for (const [exchange, message] of [
      ['nope', /404.*no exchange 'nope' in vhost '\/'/],
      ['inside', /403.*cannot publish to internal exchange 'inside' in vhost '\/'/],
    ] as const) {
      const other = await connection.createChannel()
      const error = new Promise<Error>((resolve) => other.once('error', resolve))
      other.publish(exchange, '', Buffer.from('x'))
      expect((await error).message).toMatch(message)
    }
  })

  it('close the connection of who asks for a type that nobody knows', async () => {
    const { connection, faults } = await opened()
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    await expect(channel.assertExchange('e', 'x-unheard-of')).rejects.toThrow()
    expect(String(faults[0])).toMatch(/503.*unknown exchange type 'x-unheard-of'/)
  })
})
