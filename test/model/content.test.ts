import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBody, decodeHead, encodeContent, encodeJsonContent } from '../../src/model/content.ts'

const headerValue = fc.oneof(
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
  fc.boolean(),
  fc.uint8Array({ maxLength: 20 }),
)
const headers = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '$bytes')), headerValue)

describe('the content of a message', () => {
  it('comes back as it was sent', () => {
    const body = fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array(), fc.jsonValue())
    fc.assert(
      fc.property(body, fc.option(fc.string(), { nil: undefined }), headers, (sent, type, given) => {
        const content = encodeContent(sent, { ...(type === undefined ? {} : { type }), headers: given })
        const head = decodeHead(content.head)
        const received = decodeBody(head.kind, content.body)
        if (typeof sent === 'string') expect(received).toBe(Buffer.from(sent).toString())
        else if (sent instanceof Uint8Array) expect(received).toEqual(sent)
        else expect(JSON.stringify(received)).toBe(JSON.stringify(sent))
        expect(head.type).toBe(type === undefined ? undefined : JSON.parse(JSON.stringify(type)))
        expect(Object.keys(head.headers).sort()).toEqual(Object.keys(given).sort())
        for (const [name, value] of Object.entries(given))
          expect(Object.entries(head.headers)).toContainEqual([name, value])
      }),
    )
  })

  it('shares one head among all that say nothing about themselves', () => {
    expect(encodeContent({ a: 1 }).head).toBe(encodeContent([2]).head)
    expect(encodeJsonContent(1, { type: 'mail' }).head).toBe(encodeJsonContent(2, { type: 'mail' }).head)
    expect([...encodeContent('text').head, ...encodeContent(new Uint8Array(3)).head]).toEqual([1, 0])
  })

  it('carries undefined as no body at all', () => {
    const { head, body } = encodeJsonContent(undefined, {})
    expect(body).toHaveLength(0)
    expect(decodeBody(decodeHead(head).kind, body)).toBeUndefined()
  })

  it('keeps a header named __proto__ a header', () => {
    const head = Buffer.concat([
      Uint8Array.of(2),
      Buffer.from('{"headers":{"__proto__":{"$bytes":"AQI="},"x":{"evil":1}}}'),
    ])
    const decoded = decodeHead(head)
    expect(Object.getPrototypeOf(decoded.headers)).toBeNull()
    expect(Object.entries(decoded.headers)).toEqual([['__proto__', Uint8Array.of(1, 2)]])
    expect(Object.isFrozen(decoded.headers)).toBe(true)
  })

  it('reads any head without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (head) => {
        expect(['bytes', 'text', 'json']).toContain(decodeHead(head).kind)
      }),
    )
    expect(decodeHead(Uint8Array.of(2, ...Buffer.from('[1]')))).toMatchObject({ kind: 'json', type: undefined })
    expect(decodeHead(Uint8Array.of(9))).toMatchObject({ kind: 'bytes' })
  })

  it('carries the types and system attributes of a front end', () => {
    const names = { ...JSON.parse('{"__proto__":"Number"}'), note: 'String.json' } as Record<string, string>
    const head = decodeHead(encodeContent('x', { attributeTypes: names, system: { trace: 'Root=1' } }).head)
    expect(Object.entries(head.attributeTypes)).toEqual([
      ['__proto__', 'Number'],
      ['note', 'String.json'],
    ])
    expect(Object.entries(head.system)).toEqual([['trace', 'Root=1']])
    expect(Object.keys(decodeHead(new Uint8Array(0)).system)).toEqual([])
  })

  it('refuses what JSON cannot carry', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    for (const body of [1n, Symbol('x'), () => 1, cycle]) {
      expect(() => encodeContent(body)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    }
    expect(() => encodeContent(1, { headers: { n: Number.NaN } })).toThrow("header 'n'")
    expect(() => decodeBody('json', Buffer.from('{'))).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})
