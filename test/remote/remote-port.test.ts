import { describe, expect, it } from 'vitest'
import type { Binding, Port, PublishedMessage } from '../../src/broker/port.ts'
import { SpindleError } from '../../src/model/errors.ts'
import type { MessageId, NewMessage, Receipt } from '../../src/model/message.ts'
import { server, turns } from './scripted-port.ts'

const message = (bodyBytes = 3): NewMessage => ({
  content: { body: new Uint8Array(bodyBytes).fill(1), head: new Uint8Array(0) },
})
const id = 'm-1' as MessageId
const receipt = 'r-1' as Receipt
/** What an engine delivers; only what crosses matters here. */
const delivery = (bodyBytes = 3) => ({
  id,
  receipt,
  state: 'leased',
  content: message(bodyBytes).content,
  note: undefined,
})
const record = { key: 'spindle/sqs/q', value: Uint8Array.of(1), expect: 0 }
const binding: Binding = {
  exchange: 't',
  id: 'b',
  target: { kind: 'queue', name: 'q' },
  key: 'a.#',
  headers: { mode: 'any', values: { colour: 'red', raw: Uint8Array.of(1), there: null } },
}
const routed: PublishedMessage = { ...message(), routing: { key: 'a.b', keys: ['c'], headers: { colour: 'red' } } }
const UNSPENT = { kind: 'release', spend: false }

const calls: readonly [string, (port: Port) => Promise<unknown>, readonly unknown[], unknown][] = [
  [
    'declareQueue',
    (port) => port.declareQueue('q', { leaseMs: 5 }),
    ['q', { leaseMs: 5 }],
    { leaseMs: 5, ttlMs: null },
  ],
  ['deleteQueue', (port) => port.deleteQueue('q'), ['q'], true],
  [
    'declareQueue',
    (port) =>
      port.declareQueue('q', {}, { lifetime: { kind: 'idle', idleMs: 5 }, expect: 'absent', records: [record] }),
    ['q', {}, { lifetime: { kind: 'idle', idleMs: 5 }, expect: 'absent', records: [record] }],
    {},
  ],
  ['deleteQueue', (port) => port.deleteQueue('q', { ifEmpty: true }), ['q', { ifEmpty: true }], false],
  [
    'declareExchange',
    (port) => port.declareExchange('t', { kind: 'topic' }),
    ['t', { kind: 'topic' }],
    { kind: 'topic' },
  ],
  ['deleteExchange', (port) => port.deleteExchange('t', { ifUnused: true }), ['t', { ifUnused: true }], false],
  [
    'putBinding',
    (port) => port.putBinding(binding, { records: [record] }),
    [binding, { records: [record] }],
    undefined,
  ],
  ['removeBinding', (port) => port.removeBinding('t', 'b'), ['t', 'b'], true],
  ['listExchanges', (port) => port.listExchanges(), [], [{ exchange: 't', settings: {}, bindings: [binding] }]],
  ['match', (port) => port.match('t', [routed]), ['t', [routed]], [[binding]]],
  [
    'deliver',
    (port) => port.deliver([[{ queue: 'q', message: message() }], []]),
    [[[{ queue: 'q', message: message() }], []]],
    [[{ kind: 'stored', id, sequence: 1 }], []],
  ],
  ['startRedrive', (port) => port.startRedrive({ source: 'q', target: 'r' }), [{ source: 'q', target: 'r' }], {}],
  ['listRedrives', (port) => port.listRedrives('q'), ['q'], []],
  ['cancelRedrive', (port) => port.cancelRedrive('r-1'), ['r-1'], undefined],
  ['append', (port) => port.append('q', [message()]), ['q', [message()]], [{ kind: 'stored', id, sequence: 1 }]],
  ['publish', (port) => port.publish('t', [routed]), ['t', [routed]], [[{ kind: 'duplicate', of: id }]]],
  [
    'settle',
    (port) => port.settle([{ receipt, how: { kind: 'ack', keep: Uint8Array.of(1) }, id }]),
    [[{ receipt, how: { kind: 'ack', keep: Uint8Array.of(1) }, id }]],
    [{ kind: 'settled' }],
  ],
  ['extend', (port) => port.extend([receipt], 5), [[receipt], 5], [{ kind: 'extended', untilMs: 1e13 }]],
  [
    'transact',
    (port) =>
      port.transact(
        [
          { kind: 'append', queue: 'q', message: message() },
          { kind: 'record', key: 'k', value: null, expect: 1 },
          {
            kind: 'count',
            key: 'c',
            by: 1,
            at: 2,
            whenReached: [{ kind: 'publish', exchange: 't', message: message() }],
          },
        ],
        { relaxed: true },
      ),
    [
      [
        { kind: 'append', queue: 'q', message: message() },
        { kind: 'record', key: 'k', value: null, expect: 1 },
        {
          kind: 'count',
          key: 'c',
          by: 1,
          at: 2,
          whenReached: [{ kind: 'publish', exchange: 't', message: message() }],
        },
      ],
      { relaxed: true },
    ],
    [{ kind: 'written', version: 2 }],
  ],
  ['find', (port) => port.find(id), [id], undefined],
  [
    'browse',
    (port) => port.browse({ queue: 'q', states: ['ready'], limit: 10 }),
    [{ queue: 'q', states: ['ready'], limit: 10 }],
    { messages: [], cursor: undefined },
  ],
  ['measure', (port) => port.measure(['q']), [['q']], [{ queue: 'q', ready: 1, oldestReadyAtMs: undefined }]],
  ['purge', (port) => port.purge('q'), ['q'], 7],
  ['read', (port) => port.read('k'), ['k'], { key: 'k', value: Uint8Array.of(1), version: 1 }],
  ['scan', (port) => port.scan('p', { after: 'a', limit: 2 }), ['p', { after: 'a', limit: 2 }], []],
]

