import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Receipt } from '../../src/model/message.ts'
import { FrameDecoder } from '../../src/wire/remote/decoder.ts'
import { encodeFrame, type Frame, PROTOCOL_VERSION } from '../../src/wire/remote/frame.ts'
import { server, turns } from './scripted-port.ts'

const HELLO: Frame = { kind: 'hello', version: PROTOCOL_VERSION, name: 'raw', facts: {} }
const UNSPENT = { kind: 'release', spend: false }
const delivery = (receipt: string, bodyBytes = 3) => ({
  receipt: receipt as Receipt,
  content: { body: new Uint8Array(bodyBytes), head: new Uint8Array(0) },
})

const send = (stream: Duplex, ...frames: readonly Frame[]): void => {
  stream.write(Buffer.concat(frames.map((frame) => encodeFrame(frame))))
}

/** Everything the server says until it ends. */
async function heardUntilEnd(stream: Duplex): Promise<Frame[]> {
  const decoder = new FrameDecoder()
  const frames: Frame[] = []
  stream.on('data', (chunk: Uint8Array) => decoder.push(chunk, (frame) => frames.push(frame)))
  await once(stream, 'end')
  stream.end()
  return frames
}

describe('a served peer', () => {
  it.each([
    ['noise', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a frame of no known kind', Buffer.from([0, 0, 0, 2, 0x91, 0x63])],
    ['a request before its greeting', encodeFrame({ kind: 'request', id: 1, method: 'purge', args: ['q'] })],
    ['an answer', Buffer.concat([HELLO, { kind: 'ok', id: 1, value: 1 } as const].map((frame) => encodeFrame(frame)))],
    ['another version', encodeFrame({ ...HELLO, version: 99 })],
  ])('that sends %s is told so and closed, and the port hears nothing', async (_, bytes) => {
    const { script, connectRaw } = server()
    const { near, peer } = connectRaw()
    const heard = heardUntilEnd(near)
    near.write(bytes)
    expect((await heard).at(-1)).toMatchObject({ kind: 'bye', code: 'protocol' })
    await peer.ended
    expect(script.calls).toEqual([])
  })

  it('that never greets is closed', async () => {
    const { clock, connectRaw } = server()
    const { near, peer } = connectRaw()
    const heard = heardUntilEnd(near)
    await clock.advance(10_000)
    expect(await heard).toMatchObject([{ kind: 'bye', code: 'protocol' }])
    await peer.ended
    expect(clock.armedTimers).toBe(0)
  })

  it('that stops in the middle of a frame, at whatever byte, leaves nothing behind', async () => {
    const request: Frame = { kind: 'request', id: 1, method: 'purge', args: ['q'] }
    const stream = Buffer.concat([HELLO, request].map((frame) => encodeFrame(frame)))
    const { script, connectRaw } = server()
    for (let length = 0; length < stream.length; length++) {
      const { near, peer } = connectRaw()
      near.write(stream.subarray(0, length))
      await turns(3)
      near.destroy()
      await peer.ended
    }
    expect(script.calls).toEqual([])
    expect(script.channels.size).toBe(0)
    const count = (method: string): number => script.holderCalls.filter(([called]) => called === method).length
    expect(count('releaseHolder')).toBe(count('renewHolder'))
    expect(count('releaseHolder')).toBeGreaterThan(0)
  })

  it.each([
    ['append', ['q', [{ content: { body: 'text', head: new Uint8Array(0) } }]], 'content.body must be bytes'],
    ['append', ['q', null], 'messages must be a list'],
    ['append', [7, []], 'queue must be a string'],
    [
      'append',
      ['q', [{ content: { body: new Uint8Array(0), head: new Uint8Array(0) }, delayMs: Number.NaN }]],
      'delayMs must be a finite number',
    ],
    ['settle', [[{ receipt: 'r', how: { kind: 'eat' } }]], 'how.kind must be ack, release or bury'],
    [
      'transact',
      [
        [
          {
            kind: 'count',
            key: 'k',
            by: 1,
            at: 1,
            whenReached: [{ kind: 'count', key: 'k', by: 1, at: 1, whenReached: [] }],
          },
        ],
      ],
      'steps other than count',
    ],
    ['receive', [{ queue: 'q', max: 1, lease: { kind: 'clock', holder: 7 } }], 'holder must be a string'],
    ['receive', [{ queue: 'q', max: 1, from: { kind: 'ids', ids: [7] } }], 'ids must be a string'],
    ['extend', ['r', 1], 'receipts must be a list'] as const,
    ['scan', ['p'], 'scan options must be an object'],
  ])('that calls %s with %j is refused before the port hears of it', async (method, args, why) => {
    const { script, connectRaw } = server()
    const { near } = connectRaw()
    const heard = heardUntilEnd(near)
    send(near, HELLO, { kind: 'request', id: 1, method, args }, { kind: 'bye', code: 'closed', message: '' })
    const answer = (await heard).find(({ kind }) => kind === 'error')
    expect(answer).toMatchObject({ id: 1, code: 'invalid-argument', message: expect.stringContaining(why) })
    expect(script.calls).toEqual([])
  })

  it.each(['close', 'constructor', '__proto__', 'toString', 'nonsense'])('cannot call %s', async (method) => {
    const { connectRaw } = server()
    const { near } = connectRaw()
    const heard = heardUntilEnd(near)
    send(near, HELLO, { kind: 'request', id: 1, method, args: [] }, { kind: 'bye', code: 'closed', message: '' })
    expect((await heard).find(({ kind }) => kind === 'error')).toMatchObject({ id: 1, code: 'protocol' })
  })

  it('that dies ends its waits, what was just delivered goes back unspent, and only then its leases end', async () => {
    const { script, connect } = server()
    const { remote, peer, near } = connect('client-1')
    remote.receive({ queue: 'q', max: 1, waitMs: 60_000 }).catch(() => {})
    const call = await script.call('receive')
    near.destroy()
    await turns()
    expect(call.signal?.aborted).toBe(true)
    call.answer([delivery('r-1')])
    const settle = await script.call('settle')
    expect(settle.args).toEqual([[{ receipt: 'r-1', how: UNSPENT }]])
    expect(script.holderCalls.map(([method]) => method)).toEqual(['renewHolder'])
    settle.answer([{ kind: 'settled' }])
    await peer.ended
    expect(script.holderCalls.at(-1)).toEqual(['releaseHolder', 'client-1', { spend: true }])
  })

  it('that is back before its old connection was seen to end keeps its leases', async () => {
    const { script, connect } = server()
    const old = connect('client-1')
    await old.remote.greeted
    const next = connect('client-1')
    await next.remote.greeted
    old.near.destroy()
    await old.peer.ended
    expect(script.holderCalls.map(([method]) => method)).toEqual(['renewHolder', 'renewHolder'])
    next.near.destroy()
    await next.peer.ended
    expect(script.holderCalls.at(-1)).toEqual(['releaseHolder', 'client-1', { spend: true }])
  })

  it('gets fewer deliveries when all of them outgrow a frame; the rest go back unspent', async () => {
    const { script, connect } = server({ frameBytesMax: 1_000 })
    const { remote } = connect()
    const received = remote.receive({ queue: 'q', max: 4 })
    const call = await script.call('receive')
    call.answer(['r-1', 'r-2', 'r-3', 'r-4'].map((receipt) => delivery(receipt, 300)))
    expect((await received).map(({ receipt }) => receipt)).toEqual(['r-1', 'r-2'])
    const settle = await script.call('settle')
    expect(settle.args).toEqual([['r-3', 'r-4'].map((receipt) => ({ receipt, how: UNSPENT }))])
  })

  it('is told when an answer outgrows a frame, and the connection goes on', async () => {
    const { script, connect } = server({ frameBytesMax: 1_000 })
    const { remote } = connect()
    const read = remote.read('k')
    ;(await script.call('read')).answer({ key: 'k', value: new Uint8Array(2_000), version: 1 })
    await expect(read).rejects.toMatchObject({ code: 'too-large' })
    const purge = remote.purge('q')
    ;(await script.call('purge')).answer(3)
    expect(await purge).toBe(3)
  })

  it('that does not read its answers is not read from', async () => {
    const { script, connectRaw } = server()
    const { near } = connectRaw()
    send(near, HELLO)
    const value = { key: 'k', value: new Uint8Array(256 * 1024), version: 1 }
    let id = 0
    let answered = 0
    for (let round = 0; round < 50; round++) {
      send(near, { kind: 'request', id: ++id, method: 'read', args: ['k'] })
      await turns(3)
      for (const call of script.calls.splice(0)) {
        call.answer(value)
        answered++
      }
      await turns(3)
    }
    expect(answered).toBeLessThan(10)
    near.resume()
    while (answered < 50) {
      const call = await script.call('read')
      call.answer(value)
      answered++
    }
  })
})
