import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../src/wire/amqp/byte-reader.ts'
import { ByteWriter } from '../../src/wire/amqp/byte-writer.ts'
import { type FieldTable, type FieldValue, readTable, tableOf, writeTable } from '../../src/wire/amqp/field-table.ts'
import { readMethod, writeMethod } from '../../src/wire/amqp/methods.ts'
import { type Properties, readProperties, writeProperties } from '../../src/wire/amqp/properties.ts'
import { WireError } from '../../src/wire/amqp/protocol.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

function roundTrip(table: FieldTable): FieldTable {
  const writer = new ByteWriter()
  writeTable(writer, table)
  return readTable(new ByteReader(writer.result()))
}

const number32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const leaf: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.boolean().map((value): FieldValue => ({ type: 't', value })),
  fc.integer({ min: -128, max: 127 }).map((value): FieldValue => ({ type: 'b', value })),
  fc.nat(255).map((value): FieldValue => ({ type: 'B', value })),
  fc.integer({ min: -32_768, max: 32_767 }).map((value): FieldValue => ({ type: 's', value })),
  fc.nat(65_535).map((value): FieldValue => ({ type: 'u', value })),
  number32.map((value): FieldValue => ({ type: 'I', value })),
  fc.nat(2 ** 32 - 1).map((value): FieldValue => ({ type: 'i', value })),
  fc.float({ noNaN: true }).map((value): FieldValue => ({ type: 'f', value })),
  fc.double({ noNaN: true }).map((value): FieldValue => ({ type: 'd', value })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value): FieldValue => ({ type: 'l', value })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value): FieldValue => ({ type: 'T', value })),
  fc.tuple(fc.nat(255), number32).map(([scale, value]): FieldValue => ({ type: 'D', scale, value })),
  fc.uint8Array().map((value): FieldValue => ({ type: 'S', value: Buffer.from(value) })),
  fc.uint8Array().map((value): FieldValue => ({ type: 'x', value: Buffer.from(value) })),
  fc.constant<FieldValue>({ type: 'V' }),
)
const name = fc.string({ maxLength: 60 })
const value: fc.Arbitrary<FieldValue> = fc.letrec<{ value: FieldValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }).map((inner): FieldValue => ({ type: 'A', value: inner })),
    fc
      .array(fc.tuple(name, tie('value')), { maxLength: 4 })
      .map((inner): FieldValue => ({ type: 'F', value: new Map(inner) })),
  ),
})).value
const table = fc.array(fc.tuple(name, value), { maxLength: 8 }).map((entries): FieldTable => new Map(entries))

describe('field tables', () => {
  it('have these bytes', () => {
    const writer = new ByteWriter()
    writeTable(writer, tableOf({ 'x-message-ttl': 60_000, name: 'é', yes: true }))
    expect(hex(writer.result())).toBe(
      '00000025' + '0d782d6d6573736167652d74746c49' + '0000ea60' + '046e616d655300000002c3a9' + '037965737401',
    )
  })

  it('come back as they went, with every type', () => {
    fc.assert(fc.property(table, (fields) => isDeepStrictEqual(roundTrip(fields), fields)))
  })

  it('keep names of JavaScript itself as names', () => {
    const fields = tableOf({ ['__proto__']: 'x', constructor: 1 })
    expect([...roundTrip(new Map([...fields, ['__proto__', { type: 'V' } as const]])).keys()]).toContain('__proto__')
    expect({}.constructor).toBe(Object)
  })

  it('refuse more than 32 levels, and take 32', () => {
    const deep = (levels: number): FieldTable => {
      let inner: FieldTable = new Map([['leaf', { type: 'V' }]])
      for (let i = 1; i < levels; i++) inner = new Map([['in', { type: 'F', value: inner }]])
      return inner
    }
    // Not `toEqual`: it compares each level of a Map twice.
    expect(isDeepStrictEqual(roundTrip(deep(32)), deep(32))).toBe(true)
    expect(() => roundTrip(deep(33))).toThrow(/deeper than 32/)
  })

  it('refuse more than 16,384 values', () => {
    const entries = (count: number): FieldTable =>
      new Map(Array.from({ length: count }, (_, i) => [`${i}`, { type: 'V' } as const]))
    expect(roundTrip(entries(16_384)).size).toBe(16_384)
    expect(() => roundTrip(entries(16_385))).toThrow(/16384 values/)
  })

  it.each([
    ['a type nobody knows', '00000003 0161 3f', /unknown type "\?"/],
    ['a length beyond the end', '000000ff 0161 56', /255 bytes are announced/],
    ['a string longer than its table', '00000007 0161 53 00000009', /9 bytes are announced/],
    ['a value cut short', '00000004 0161 49 00', /announced/],
  ])('refuse %s with 502', (_, bytes, message) => {
    const read = (): FieldTable => readTable(new ByteReader(unhex(bytes)))
    expect(read).toThrow(message)
    expect(read).toThrow(expect.objectContaining({ code: 502 }))
  })
})

