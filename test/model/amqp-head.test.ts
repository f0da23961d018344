import { describe, expect, it } from 'vitest'
import { originOf, withOrigin } from '../../src/model/amqp-head.ts'
import { decodeBody, decodeHead } from '../../src/model/content.ts'
import { type FieldTable, type FieldValue, fieldOf } from '../../src/wire/amqp/field-table.ts'
import { type Properties, writeProperties } from '../../src/wire/amqp/properties.ts'

function head(properties: Properties, exchange = 'logs', key = 'a.b'): Buffer {
  const short = (text: string): Buffer => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)])
  return Buffer.concat([Buffer.from([3]), short(exchange), short(key), writeProperties(properties)])
}

const fields: readonly (readonly [string, FieldValue])[] = [
  ['text', fieldOf('é')],
  ['whole', fieldOf(-7)],
  ['large', fieldOf(2 ** 40)],
  ['half', fieldOf(0.5)],
  ['yes', fieldOf(true)],
  ['bytes', fieldOf(Uint8Array.of(1, 2))],
  ['nothing', { type: 'V' }],
  ['inner', fieldOf(new Map([['x', fieldOf(1)]]))],
  ['list', { type: 'A', value: [fieldOf(1)] }],
  ['cents', { type: 'D', scale: 2, value: 1_250 }],
  ['__proto__', fieldOf('a header like any other')],
]
const table: FieldTable = new Map(fields)

describe('a head that an AMQP publisher made', () => {
  it('says type, headers and, by content-type, how to read the body', () => {
    const decoded = decodeHead(
      head({
        contentType: 'application/json; charset=utf-8',
        headers: table,
        deliveryMode: 2,
        priority: 1,
        correlationId: 'c',
        replyTo: 'r',
        expiration: '5',
        messageId: 'm',
        timestamp: 9n,
        type: 'order.placed',
        appId: 'a',
      }),
    )
    expect(decoded.kind).toBe('json')
    expect(decoded.type).toBe('order.placed')
    expect(Object.entries(decoded.headers)).toEqual([
      ['text', 'é'],
      ['whole', -7],
      ['large', 2 ** 40],
      ['half', 0.5],
      ['yes', true],
      ['bytes', Uint8Array.of(1, 2)],
      ['cents', 12.5],
      ['__proto__', 'a header like any other'],
    ])
    expect(decodeBody(decoded.kind, Buffer.from('{"a":1}'))).toEqual({ a: 1 })
  })

  it.each([
    ['text/plain', undefined, 'text'],
    ['application/vnd.api+json', undefined, 'json'],
    ['application/octet-stream', undefined, 'bytes'],
    ['application/json', 'gzip', 'bytes'],
    ['application/json', 'utf-8', 'json'],
    [undefined, undefined, 'bytes'],
  ] as const)('has the content-type %s, content-encoding %s: %s', (contentType, contentEncoding, kind) => {
    const properties: Properties = {}
    if (contentType !== undefined) properties.contentType = contentType
    if (contentEncoding !== undefined) properties.contentEncoding = contentEncoding
    expect(decodeHead(head(properties)).kind).toBe(kind)
  })

  it('is never read beyond its end', () => {
    const whole = head({ contentType: 'text/plain', headers: table, type: 't' })
    for (let end = 0; end <= whole.length; end++)
      expect(decodeHead(whole.subarray(0, end)).headers).toBeTypeOf('object')
  })

  it('tells and changes where it was published', () => {
    const before = head({ contentType: 'text/plain', type: 't' })
    expect(originOf(before)).toEqual({ exchange: 'logs', key: 'a.b' })
    const after = withOrigin(before, { exchange: '', key: 'dead' })
    expect(originOf(after)).toEqual({ exchange: '', key: 'dead' })
    expect(decodeHead(after)).toEqual({ ...decodeHead(before), key: 'dead' })
    expect(originOf(Uint8Array.of(1))).toBeUndefined()
    expect(withOrigin(Uint8Array.of(1), { exchange: '', key: '' })).toEqual(Uint8Array.of(1))
  })
})
