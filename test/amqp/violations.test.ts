import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/runtime/random.ts'
import { ByteWriter } from '../../src/wire/amqp/byte-writer.ts'
import { tableOf, writeTable } from '../../src/wire/amqp/field-table.ts'
import { writeMethod } from '../../src/wire/amqp/methods.ts'
import { PROTOCOL_HEADER } from '../../src/wire/amqp/protocol.ts'
import { until } from '../broker/started.ts'
import { servedAmqp } from './serving.ts'
import { WireClient } from './wire-client.ts'

const NO_ARGUMENTS = new Map()
const declare = (queue: string) => ({
  ticket: 0,
  queue,
  passive: false,
  durable: true,
  exclusive: false,
  autoDelete: false,
  noWait: false,
  arguments: NO_ARGUMENTS,
})

/** A second connection that must not notice anything. */
async function witness(port: number) {
  const client = await new WireClient(port).open()
  client.send(1, 'queue.declare', declare('witness'))
  await client.hear('queue.declare-ok')
  return async (): Promise<void> => {
    client.send(1, 'queue.declare', { ...declare('witness'), passive: true })
    await client.hear('queue.declare-ok')
  }
}

describe('a connection that breaks the protocol', () => {
  it.each<[string, (client: WireClient) => void, RegExp]>([
    [
      'a method on a channel that is not open',
      (c) => c.send(2, 'basic.get', { ticket: 0, queue: 'q', noAck: true }),
      /504 CHANNEL_ERROR - expected 'channel.open' \(60,70\)/,
    ],
    [
      'a channel opened twice',
      (c) => c.send(1, 'channel.open', { reserved1: '' }),
      /504 CHANNEL_ERROR - second 'channel.open' seen \(20,10\)/,
    ],
    [
      'a channel beyond channel-max',
      (c) => c.send(101, 'channel.open', { reserved1: '' }),
      /530 NOT_ALLOWED - channel 101/,
    ],
    [
      'connection.open on an open connection',
      (c) => c.send(0, 'connection.open', { virtualHost: '/', reserved1: '', reserved2: false }),
      /503 COMMAND_INVALID.*\(10,40\)/,
    ],
    [
      'a method that only a server sends',
      (c) => c.send(1, 'queue.declare-ok', { queue: 'q', messageCount: 0, consumerCount: 0 }),
      /503 COMMAND_INVALID/,
    ],
    ['an unknown method', (c) => c.frame(1, 1, Buffer.from('003c00ff', 'hex')), /540 NOT_IMPLEMENTED/],
    [
      'a method cut short',
      (c) => c.frame(1, 1, writeMethod('queue.declare', declare('q')).subarray(0, 9)),
      /502 SYNTAX_ERROR/,
    ],
    ['a header without publish', (c) => c.frame(2, 1, Buffer.alloc(14)), /505 UNEXPECTED_FRAME/],
    [
      'a body without header',
      (c) => {
        c.send(1, 'basic.publish', { ticket: 0, exchange: '', routingKey: 'q', mandatory: false, immediate: false })
        c.frame(3, 1, Buffer.from('x'))
      },
      /505 UNEXPECTED_FRAME - expected content header for class 60/,
    ],
    [
      'a method in the middle of content',
      (c) => {
        c.send(1, 'basic.publish', { ticket: 0, exchange: '', routingKey: 'q', mandatory: false, immediate: false })
        c.send(1, 'basic.recover', { requeue: true })
      },
      /505 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead/,
    ],
    [
      'a body longer than its header said',
      (c) => {
        c.send(1, 'basic.publish', { ticket: 0, exchange: '', routingKey: 'q', mandatory: false, immediate: false })
        const header = Buffer.alloc(14)
        header.writeUInt16BE(60, 0)
        header.writeUInt32BE(3, 8)
        c.frame(2, 1, header)
        c.frame(3, 1, Buffer.from('abcd'))
      },
      /50[125] /,
    ],
    [
      'a table deeper than 32',
      (c) => c.send(1, 'queue.declare', { ...declare('q'), arguments: deep(40) }),
      /502 SYNTAX_ERROR/,
    ],
    [
      'immediate',
      (c) => {
        c.send(1, 'basic.publish', { ticket: 0, exchange: '', routingKey: 'q', mandatory: false, immediate: true })
        c.frame(2, 1, header(0))
      },
      /540 NOT_IMPLEMENTED - immediate=true \(60,40\)/,
    ],
    [
      'a prefetch size',
      (c) => c.send(1, 'basic.qos', { prefetchSize: 9, prefetchCount: 0, global: false }),
      /540 NOT_IMPLEMENTED - prefetch_size!=0 \(9\)/,
    ],
    [
      'a consumer tag used twice',
      (c) => {
        for (const queue of ['witness', 'witness'])
          c.send(1, 'basic.consume', {
            ticket: 0,
            queue,
            consumerTag: 't',
            noLocal: false,
            noAck: true,
            exclusive: false,
            noWait: false,
            arguments: NO_ARGUMENTS,
          })
      },
      /530 NOT_ALLOWED - attempt to reuse consumer tag 't'/,
    ],
  ])('by %s hears why', async (_, offend, why) => {
    const { port } = await servedAmqp()
    const stillThere = await witness(port)
    const client = await new WireClient(port).open()
    offend(client)
    expect(await client.hear('connection.close')).toMatch(why)
    client.send(0, 'connection.close-ok', {})
    await client.hear('closed')
    await stillThere()
  })

  it.each<[string, (client: WireClient) => void, RegExp]>([
    ['a wrong frame end', (c) => c.frame(1, 1, writeMethod('basic.recover', { requeue: true }), 0), /501 FRAME_ERROR/],
    [
      'a frame over the negotiated frame-max',
      (c) => c.frame(3, 1, Buffer.alloc(8_185)),
      /501 FRAME_ERROR - type 3: \{frame_too_large,8185,8184\}/,
    ],
    ['an unknown frame type', (c) => c.frame(7, 1, Buffer.alloc(4)), /501 FRAME_ERROR/],
    ['a heartbeat with a payload', (c) => c.frame(8, 0, Buffer.alloc(4)), /501 FRAME_ERROR/],
  ])('by %s hears why and is closed', async (_, offend, why) => {
    const { port } = await servedAmqp()
    const stillThere = await witness(port)
    const client = await new WireClient(port).open()
    offend(client)
    expect(await client.hear('connection.close')).toMatch(why)
    await client.hear('closed')
    await stillThere()
  })

  it('before it is open is closed without a word', async () => {
    const { port } = await servedAmqp()
    const client = new WireClient(port)
    client.bytes(PROTOCOL_HEADER)
    await client.hear('connection.start')
    client.send(0, 'connection.open', { virtualHost: '/', reserved1: '', reserved2: false })
    await client.hear('closed')
  })

  it('by a frame over the limit before it is logged in is closed, and nothing of it is gathered', async () => {
    const { port } = await servedAmqp()
    const client = new WireClient(port)
    client.bytes(PROTOCOL_HEADER)
    await client.hear('connection.start')
    const announced = Buffer.alloc(7)
    announced.writeUInt8(1, 0)
    announced.writeUInt32BE(0x7fff_ffff, 3)
    client.bytes(announced)
    await client.hear('closed')
  })

  it('by a protocol header of another version hears ours', async () => {
    const { port } = await servedAmqp()
    const heard: Buffer[] = []
    const { connect } = await import('node:net')
    const socket = connect({ host: '127.0.0.1', port })
    socket.write('AMQP\x01\x01\x00\x0a')
    socket.on('data', (chunk) => heard.push(chunk))
    await new Promise((resolve) => socket.once('close', resolve))
    expect(Buffer.concat(heard)).toEqual(Buffer.from(PROTOCOL_HEADER))
  })

  it('by asking for more than was offered in tune hears why', async () => {
    const { port } = await servedAmqp()
    for (const [tune, why] of [
      [
        { channelMax: 0, frameMax: 200_000, heartbeat: 0 },
        /530 NOT_ALLOWED - negotiated frame_max = 200000 is higher than the maximum allowed value \(131072\)/,
      ],
      [
        { channelMax: 0, frameMax: 100, heartbeat: 0 },
        /530 NOT_ALLOWED - negotiated frame_max = 100 is lower than the minimum allowed value \(4096\)/,
      ],
    ] as const) {
      const client = new WireClient(port)
      client.bytes(PROTOCOL_HEADER)
      await client.hear('connection.start')
      client.send(0, 'connection.start-ok', {
        clientProperties: NO_ARGUMENTS,
        mechanism: 'PLAIN',
        response: '\0guest\0guest',
        locale: '',
      })
      await client.hear('connection.tune')
      client.send(0, 'connection.tune-ok', tune)
      expect(await client.hear('connection.close')).toMatch(why)
      client.destroy()
    }
  })

  it('or says nothing during the handshake is dropped after ten seconds', async () => {
    const { port, clock, listener } = await servedAmqp()
    const client = new WireClient(port)
    client.bytes(PROTOCOL_HEADER)
    await client.hear('connection.start')
    await clock.advance(9_999)
    expect(listener.registry.size).toBe(1)
    await clock.advance(1)
    await client.hear('closed')
  })
})

