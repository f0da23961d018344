import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameDecoder } from '../../src/wire/remote/decoder.ts'
import { FrameError } from '../../src/wire/remote/fault.ts'
import { encodeFrame, type Frame } from '../../src/wire/remote/frame.ts'

const bytesOf = (...frames: readonly Frame[]): Uint8Array => Buffer.concat(frames.map((frame) => encodeFrame(frame)))

function decodeAll(chunks: readonly Uint8Array[], frameBytesMax?: number): Frame[] {
  const decoder = new FrameDecoder(frameBytesMax)
  const frames: Frame[] = []
  for (const chunk of chunks) decoder.push(chunk, (frame) => frames.push(frame))
  return frames
}

/** A frame whose body is these bytes. */
const raw = (...body: readonly number[]): Uint8Array => Uint8Array.from([0, 0, 0, body.length, ...body])

const transcript: readonly Frame[] = [
  { kind: 'hello', version: 1, name: 'client-1', facts: { pid: 7 } },
  {
    kind: 'request',
    id: 1,
    method: 'append',
    args: ['orders', [{ content: { body: Uint8Array.of(1, 2, 3), head: new Uint8Array(0) }, priority: 9 }]],
  },
  { kind: 'ok', id: 1, value: [{ kind: 'stored', id: 'abc', sequence: 2 ** 40 + 1 }] },
  { kind: 'ok', id: 2, value: undefined },
  { kind: 'error', id: 3, code: 'stale', message: 'é ☃ 😀' },
  { kind: 'cancel', id: 4 },
  { kind: 'listen', channel: 'message/abc' },
  { kind: 'event', channel: 'message/abc', data: new Uint8Array(300).fill(7) },
  { kind: 'unlisten', channel: 'message/abc' },
  { kind: 'bye', code: 'closed', message: 'good-bye' },
]

describe('remote frames', () => {
  it('have these bytes', () => {
    expect(Buffer.from(bytesOf({ kind: 'cancel', id: 4 })).toString('hex')).toBe('00000003920404')
    expect(Buffer.from(bytesOf({ kind: 'listen', channel: 'a' })).toString('hex')).toBe('000000049205a161')
    expect(Buffer.from(bytesOf({ kind: 'request', id: 300, method: 'read', args: ['k'] })).toString('hex')).toBe(
      '0000000d9401cd012ca47265616491a16b',
    )
  })

  it('come out as they went in, split at every point of the stream, and at several', () => {
    const stream = bytesOf(...transcript)
    for (let first = 0; first <= stream.length; first++) {
      expect(decodeAll([stream.subarray(0, first), stream.subarray(first)])).toEqual(transcript)
    }
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 40 }), (cuts) => {
        const points = [0, ...cuts.sort((a, b) => a - b), stream.length]
        const chunks = points.slice(1).map((end, i) => stream.subarray(points[i], end))
        expect(decodeAll(chunks)).toEqual(transcript)
      }),
    )
  })

  it('come out byte by byte', () => {
    const stream = bytesOf(...transcript)
    expect(decodeAll(Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(transcript)
  })

  it('carry any plain data', () => {
    const plain = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, undefined, true, false),
        fc.integer(),
        fc.maxSafeInteger(),
        // Whole numbers cross as integers, which know no -0.
        fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
        fc.string({ unit: 'binary' }),
        fc.uint8Array(),
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          tie('value'),
          { maxKeys: 5, noNullPrototype: true },
        ),
      ),
    })).value
    fc.assert(
      fc.property(plain, (value) => {
        expect(decodeAll([bytesOf({ kind: 'ok', id: 1, value })])).toEqual([{ kind: 'ok', id: 1, value }])
      }),
    )
  })

  it('give bodies of their own, plain Uint8Arrays that do not hold the chunk they came in', () => {
    const [frame] = decodeAll([bytesOf({ kind: 'event', channel: 'c', data: Uint8Array.of(1, 2) })])
    if (frame?.kind !== 'event') throw new Error('expected an event')
    expect(frame.data.constructor).toBe(Uint8Array)
    expect(frame.data.buffer.byteLength).toBe(2)
  })

  it('cannot set a prototype', () => {
    const body = [0x93, 0x02, 0x01, 0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x78, 0x01]
    const [frame] = decodeAll([raw(...body)])
    if (frame?.kind !== 'ok') throw new Error('expected an answer')
    expect(Object.getPrototypeOf(frame.value)).toBe(Object.prototype)
    expect((frame.value as { x?: unknown }).x).toBeUndefined()
  })

  it('are refused over the size limit, before their body is there, and when they are made', () => {
    expect(() => decodeAll([Uint8Array.of(0, 0, 1, 1)], 256)).toThrow('claims 257 bytes; the limit is 256')
    expect(() => decodeAll([Uint8Array.of(0, 0, 0, 0)])).toThrow(FrameError)
    const event: Frame = { kind: 'event', channel: 'c', data: new Uint8Array(300) }
    expect(() => encodeFrame(event, 256)).toThrow('over the limit of 256 bytes')
  })

  it.each([
    ['a list that claims four billion entries', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a map that claims four billion entries', [0x93, 0x02, 0x01, 0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['a string longer than the frame', [0x92, 0x05, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ['a record definition', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]],
    ['a date', [0x93, 0x02, 0x01, 0xd6, 0xff, 0, 0, 0, 0]],
    ['a 64-bit integer', [0x92, 0x04, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1]],
    ['bytes after the value', [0x92, 0x04, 0x01, 0xc0]],
    ['a value that is no list', [0x01]],
    ['an unknown kind', [0x92, 0x63, 0x01]],
    ['a request without arguments', [0x93, 0x01, 0x01, 0xa1, 0x61]],
    ['a negative id', [0x92, 0x04, 0xff]],
    ['nothing where a header should go on', [0x92, 0x05, 0xda, 0x00]],
    ['lists too deep', Array.from({ length: 200 }, () => 0x91)],
  ])('are refused with %s', (_, body) => {
    expect(() => decodeAll([raw(...body)])).toThrow(FrameError)
  })

  it('are handed over up to the first bad one, and none after it', () => {
    const good = bytesOf({ kind: 'cancel', id: 1 })
    const decoder = new FrameDecoder()
    const seen: Frame[] = []
    const push = (chunk: Uint8Array): void => decoder.push(chunk, (frame) => seen.push(frame))
    expect(() => push(Buffer.concat([good, raw(0xc1), good]))).toThrow(FrameError)
    expect(() => push(good)).toThrow(FrameError)
    expect(seen).toEqual([{ kind: 'cancel', id: 1 }])
  })

  it('never make the decoder throw anything but FrameError, whatever the bytes', () => {
    const stream = bytesOf(...transcript)
    const flips = fc.array(fc.tuple(fc.nat(stream.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(flips, (changes) => {
        const mutated = Uint8Array.from(stream)
        for (const [at, byte] of changes) mutated[at] = byte
        try {
          decodeAll([mutated])
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