describe('a remote port', () => {
  it.each(calls)('carries %s', async (method, call, args, answer) => {
    const { script, connect } = server()
    const { remote } = connect()
    const answered = call(remote)
    const asked = await script.call(method)
    // Options that were not given arrive as undefined.
    expect(asked.args.filter((arg) => arg !== undefined)).toEqual(args)
    asked.answer(answer)
    expect(await answered).toEqual(answer)
  })

  it('hears what the other side tells of itself', async () => {
    const { connect } = server()
    expect(await connect().remote.greeted).toEqual({ generation: 3 })
  })

  it('lets no call wait for another, and sends those of one turn in one write', async () => {
    const { script, connect } = server()
    const { remote, near } = connect()
    await remote.greeted
    const sizes: number[] = []
    const write = near.write.bind(near)
    near.write = ((chunk: Uint8Array) => {
      sizes.push(chunk.length)
      return write(chunk)
    }) as typeof near.write
    const answers = Array.from({ length: 100 }, (_, i) => remote.append(`q-${i}`, [message()]))
    await script.until(() => script.calls.length === 100)
    expect(sizes).toHaveLength(1)
    for (const call of script.calls.reverse()) call.answer([{ kind: 'stored', id: call.args[0], sequence: 1 }])
    const ids = (await Promise.all(answers)).map(([outcome]) => (outcome?.kind === 'stored' ? outcome.id : undefined))
    expect(ids).toEqual(Array.from({ length: 100 }, (_, i) => `q-${i}`))
  })

  it('rejects with the same error as a local port would', async () => {
    const { script, connect } = server()
    const { remote } = connect()
    const fault = new SpindleError('no-such-queue', "bind 't' to 'q'")
    const answered = remote.putBinding(binding)
    ;(await script.call()).fail(fault)
    const error = await answered.catch((error: unknown) => error)
    expect(error).toBeInstanceOf(SpindleError)
    expect(error).toMatchObject({ code: 'no-such-queue', message: fault.message })
    const broken = remote.purge('q')
    ;(await script.call()).fail(new TypeError('oops'))
    await expect(broken).rejects.toThrow('the owner of the store failed: oops')
  })

  it('leases under the name of its client, and under no other than the one a call names', async () => {
    const { script, connect } = server()
    const { remote } = connect('client-9')
    void remote.receive({ queue: 'q', max: 1 })
    void remote.receive({ queue: 'q', max: 1, lease: { kind: 'clock', leaseMs: 7 } })
    void remote.receive({ queue: 'q', max: 1, lease: { kind: 'holder', holder: 'channel-1' } })
    await script.until(() => script.calls.length === 3)
    expect(script.calls.map(({ args }) => (args[0] as { lease: unknown }).lease)).toEqual([
      { kind: 'clock', holder: 'client-9' },
      { kind: 'clock', leaseMs: 7, holder: 'client-9' },
      { kind: 'holder', holder: 'channel-1' },
    ])
  })

  it('keeps its holder alive while it is connected', async () => {
    const { script, clock, connect } = server()
    await connect('client-1').remote.greeted
    await connect('client-2').remote.greeted
    await clock.advance(30_000)
    const renewed = script.holderCalls.filter(([method]) => method === 'renewHolder').map(([, holder]) => holder)
    expect(renewed).toEqual(['client-1', 'client-2', 'client-1', 'client-2', 'client-1', 'client-2'])
  })

  it('answers [] to an aborted receive at once, and gives back unspent what is delivered all the same', async () => {
    const { script, connect } = server()
    const { remote } = connect()
    const controller = new AbortController()
    const received = remote.receive({ queue: 'q', max: 1, waitMs: 1_000 }, controller.signal)
    const call = await script.call('receive')
    controller.abort()
    expect(await received).toEqual([])
    await turns()
    expect(call.signal?.aborted).toBe(true)
    call.answer([delivery()])
    expect((await script.call('settle')).args).toEqual([[{ receipt, how: UNSPENT }]])
  })

  it('hands over what left at-most-once, also after an abort', async () => {
    const { script, connect } = server()
    const { remote } = connect()
    const controller = new AbortController()
    const received = remote.receive({ queue: 'q', max: 1, settleOnDelivery: true }, controller.signal)
    const call = await script.call('receive')
    controller.abort()
    call.answer([delivery()])
    expect(await received).toHaveLength(1)
  })

  it('sends nothing for a receive that was aborted before', async () => {
    const { script, connect } = server()
    const { remote } = connect()
    expect(await remote.receive({ queue: 'q', max: 1 }, AbortSignal.abort())).toEqual([])
    await turns()
    expect(script.calls).toEqual([])
  })

  it('hears a channel as often as it listens, and no more once it stopped', async () => {
    const { script, connect } = server()
    const { remote } = connect()
    const heard: string[] = []
    const listen = (name: string): (() => void) => remote.listen('c', (data) => heard.push(`${name}${data[0]}`))
    const [endA, endB] = [listen('a'), listen('b')]
    await script.until(() => script.channels.has('c'))
    remote.announce('c', Uint8Array.of(1))
    await script.until(() => script.announced.length === 1)
    await turns()
    endA()
    script.port.announce('c', Uint8Array.of(2))
    await turns()
    expect(heard).toEqual(['a1', 'b1', 'b2'])
    endB()
    await script.until(() => script.channels.get('c')?.size === 0)
  })

  it('splits a batch that would outgrow a frame, and joins the answers', async () => {
    const { script, connect } = server()
    const { remote } = connect()
    const answered = remote.append(
      'q',
      Array.from({ length: 5 }, () => message(8 * 1024 * 1024)),
    )
    for (let batch = 1; batch <= 3; batch++) {
      const call = await script.call('append')
      call.answer((call.args[1] as unknown[]).map(() => ({ kind: 'stored', id: `in-${batch}`, sequence: batch })))
    }
    const ids = (await answered).map((outcome) => (outcome.kind === 'stored' ? outcome.id : undefined))
    expect(ids).toEqual(['in-1', 'in-1', 'in-2', 'in-2', 'in-3'])
  })

  it('refuses a call that outgrows a frame and goes on', async () => {
    const { script, connect } = server({ frameBytesMax: 1_000 })
    const { remote } = connect()
    await expect(remote.append('q', [message(2_000)])).rejects.toMatchObject({ code: 'too-large' })
    void remote.purge('q')
    await script.call('purge')
  })
})