describe('logging in', () => {
  async function login(
    port: number,
    mechanism: string,
    response: string | Uint8Array,
    announces = true,
  ): Promise<string> {
    const client = new WireClient(port)
    client.bytes(PROTOCOL_HEADER)
    await client.hear('connection.start')
    const capabilities = tableOf({ authentication_failure_close: announces })
    client.send(0, 'connection.start-ok', {
      clientProperties: tableOf({ capabilities }),
      mechanism,
      response,
      locale: 'en_US',
    })
    const answer = await client.hear('connection.').catch(() => 'closed')
    client.destroy()
    return answer
  }
  const amqplain = (name: string, password: string): Uint8Array => {
    const writer = new ByteWriter()
    writeTable(writer, tableOf({ LOGIN: name, PASSWORD: password }))
    return writer.result().subarray(4)
  }

  it('is for guest from this machine while there are no users, and for users from then on', async () => {
    const { port, users } = await servedAmqp()
    expect(await login(port, 'PLAIN', '\0guest\0guest')).toBe('connection.tune')
    expect(await login(port, 'AMQPLAIN', amqplain('guest', 'guest'))).toBe('connection.tune')
    expect(await login(port, 'PLAIN', '\0guest\0wrong')).toMatch(
      /403 ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN/,
    )
    await users.put('ann', { password: 'secret', grants: [{ verbs: ['read'], resources: ['*'] }] })
    expect(await login(port, 'PLAIN', '\0guest\0guest')).toMatch(/403/)
    expect(await login(port, 'PLAIN', '\0ann\0secret')).toBe('connection.tune')
    expect(await login(port, 'AMQPLAIN', amqplain('ann', 'wrong'))).toMatch(/403/)
  })

  it('that fails is told only to who can hear it', async () => {
    const { port } = await servedAmqp()
    expect(await login(port, 'PLAIN', '\0guest\0wrong', false)).toBe('closed')
    expect(await login(port, 'CRAM-MD5', 'x')).toMatch(/403/)
    expect(await login(port, 'PLAIN', 'nonsense')).toMatch(/403/)
    expect(await login(port, 'AMQPLAIN', 'nonsense')).toMatch(/403/)
  })

  it('can be renewed, for as long as the new secret is right', async () => {
    const { port, users } = await servedAmqp()
    const client = await new WireClient(port).open()
    client.send(0, 'connection.update-secret', { newSecret: 'guest', reason: 'it is time' })
    await client.hear('connection.update-secret-ok')
    await users.put('guest', { password: 'changed', grants: [] })
    client.send(0, 'connection.update-secret', { newSecret: 'guest', reason: 'again' })
    await expect(client.hear('connection.update-secret-ok')).rejects.toThrow(/530 NOT_ALLOWED - New secret was refused/)
  })

  it('does not open a virtual host that is not there', async () => {
    const { port } = await servedAmqp()
    await expect(new WireClient(port).open(1, 'nowhere')).rejects.toThrow(/530 NOT_ALLOWED - vhost nowhere not found/)
  })
})

