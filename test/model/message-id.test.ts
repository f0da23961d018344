import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatId, parseId, storeTag } from '../../src/model/message-id.ts'

const tags = fc.uint8Array({ minLength: 8, maxLength: 8 }).map(storeTag)

describe('message ids', () => {
  it('are UUIDs of version 8 that lead back to their counter', () => {
    fc.assert(
      fc.property(tags, fc.maxSafeNat(), (tag, n) => {
        const id = formatId(tag, n)
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
        expect(parseId(tag, id)).toBe(n)
      }),
    )
  })

  it('sort as their counters', () => {
    fc.assert(
      fc.property(tags, fc.maxSafeNat(), fc.maxSafeNat(), (tag, a, b) => {
        expect(formatId(tag, a) < formatId(tag, b)).toBe(a < b)
      }),
    )
  })

  it('are not read from another store, nor from anything else', () => {
    const tag = storeTag(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    const id = formatId(tag, 77)
    expect(id).toBe('01020304-0506-8708-8000-00000000004d')
    expect(parseId(storeTag(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9)), id)).toBeUndefined()
    const wrong = [id.toUpperCase(), `${id}0`, id.slice(0, -1), '', id.replace(/d$/, 'g'), `${tag}fff-ffffffffffff`]
    for (const other of wrong) expect(parseId(tag, other)).toBeUndefined()
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseId(tag, text)).toBeUndefined()
      }),
    )
  })
})