describe('a remote port whose other side is gone', () => {
  it('does not know what became of writes, and may repeat the rest', async () => {
    const { script, connect } = server()
    const { remote, far } = connect()
    const write = remote.append('q', [message()])
    const settle = remote.settle([{ receipt, how: { kind: 'ack' } }])
    const read = remote.read('k')
    const wait = remote.receive({ queue: 'q', max: 1, waitMs: 1_000 })
    await script.until(() => script.calls.length === 4)
    far.destroy()
    const codes = await Promise.all([write, settle, read, wait].map((call) => call.catch((fault) => fault.code)))
    expect(codes).toEqual(['outcome-unknown', 'outcome-unknown', 'closed', 'closed'])
    expect(await remote.ended).toEqual({ kind: 'gone' })
    await expect(remote.append('q', [message()])).rejects.toMatchObject({ code: 'closed' })
  })

  it('knows that what was unanswered at its good-bye had no effect', async () => {
    const { script, connect } = server()
    const { remote, peer } = connect()
    const first = remote.append('q', [message()])
    const call = await script.call('append')
    const wait = remote.receive({ queue: 'q', max: 1, waitMs: 1_000 })
    const waiting = await script.call('receive')
    const drained = peer.drain()
    const late = expect(remote.append('q', [message()])).rejects.toMatchObject({ code: 'closed' })
    const unanswered = expect(wait).rejects.toMatchObject({ code: 'closed' })
    await turns()
    expect(waiting.signal?.aborted).toBe(true)
    waiting.answer([])
    call.answer([{ kind: 'stored', id, sequence: 1 }])
    expect(await first).toMatchObject([{ kind: 'stored' }])
    await Promise.all([late, unanswered, drained])
    expect(script.calls).toEqual([])
    expect(script.holderCalls.filter(([method]) => method === 'releaseHolder')).toEqual([])
  })
})