describe('heartbeats', () => {
  it('are sent in the idle time, and a silent peer is given up', async () => {
    const { port, clock } = await servedAmqp()
    const client = new WireClient(port)
    client.bytes(PROTOCOL_HEADER)
    await client.hear('connection.start')
    client.send(0, 'connection.start-ok', {
      clientProperties: NO_ARGUMENTS,
      mechanism: 'PLAIN',
      response: '\0guest\0guest',
      locale: '',
    })
    await client.hear('connection.tune')
    client.send(0, 'connection.tune-ok', { channelMax: 0, frameMax: 0, heartbeat: 10 })
    client.send(0, 'connection.open', { virtualHost: '/', reserved1: '', reserved2: false })
    await client.hear('connection.open-ok')
    await clock.advance(10_000)
    await client.hear('frame 8')
    await clock.advance(20_000)
    await client.hear('closed')
  })
})

describe('channel.flow', () => {
  it('holds deliveries up until it is active again', async () => {
    const { port, broker } = await servedAmqp()
    const client = await new WireClient(port).open()
    client.send(1, 'queue.declare', declare('q'))
    await client.hear('queue.declare-ok')
    client.send(1, 'channel.flow', { active: false })
    await client.hear('channel.flow-ok')
    client.send(1, 'basic.consume', {
      ticket: 0,
      queue: 'q',
      consumerTag: 't',
      noLocal: false,
      noAck: true,
      exclusive: false,
      noWait: false,
      arguments: NO_ARGUMENTS,
    })
    await client.hear('basic.consume-ok')
    client.publish(1, 'q', 'held')
    await until(async () => (await broker.measure(['q']))[0]?.ready === 1)
    client.send(1, 'channel.flow', { active: true })
    await client.hear('channel.flow-ok')
    await client.hear('basic.deliver')
  })
})

