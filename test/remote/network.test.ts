import { once } from 'node:events'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { type OpenOptions, open, type Spindle, SpindleError } from '../../src/index.ts'
import type { Grant } from '../../src/model/access.ts'
import { FrameDecoder } from '../../src/wire/remote/decoder.ts'
import { encodeFrame, type Frame } from '../../src/wire/remote/frame.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'
import { Cable } from './cable.ts'

const TOKEN = 'token-of-the-test-0123456789'

async function started(settings: Parameters<typeof testServer>[0] = {}): Promise<TestServer> {
  const server = await testServer(settings)
  onTestFinished(() => server.close())
  return server
}

async function opened(url: string, options: OpenOptions = {}): Promise<Spindle> {
  const spindle = await open(url, options)
  onTestFinished(() => spindle.close())
  return spindle
}

async function userOf(server: TestServer, grants: readonly Grant[], token = TOKEN): Promise<string> {
  await server.users.put('ann', { grants, tokens: [token], password: 'pass-of-ann' })
  return token
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'resolved'
  } catch (fault) {
    return fault instanceof SpindleError ? fault.code : String(fault)
  }
}

describe('a client of a server', () => {
  it('sends, receives, settles, publishes and commits as in one process', async () => {
    const server = await started()
    const spindle = await opened(server.url)
    const queue = await spindle.queue<{ n: number }>('orders', { leaseMs: 60_000 })
    const topic = await spindle.topic<string>('news')
    await topic.bind(await spindle.queue<string>('readers'))
    await queue.sendMany(Array.from({ length: 500 }, (_, n) => ({ body: { n } })))
    await topic.publish('hello')
    const got: number[] = []
    while (got.length < 500) {
      const messages = await queue.receive({ max: 100, waitMs: 5_000 })
      got.push(...messages.map(({ body }) => body.n))
      for (const message of messages) expect(await message.ack()).toEqual({ kind: 'settled' })
    }
    expect(got).toEqual(Array.from({ length: 500 }, (_, n) => n))
    expect((await server.port.measure(['readers']))[0]).toMatchObject({ ready: 1 })
    await spindle.transaction((transaction) => {
      transaction.send(queue, { n: 1 })
      transaction.store('mine', { a: 1 })
    })
    expect(await spindle.load('mine')).toMatchObject({ value: { a: 1 } })
  })

  it('waits for what another client sends', async () => {
    const server = await started()
    const [a, b] = [await opened(server.url), await opened(server.url)]
    const queue = await a.queue<string>('q')
    const waiting = queue.receive({ waitMs: 20_000 })
    await (await b.queue<string>('q')).send('come')
    expect((await waiting).map(({ body }) => body)).toEqual(['come'])
  })

  it('carries bodies of many megabytes, in both directions and at once', async () => {
    const server = await started({ limits: { messageBytesMax: 16 * 1_048_576 } })
    const spindle = await opened(server.url)
    const queue = await spindle.queue<Uint8Array>('big')
    const bodies = [3, 9, 14].map((megabytes) => new Uint8Array(megabytes * 1_048_576).fill(megabytes))
    await Promise.all(bodies.map((body) => queue.send(body)))
    const sizes: number[] = []
    while (sizes.length < 3) {
      for (const message of await queue.receive({ max: 3, waitMs: 5_000 })) {
        sizes.push(message.body.length)
        await message.ack()
      }
    }
    expect(sizes.toSorted((x, y) => x - y)).toEqual(bodies.map(({ length }) => length))
  })

  it('is told when nobody answers, after its patience', async () => {
    const fault = await open('http://127.0.0.1:1', { patienceMs: 200 }).catch((thrown: unknown) => thrown)
    expect(fault).toMatchObject({ code: 'unreachable' })
    expect(String(fault)).toContain('ECONNREFUSED')
    expect(String(fault)).toContain('http://127.0.0.1:1')
  })

  it('is told at once that a server speaks something else', async () => {
    const other = createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
    })
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => void other.close())
    const { port } = other.address() as { port: number }
    expect(await codeOf(open(`http://127.0.0.1:${port}`))).toBe('protocol')
  })

  it('hears from a server of another version which side is the older one', async () => {
    const server = await started()
    const bye = async (version: number): Promise<Frame | undefined> => {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/connect`)
      await once(socket, 'open')
      const frames: Frame[] = []
      const decoder = new FrameDecoder()
      socket.on('message', (data: Buffer) => decoder.push(data, (frame) => frames.push(frame)))
      socket.send(encodeFrame({ kind: 'hello', version, name: 'raw', facts: {} }))
      await once(socket, 'close')
      return frames.at(-1)
    }
    expect(await bye(1)).toMatchObject({ kind: 'bye', code: 'protocol', message: expect.stringContaining('too old') })
    expect(await bye(99)).toMatchObject({ kind: 'bye', code: 'protocol', message: expect.stringContaining('too new') })
  })

  it('goes on after its connection is cut: waits are resumed, leases kept, new calls answered', async () => {
    const server = await started()
    const cable = new Cable(server.url)
    const spindle = await opened(await cable.listen())
    const queue = await spindle.queue<string>('q', { leaseMs: 600_000 })
    await queue.send('held')
    const [held] = await queue.receive()
    const waiting = queue.receive({ waitMs: 30_000 })
    cable.cut()
    await server.port.append('q', [{ content: { body: Buffer.from('later'), head: new Uint8Array(0) } }])
    expect(await waiting).toHaveLength(1)
    expect(await held?.ack()).toEqual({ kind: 'settled' })
    await queue.send('after')
  })

  it('tells listeners after a cut that they may have missed something, and only then', async () => {
    const server = await started()
    const cable = new Cable(server.url)
    const spindle = await opened(await cable.listen())
    const heard: string[] = []
    const told = (wanted: string): Promise<void> =>
      new Promise((resolve) => {
        const end = spindle.port.listen(
          'news',
          (data) => {
            heard.push(Buffer.from(data).toString())
            if (wanted === 'news') resolve(end())
          },
          () => {
            heard.push('missed')
            if (wanted === 'missed') resolve(end())
          },
        )
      })
    const missed = told('missed')
    cable.cut()
    await missed
    const news = told('news')
    await spindle.measure()
    server.port.announce('news', Buffer.from('after'))
    await news
    expect(heard).toEqual(['missed', 'after'])
  })

  it('does not know what became of a send that was not answered', async () => {
    const server = await started()
    const cable = new Cable(server.url)
    const spindle = await opened(await cable.listen())
    const queue = await spindle.queue<string>('q')
    cable.swallow()
    const send = queue.send('where')
    await new Promise((resolve) => setImmediate(resolve))
    cable.cut()
    expect(await codeOf(send)).toBe('outcome-unknown')
  })

  it('moves to the next server when one drains, with its waits', async () => {
    const first = await started()
    const second = await started()
    const cable = new Cable(first.url)
    const spindle = await opened(await cable.listen())
    const queue = await spindle.queue<string>('q')
    await second.port.declareQueue('q', {})
    const waiting = queue.receive({ waitMs: 30_000 })
    await queue.measure()
    cable.leadTo(second.url)
    await first.stop(5_000)
    await second.port.append('q', [{ content: { body: Buffer.from('there'), head: new Uint8Array(0) } }])
    expect(await waiting).toHaveLength(1)
  })

  it('gives its leases back unspent when it closes', async () => {
    const server = await started()
    const spindle = await open(server.url)
    const queue = await spindle.queue<string>('q', { leaseMs: 600_000 })
    await queue.send('m')
    expect(await queue.receive()).toHaveLength(1)
    await spindle.close()
    const [again] = await server.port.receive({ queue: 'q', max: 1, waitMs: 5_000 })
    expect(again).toMatchObject({ attempts: 1, deliveries: 2 })
    expect(await codeOf(queue.send('x'))).toBe('closed')
  })
})

describe('a server with users', () => {
  it('asks who one is, and takes a token, a password, or either in the URL', async () => {
    const server = await started()
    await userOf(server, [{ verbs: ['admin'], resources: ['*'] }])
    expect(await codeOf(open(server.url))).toBe('not-authenticated')
    expect(await codeOf(open(server.url, { auth: { token: 'wrong-token-0123456789' } }))).toBe('not-authenticated')
    expect(await codeOf(open(server.url, { auth: { user: 'ann', password: 'wrong' } }))).toBe('not-authenticated')
    for (const options of [{ auth: { token: TOKEN } }, { auth: { user: 'ann', password: 'pass-of-ann' } }]) {
      await (await opened(server.url, options)).queue('q')
    }
    for (const who of [TOKEN, 'ann:pass-of-ann']) {
      const spindle = await opened(server.url.replace('//', `//${who}@`))
      await spindle.queue('q')
      expect(spindle.url).toBe(server.url)
    }
  })

  it('lets each do what is granted and nothing else', async () => {
    const server = await started()
    await server.port.declareQueue('mail', {})
    await server.port.declareQueue('other', {})
    await server.port.declareExchange('news', { kind: 'fanout' })
    const token = await userOf(server, [{ verbs: ['read', 'write'], resources: ['mail', 'record:mail/*'] }])
    const spindle = await opened(server.url, { auth: { token } })
    // There already, just so: a program may say what it needs.
    const mail = await spindle.queue<string>('mail')
    await mail.send('m')
    const [message] = await mail.receive()
    expect(await message?.ack()).toEqual({ kind: 'settled' })
    const denied = [
      spindle.queue('mail', { attemptsMax: 9 }),
      spindle.queue('new'),
      spindle.queue('other'),
      spindle.topic('news'),
      spindle.port.publish('news', []),
      spindle.port.receive({ queue: 'other', max: 1 }),
      spindle.port.browse({ queue: 'other', states: ['ready'], limit: 1 }),
      spindle.port.purge('mail'),
      spindle.port.read('spindle/user/ann'),
      spindle.port.read('elsewhere'),
      spindle.port.transact([{ kind: 'record', key: 'spindle/user/eve', value: Uint8Array.of(1) }]),
      spindle.port.transact([{ kind: 'append', queue: 'other', message: (await found(server)).message }]),
      spindle.port.releaseHolder('amqp/somebody'),
    ]
    expect(await Promise.all(denied.map(codeOf))).toEqual(denied.map(() => 'access-denied'))
    expect((await spindle.measure()).map(({ queue }) => queue)).toEqual(['mail'])
    expect(await spindle.port.listExchanges()).toEqual([])
    expect(await spindle.port.scan('spindle/user/', { limit: 10 })).toEqual([])
    await spindle.port.transact([{ kind: 'record', key: 'mail/state', value: Uint8Array.of(1) }])
    expect(await spindle.port.scan('', { limit: 10 })).toMatchObject([{ key: 'mail/state' }])
  })

  it('takes no receipt that it did not give out', async () => {
    const server = await started()
    await server.port.declareQueue('mail', {})
    const { message } = await found(server)
    await server.port.append('mail', [message])
    await server.port.append('other', [message])
    const token = await userOf(server, [{ verbs: ['read'], resources: ['mail'] }])
    const spindle = await opened(server.url, { auth: { token } })
    const [mine] = await spindle.port.receive({ queue: 'mail', max: 1 })
    const [theirs] = await server.port.receive({ queue: 'other', max: 1 })
    if (mine === undefined || theirs === undefined) throw new Error('nothing was delivered')
    const how = { kind: 'ack' } as const
    const forged = mine.receipt.replace(/^[^~]+/, theirs.receipt) as typeof mine.receipt
    expect(await spindle.port.settle([{ receipt: theirs.receipt, how }])).toEqual([{ kind: 'stale' }])
    expect(await spindle.port.settle([{ receipt: forged, how }])).toEqual([{ kind: 'stale' }])
    expect(await spindle.port.extend([forged], 1)).toEqual([{ kind: 'stale' }])
    expect(await codeOf(spindle.port.transact([{ kind: 'settle', receipt: forged, how }]))).toBe('aborted')
    expect(
      await spindle.port.settle([
        { receipt: forged, how },
        { receipt: mine.receipt, how },
      ]),
    ).toEqual([{ kind: 'stale' }, { kind: 'settled' }])
    expect(await server.port.settle([{ receipt: theirs.receipt, how }])).toEqual([{ kind: 'settled' }])
  })

  it('shows who may only watch what became of a message, and not its body', async () => {
    const server = await started()
    const { message } = await found(server)
    const [outcome] = await server.port.append('other', [message])
    const id = outcome?.kind === 'stored' ? outcome.id : undefined
    const token = await userOf(server, [{ verbs: ['watch'], resources: ['oth*'] }])
    const spindle = await opened(server.url, { auth: { token } })
    if (id === undefined) throw new Error('it was not stored')
    expect(await spindle.find(id)).toMatchObject({
      queue: 'other',
      state: 'ready',
      content: { body: new Uint8Array(0) },
    })
    expect(await codeOf(spindle.port.receive({ queue: 'other', max: 1 }))).toBe('access-denied')
    await server.users.put('ann', { grants: [] })
    expect(await spindle.find(id)).toBeUndefined()
  })

  it('sends those away whose account is removed, and those who came before there was one', async () => {
    const server = await started()
    const before = await opened(server.url)
    await before.queue('q')
    await userOf(server, [{ verbs: ['admin'], resources: ['*'] }])
    await server.users.put('bob', { grants: [{ verbs: ['admin'], resources: ['*'] }] })
    const ann = await opened(server.url, { auth: { token: TOKEN } })
    await ann.queue('q')
    await server.users.remove('ann')
    const gone = async (spindle: Spindle): Promise<void> => {
      while ((await codeOf(spindle.port.measure())) !== 'not-authenticated') {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    await Promise.all([gone(before), gone(ann)])
  })
})