describe('content header properties', () => {
  it('have these bytes', () => {
    expect(hex(writeProperties({ contentType: 'text/plain', deliveryMode: 2 }))).toBe('90000a746578742f706c61696e02')
    expect(hex(writeProperties({}))).toBe('0000')
  })

  it('come back as they went', () => {
    const short = fc.option(fc.string({ maxLength: 60 }), { nil: undefined })
    const octet = fc.option(fc.nat(255), { nil: undefined })
    const all = fc.record({
      contentType: short,
      contentEncoding: short,
      headers: fc.option(table, { nil: undefined }),
      deliveryMode: octet,
      priority: octet,
      correlationId: short,
      replyTo: short,
      expiration: short,
      messageId: short,
      timestamp: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
      type: short,
      userId: short,
      appId: short,
      clusterId: short,
    })
    fc.assert(
      fc.property(all, (properties) => {
        const given = Object.fromEntries(
          Object.entries(properties).filter(([, property]) => property !== undefined),
        ) as Properties
        expect(isDeepStrictEqual(readProperties(writeProperties(given)), given)).toBe(true)
      }),
    )
  })

  it('refuse flags that no property has, and bytes that no flag announces', () => {
    expect(() => readProperties(unhex('0001'))).toThrow(WireError)
    expect(() => readProperties(unhex('000000'))).toThrow(/1 bytes too many/)
    expect(() => readProperties(unhex('80000561'))).toThrow(/announced/)
  })
})

describe('methods', () => {
  it('have these bytes', () => {
    expect(hex(writeMethod('connection.tune', { channelMax: 2_047, frameMax: 131_072, heartbeat: 60 }))).toBe(
      '000a001e07ff00020000003c',
    )
    expect(
      hex(
        writeMethod('queue.declare', {
          ticket: 0,
          queue: 'q',
          passive: false,
          durable: true,
          exclusive: false,
          autoDelete: true,
          noWait: false,
          arguments: new Map(),
        }),
      ),
    ).toBe('0032000a000001710a00000000')
    expect(hex(writeMethod('basic.nack', { deliveryTag: 5, multiple: true, requeue: true }))).toBe(
      '003c0078000000000000000503',
    )
  })

  it('come back as they went', () => {
    const declare = {
      ticket: 0,
      exchange: 'logs',
      type: 'topic',
      passive: false,
      durable: true,
      autoDelete: false,
      internal: true,
      noWait: true,
      arguments: tableOf({ 'alternate-exchange': 'other' }),
    }
    const bytes = writeMethod('exchange.declare', declare)
    const read = readMethod(bytes, 0, bytes.length)
    expect(read.name).toBe('exchange.declare')
    expect({ ...read.args }).toEqual(declare)
  })

  it('carry delivery tags beyond 32 bits', () => {
    const bytes = writeMethod('basic.ack', { deliveryTag: 2 ** 40 + 7, multiple: false })
    expect(readMethod(bytes, 0, bytes.length).args).toMatchObject({ deliveryTag: 2 ** 40 + 7, multiple: false })
  })

  it('are refused with 540 when unknown, with 502 when too short or too long', () => {
    expect(() => readMethod(unhex('00630001'), 0, 4)).toThrow(expect.objectContaining({ code: 540 }))
    expect(() => readMethod(unhex('003c0050'), 0, 4)).toThrow(expect.objectContaining({ code: 502 }))
    expect(() => readMethod(unhex('005a000a00'), 0, 5)).toThrow(expect.objectContaining({ code: 502 }))
  })

  it('are refused or read, never anything else, when bytes are changed at random', () => {
    const seeds = [
      writeMethod('connection.start-ok', {
        clientProperties: tableOf({ product: 'x', capabilities: tableOf({ 'basic.nack': true }) }),
        mechanism: 'PLAIN',
        response: '\0guest\0guest',
        locale: 'en_US',
      }),
      writeMethod('basic.publish', { ticket: 0, exchange: 'e', routingKey: 'r', mandatory: true, immediate: false }),
    ]
    const change = fc.record({ at: fc.nat(200), to: fc.nat(255) })
    fc.assert(
      fc.property(fc.constantFrom(...seeds), fc.array(change, { maxLength: 6 }), fc.nat(200), (seed, changes, cut) => {
        const bytes = Buffer.from(seed)
        for (const { at, to } of changes) if (at < bytes.length) bytes[at] = to
        try {
          readMethod(bytes, 0, Math.max(0, bytes.length - (cut % 40)))
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