describe('every truncation of a session', () => {
  it('is survived, and leaves nothing leased or owned behind', async () => {
    const { port, listener, broker } = await servedAmqp()
    const stillThere = await witness(port)
    const script = await recorded(port)
    for (let cut = 1; cut < script.length; cut++) {
      const client = new WireClient(port)
      client.bytes(script.subarray(0, cut))
      if (cut % 5 === 0 && cut >= PROTOCOL_HEADER.length) await client.hear('connection.').catch(() => {})
      client.destroy()
    }
    await until(() => listener.registry.size === 1)
    await stillThere()
    await until(async () => (await broker.measure(['session'])).every(({ leased }) => leased === 0))
    expect((await broker.measure()).map(({ queue }) => queue).filter((queue) => queue === 'own')).toEqual([])
  }, 60_000)

  it('as every session with some bytes changed', async () => {
    const { port, listener, broker } = await servedAmqp()
    const stillThere = await witness(port)
    const script = await recorded(port)
    const random = seededRandom(97)
    const pick = (below: number): number => Math.floor(random.float() * below)
    for (let run = 0; run < 400; run++) {
      const bytes = Buffer.from(script)
      // Mostly behind the handshake: that is where most of the code is.
      for (let i = 0; i <= pick(4); i++)
        bytes[run % 5 === 0 ? pick(bytes.length) : 300 + pick(bytes.length - 300)] = pick(256)
      const client = new WireClient(port)
      client.bytes(bytes)
      if (run % 8 === 0) await client.settled()
      client.destroy()
    }
    await until(() => listener.registry.size === 1)
    await stillThere()
    await until(async () => (await broker.measure()).every(({ leased }) => leased === 0))
  }, 60_000)

  /** The bytes of a client that declares, publishes, consumes, acks and closes. */
  async function recorded(port: number): Promise<Buffer> {
    const client = await new WireClient(port).open()
    client.send(1, 'confirm.select', { noWait: false })
    client.send(1, 'queue.declare', declare('session'))
    client.send(1, 'queue.declare', { ...declare('own'), exclusive: true })
    client.send(1, 'basic.qos', { prefetchSize: 0, prefetchCount: 10, global: false })
    client.publish(1, 'session', 'one')
    client.publish(1, 'session', '')
    client.send(1, 'basic.consume', {
      ticket: 0,
      queue: 'session',
      consumerTag: 't',
      noLocal: false,
      noAck: false,
      exclusive: false,
      noWait: false,
      arguments: NO_ARGUMENTS,
    })
    await client.hear('basic.deliver')
    client.send(1, 'basic.ack', { deliveryTag: 1, multiple: false })
    client.send(1, 'basic.cancel', { consumerTag: 't', noWait: false })
    await client.hear('basic.cancel-ok')
    client.send(1, 'channel.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
    client.send(0, 'connection.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 })
    await client.hear('closed')
    return Buffer.concat(client.sent)
  }
})

function header(bodyBytes: number): Buffer {
  const bytes = Buffer.alloc(14)
  bytes.writeUInt16BE(60, 0)
  bytes.writeUInt32BE(bodyBytes, 8)
  return bytes
}

function deep(levels: number) {
  let table = tableOf({})
  for (let i = 0; i < levels; i++) table = tableOf({ in: table })
  return table
}