describe('the upgrade of a connection', () => {
  const upgraded = (url: string, headers: Record<string, string>, method = 'GET', body = ''): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request(url, { method, headers: { Connection: 'Upgrade', ...headers } })
      asked.on('response', (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      asked.on('upgrade', (_, socket) => {
        socket.destroy()
        resolve(101)
      })
      asked.on('error', reject)
      asked.end(body)
    })
  const webSocket = {
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
  }

  it('is for pages of the same or a configured origin, and by names that are known', async () => {
    const server = await started({ allowedOrigins: ['https://shop.example'] })
    const to = (headers: Record<string, string>): Promise<number> =>
      upgraded(`${server.url}/api/v1/connect`, { ...webSocket, ...headers })
    expect(await to({})).toBe(101)
    expect(await to({ Origin: server.url })).toBe(101)
    expect(await to({ Origin: 'https://shop.example' })).toBe(101)
    expect(await to({ Origin: 'https://evil.example' })).toBe(403)
    expect(await to({ Origin: 'null' })).toBe(403)
    expect(await to({ Host: 'rebound.example' })).toBe(403)
  })

  it('is nothing to a request that asks for another protocol: it is answered as if it had not asked', async () => {
    const server = await started()
    const url = `${server.url}/`
    const body = 'Action=ListQueues&Version=2012-11-05'
    const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': String(body.length) }
    const wish = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' }
    expect(await upgraded(url, { ...form, ...wish }, 'POST', body)).toBe(200)
    expect(await upgraded(`${server.url}/healthz`, webSocket)).toBe(200)
  })

  it('outlives a peer that sends more than it may before it said who it is', async () => {
    const server = await started()
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/v1/connect`)
    await once(socket, 'open')
    const head = Buffer.alloc(4)
    head.writeUInt32BE(1_000_000)
    socket.send(head)
    await once(socket, 'close')
    await (await opened(server.url)).queue('q')
  })
})

/** A queue `other` and a message for it. */
async function found(server: TestServer) {
  await server.port.declareQueue('other', {})
  return { message: { content: { body: Buffer.from('secret'), head: new Uint8Array(0) } } }
}
