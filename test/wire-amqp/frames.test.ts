import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BufferPool } from '../../src/wire/amqp/buffer-pool.ts'
import { FrameDecoder } from '../../src/wire/amqp/frame-decoder.ts'
import { addressEnd, FrameWriter } from '../../src/wire/amqp/frame-writer.ts'
import { readMethod } from '../../src/wire/amqp/methods.ts'
import { writeProperties } from '../../src/wire/amqp/properties.ts'
import { PROTOCOL_HEADER, WireError } from '../../src/wire/amqp/protocol.ts'

interface SeenFrame {
  readonly type: number
  readonly channel: number
  readonly payload: string
}

function written(write: (writer: FrameWriter) => void, frameMax = 131_072, bufferBytes = 65_536): Buffer {
  const sent: Buffer[] = []
  const pool = new BufferPool({ bufferBytes, keepMax: 4 })
  const writer = new FrameWriter({
    pool,
    frameMax,
    emit: (frames, buffer) => {
      sent.push(Buffer.from(frames))
      pool.giveBack(buffer)
    },
  })
  write(writer)
  writer.flush()
  return Buffer.concat(sent)
}

function decoded(chunks: readonly Buffer[], frameMax = 131_072): SeenFrame[] {
  const decoder = new FrameDecoder(frameMax)
  const frames: SeenFrame[] = []
  for (const chunk of chunks) {
    decoder.feed(chunk)
    while (decoder.next()) {
      const { type, channel, bytes, start, end } = decoder
      frames.push({ type, channel, payload: bytes.toString('hex', start, end) })
    }
  }
  return frames
}

const head = Buffer.concat([
  Buffer.from([3, 4]),
  Buffer.from('logs'),
  Buffer.from([3]),
  Buffer.from('a.b'),
  writeProperties({ contentType: 'text/plain', deliveryMode: 2 }),
])
const tag = Buffer.from([2, 0x63, 0x31])
const session = (): Buffer =>
  written((writer) => {
    writer.method(0, 'connection.tune', { channelMax: 2_047, frameMax: 131_072, heartbeat: 60 })
    writer.heartbeat()
    writer.deliver(3, tag, 2 ** 33 + 1, true, head, Buffer.from('hello'))
    writer.ack(1, 7, true)
    writer.nack(1, 8, false)
  })

describe('frames', () => {
  it('have these bytes', () => {
    expect(session().toString('hex')).toBe(
      '0100000000000c000a001e07ff00020000003cce' +
        '08000000000000ce' +
        '01000300000019003c003c026331000000020000000101046c6f677303612e62ce' +
        '0200030000001a003c00000000000000000005' +
        '90000a746578742f706c61696e02ce' +
        '0300030000000568656c6c6fce' +
        '0100010000000d003c0050000000000000000701ce' +
        '0100010000000d003c0078000000000000000800ce',
    )
  })

  it('say what they carry', () => {
    const frames = decoded([session()])
    const deliver = Buffer.from(frames[2]?.payload ?? '', 'hex')
    expect(readMethod(deliver, 0, deliver.length)).toMatchObject({
      name: 'basic.deliver',
      args: {
        consumerTag: 'c1',
        deliveryTag: 2 ** 33 + 1,
        redelivered: true,
        exchange: 'logs',
        routingKey: 'a.b',
      },
    })
    expect(frames.map(({ type, channel }) => [type, channel])).toEqual([
      [1, 0],
      [8, 0],
      [1, 3],
      [2, 3],
      [3, 3],
      [1, 1],
      [1, 1],
    ])
  })

  it('are the same however the stream is split', () => {
    const bytes = session()
    const whole = decoded([bytes])
    for (let cut = 1; cut < bytes.length; cut++) {
      expect(decoded([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole)
    }
    expect(decoded(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(whole)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (steps) => {
        const chunks: Buffer[] = []
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const step = steps[i % steps.length] as number
          chunks.push(bytes.subarray(at, at + step))
          at += step
        }
        expect(decoded(chunks)).toEqual(whole)
      }),
    )
  })

  it('cut bodies to frame-max, and refuse what is larger', () => {
    const body = Buffer.alloc(10_000, 7)
    const bytes = written((writer) => writer.deliver(1, tag, 1, false, head, body), 4_096)
    const bodies = decoded([bytes], 4_096).filter(({ type }) => type === 3)
    expect(bodies.map(({ payload }) => payload.length / 2)).toEqual([4_088, 4_088, 1_824])
    expect(() => decoded([bytes], 4_095)).toThrow(expect.objectContaining({ code: 501 }))
  })

  it('send an empty body without a body frame', () => {
    const frames = decoded([written((writer) => writer.deliver(1, tag, 1, false, head, Buffer.alloc(0)))])
    expect(frames.map(({ type }) => type)).toEqual([1, 2])
  })

  it('flow over several buffers, also when one frame is larger than a buffer', () => {
    const body = Buffer.alloc(300, 1)
    const write = (writer: FrameWriter): void => {
      for (let i = 1; i <= 20; i++) writer.deliver(1, tag, i, false, head, i === 7 ? Buffer.alloc(5_000, 2) : body)
    }
    expect(written(write, 131_072, 512)).toEqual(written(write))
  })

  it('find the properties of a stored head', () => {
    expect(head.subarray(addressEnd(head)).toString('hex')).toBe('90000a746578742f706c61696e02')
  })

  it.each([
    ['an end mark that is none', '0800000000000000', /invalid_frame_end_marker/],
    ['an unknown type', '0700000000000000ce', /frame type 7/],
    ['a frame over frame-max', '01000000020000', /frame_too_large,131072,131064/],
  ])('refuse %s with 501', (_, bytes, message) => {
    const all = Buffer.from(bytes, 'hex')
    expect(() => decoded([all])).toThrow(message)
    expect(() => decoded(Array.from(all, (byte) => Buffer.from([byte])))).toThrow(
      expect.objectContaining({ code: 501 }),
    )
  })

  it('accept the protocol header in any split and refuse another at its first wrong byte', () => {
    for (let cut = 0; cut <= 8; cut++) {
      const decoder = new FrameDecoder(4_096)
      const bytes = Buffer.concat([PROTOCOL_HEADER, Buffer.from('08000000000000ce', 'hex')])
      decoder.feed(bytes.subarray(0, cut))
      expect(decoder.protocolHeader()).toBe(cut === 8 ? 'accepted' : 'more')
      decoder.feed(bytes.subarray(cut))
      if (cut < 8) expect(decoder.protocolHeader()).toBe('accepted')
      expect(decoder.next()).toBe(true)
      expect(decoder.type).toBe(8)
    }
    const other = new FrameDecoder(4_096)
    other.feed(Buffer.from('GET'))
    expect(other.protocolHeader()).toBe('refused')
  })

  it('end in a WireError or in frames, never in anything else, when bytes are changed at random', () => {
    const bytes = session()
    const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255) })
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 64 }),
        (changes, step) => {
          const broken = Buffer.from(bytes)
          for (const { at, to } of changes) broken[at] = to
          const chunks: Buffer[] = []
          for (let at = 0; at < broken.length; at += step) chunks.push(broken.subarray(at, at + step))
          try {
            decoded(chunks)
          } catch (error) {
            expect(error).toBeInstanceOf(WireError)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