describe('closing a remote port', () => {
  it('ends its waits with [], lets open calls finish, and gives its leases back unspent', async () => {
    const { script, connect } = server()
    const { remote } = connect('client-1')
    const wait = remote.receive({ queue: 'q', max: 1, waitMs: 60_000 })
    const waiting = await script.call('receive')
    const write = remote.append('q', [message()])
    const call = await script.call('append')
    const closed = remote.close()
    await turns()
    expect(waiting.signal?.aborted).toBe(true)
    waiting.answer([])
    expect(await wait).toEqual([])
    expect(script.holderCalls.some(([method]) => method === 'releaseHolder')).toBe(false)
    call.answer([{ kind: 'stored', id, sequence: 1 }])
    expect(await write).toHaveLength(1)
    await closed
    expect(script.holderCalls.at(-1)).toEqual(['releaseHolder', 'client-1', { spend: false }])
    await expect(remote.read('k')).rejects.toMatchObject({ code: 'closed' })
  })

  it('does not wait for ever for an owner that is stopped', async () => {
    const { script, clock, connect } = server()
    const { remote } = connect()
    const write = expect(remote.append('q', [message()])).rejects.toMatchObject({ code: 'outcome-unknown' })
    await script.call('append')
    const closed = remote.close()
    await clock.advance(2_000)
    await closed
    await write
  })
})
