import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as here from '../../src/model/bytes.ts'

let inBrowser: typeof here

beforeAll(async () => {
  vi.resetModules()
  vi.stubGlobal('Buffer', undefined)
  inBrowser = await import('../../src/model/bytes.ts')
  vi.unstubAllGlobals()
})
afterAll(() => vi.resetModules())

const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('\ufeffmarked'))

describe('text and bytes without Node', () => {
  it('are another way to the same', () => {
    expect(inBrowser.utf8Text).not.toBe(here.utf8Text)
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = here.utf8Bytes(text)
        expect([...inBrowser.utf8Bytes(text)]).toEqual([...bytes])
        expect(inBrowser.utf8Text(bytes)).toBe(here.utf8Text(bytes))
        expect(inBrowser.utf8Length(text)).toBe(here.utf8Length(text))
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(inBrowser.utf8Text(bytes)).toBe(here.utf8Text(bytes))
        expect(inBrowser.latin1Text(bytes)).toBe(here.latin1Text(bytes))
        expect(inBrowser.base64Text(bytes)).toBe(here.base64Text(bytes))
        expect([...inBrowser.base64Bytes(here.base64Text(bytes))]).toEqual([...bytes])
        expect([...here.base64Bytes(here.base64Text(bytes))]).toEqual([...bytes])
      }),
    )
  })

  it('make of broken base64 what they can', () => {
    fc.assert(fc.property(fc.string(), (text) => inBrowser.base64Bytes(text) instanceof Uint8Array))
  })
})
