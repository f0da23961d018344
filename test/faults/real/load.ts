/** Faults of the traffic: poison, a backlog that nobody takes, sockets that say nothing, too few descriptors, hours of all that. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EmbeddedEngine } from '../../../src/engine/embedded/engine.ts'
import { defaultPolicy } from '../../../src/model/policy.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { nodeDisk } from '../../../src/runtime/node-disk.ts'
import { seededRandom, systemRandom } from '../../../src/runtime/random.ts'
import { inFolder, type RealFault } from './fault.ts'

const MIB = 1_048_576
const NO_HEAD = new Uint8Array(0)

async function opened(folder: string): Promise<EmbeddedEngine> {
  const engine = new EmbeddedEngine({ disk: nodeDisk(folder), clock: systemClock, random: systemRandom })
  await engine.open()
  return engine
}

export const poison: RealFault = {
  name: 'poison',
  what: 'messages that fail every time, among others: dead-lettered after exactly 3 attempts',
  cycles: 100_000,
  async run({ cycles }) {
    const problems: string[] = []
    const attempts = new Map<string, number>()
    let neighbours = 0
    await inFolder(async (folder) => {
      const engine = await opened(folder)
      const policy = { ...defaultPolicy, attemptsMax: 3, onDeath: { kind: 'deadLetter', queue: 'dead' } as const }
      await engine.commit([
        { ops: [{ kind: 'putQueue', queue: 'dead', policy: { ...defaultPolicy, attemptsMax: null } }] },
        { ops: [{ kind: 'putQueue', queue: 'work', policy }] },
      ])
      const append = (text: string) => ({
        ops: [
          { kind: 'append' as const, queue: 'work', message: { content: { body: Buffer.from(text), head: NO_HEAD } } },
        ],
      })
      for (let from = 0; from < cycles; from += 1_000)
        await engine.commit(
          Array.from({ length: 2 * Math.min(1_000, cycles - from) }, (_, i) =>
            append(`${i % 2 === 0 ? 'poison' : 'good'} ${from + (i >> 1)}`),
          ),
        )
      for (;;) {
        const taken = await engine.lease({ queue: 'work', max: 1_000, lease: { kind: 'clock', leaseMs: 600_000 } })
        if (taken.length === 0) break
        await engine.commit(
          taken.map(({ receipt, content }) => {
            const text = Buffer.from(content.body).toString()
            attempts.set(text, (attempts.get(text) ?? 0) + 1)
            return { ops: [{ kind: 'settle', receipt, how: { kind: text.startsWith('good') ? 'ack' : 'release' } }] }
          }),
        )
      }
      const [dead] = await engine.measure(['dead'])
      if (dead?.ready !== cycles) problems.push(`${dead?.ready} of ${cycles} were dead-lettered`)
      for (const [text, count] of attempts) {
        if (text.startsWith('good')) neighbours++
        if (count !== (text.startsWith('good') ? 1 : 3)) problems.push(`${text} was delivered ${count} times`)
      }
      if (neighbours !== cycles) problems.push(`${neighbours} of ${cycles} neighbours were delivered`)
      await engine.close()
    })
    return {
      problems: problems.slice(0, 20),
      figure: `${cycles} poison messages after exactly 3 attempts each, ${neighbours} neighbours delivered once`,
    }
  },
}

const RSS_GROWTH_MAX = 256 * MIB

export const backlog: RealFault = {
  name: 'backlog',
  what: 'a backlog of 1 M messages of 100 bytes with one slow consumer: memory',
  cycles: 1_000_000,
  async run({ cycles }) {
    const problems: string[] = []
    let growth = 0
    await inFolder(async (folder) => {
      const engine = await opened(folder)
      await engine.commit([
        { ops: [{ kind: 'putQueue', queue: 'q', policy: { ...defaultPolicy, attemptsMax: null } }] },
      ])
      const body = Buffer.alloc(100, 'b')
      const batch = Array.from({ length: 1_000 }, () => ({
        ops: [{ kind: 'append' as const, queue: 'q', message: { content: { body, head: NO_HEAD } } }],
      }))
      for (let warm = 0; warm < 20; warm++) await engine.commit(batch)
      global.gc?.()
      const before = process.memoryUsage.rss()
      for (let from = 20_000; from < cycles; from += batch.length) {
        await engine.commit(batch)
        if (from % 10_000 !== 0) continue
        const taken = await engine.lease({ queue: 'q', max: 10, lease: { kind: 'clock' } })
        await engine.commit(taken.map(({ receipt }) => ({ ops: [{ kind: 'settle', receipt, how: { kind: 'ack' } }] })))
      }
      global.gc?.()
      growth = process.memoryUsage.rss() - before
      if (growth > RSS_GROWTH_MAX) problems.push(`memory grew by ${Math.round(growth / MIB)} MiB`)
      await engine.close()
    })
    return { problems, figure: `memory grew by ${Math.round(growth / MIB)} MiB over ${cycles} messages (at most 256)` }
  },
}

interface Served {
  readonly child: ChildProcess
  readonly http: string
  readonly amqpPort: number
  stop(): Promise<number | null>
}

/** `spindle serve` in a process of its own, from source. */
async function served(folder: string, descriptors?: number): Promise<Served> {
  const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
  const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors}; `
  const words = `${limit}exec "${process.execPath}" --import tsx "${main}" serve --data "${folder}" --port 0 --amqp-port 0`
  const child = spawn('/bin/sh', ['-c', words], { stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve))
  const urls = new Map<string, string>()
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      for (const [, kind, port] of line.matchAll(/(http|amqp):\/\/127\.0\.0\.1:(\d+)/g))
        urls.set(kind as string, port as string)
      if (urls.size === 2) resolve()
    })
    void exited.then(() => reject(new Error('the server ended before it listened')))
  })
  return {
    child,
    http: `http://127.0.0.1:${urls.get('http')}`,
    amqpPort: Number(urls.get('amqp')),
    async stop() {
      child.kill('SIGTERM')
      return exited
    },
  }
}

async function sqs(http: string, action: string, params: object): Promise<Response> {
  return fetch(http, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` },
    body: JSON.stringify(params),
    signal: AbortSignal.timeout(30_000),
  })
}

/** 99th percentile of single sends, ms. */
async function sendP99(http: string, QueueUrl: string): Promise<number> {
  const times: number[] = []
  const sender = async (): Promise<void> => {
    for (let left = 150; left > 0; left--) {
      const at = performance.now()
      await (await sqs(http, 'SendMessage', { QueueUrl, MessageBody: 'x' })).text()
      times.push(performance.now() - at)
    }
  }
  await Promise.all(Array.from({ length: 8 }, sender))
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length * 0.99)] ?? Number.NaN
}

async function queueOf(http: string): Promise<string> {
  const answer = (await (await sqs(http, 'CreateQueue', { QueueName: 'q' })).json()) as { QueueUrl: string }
  return answer.QueueUrl
}

export const sockets: RealFault = {
  name: 'sockets',
  what: '2,000 idle and slow-loris sockets on HTTP and AMQP: p99 of everybody else at most twice as long',
  cycles: 2_000,
  async run({ cycles }) {
    return inFolder(async (folder) => {
      const server = await served(folder)
      const url = await queueOf(server.http)
      await sendP99(server.http, url)
      const before = Math.max(await sendP99(server.http, url), await sendP99(server.http, url))
      const port = Number(new URL(server.http).port)
      const held: Socket[] = []
      for (let index = 0; index < cycles; index++) {
        const socket = connect({ host: '127.0.0.1', port: index % 2 === 0 ? port : server.amqpPort })
        socket.on('error', () => {})
        if (index % 4 >= 2)
          socket.write(index % 2 === 0 ? 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n' : 'AM')
        held.push(socket)
        if (index % 100 === 99) await pause(20)
      }
      const during = Math.min(await sendP99(server.http, url), await sendP99(server.http, url))
      // The half of AMQP is dropped after ten seconds of handshake.
      await pause(12_000)
      const dropped = held.filter((socket, index) => index % 2 === 1 && socket.destroyed).length
      for (const socket of held) socket.destroy()
      const problems: string[] = []
      if (during > 2 * Math.max(before, 5))
        problems.push(`p99 went from ${before.toFixed(1)} to ${during.toFixed(1)} ms`)
      if (dropped < cycles / 2) problems.push(`only ${dropped} of ${cycles / 2} silent AMQP handshakes were dropped`)
      const code = await server.stop()
      if (code !== 143) problems.push(`the server ended with ${code}`)
      return {
        problems,
        figure: `p99 of single sends ${before.toFixed(1)} ms without, ${during.toFixed(1)} ms with ${cycles} sockets; ${dropped} silent AMQP handshakes dropped by their deadline`,
      }
    })
  },
}

export const descriptors: RealFault = {
  name: 'descriptors',
  what: 'a server with 112 to 160 file descriptors and more clients than that: back-pressure, no crash, and it serves again',
  cycles: 100,
  async run({ cycles }) {
    const problems: string[] = []
    for (let cycle = 0; cycle < cycles && problems.length === 0; cycle++)
      await inFolder(async (folder) => {
        const server = await served(folder, 112 + (cycle % 48))
        const url = await queueOf(server.http)
        const held = Array.from({ length: 400 }, (_, index) =>
          connect({ host: '127.0.0.1', port: index % 2 === 0 ? Number(new URL(server.http).port) : server.amqpPort }),
        )
        for (const socket of held) socket.on('error', () => {})
        await pause(300)
        for (const socket of held) socket.destroy()
        await pause(100)
        const answer = await sqs(server.http, 'SendMessage', { QueueUrl: url, MessageBody: 'after' }).catch(
          (error: unknown) => error as Error,
        )
        if (answer instanceof Error || answer.status !== 200)
          problems.push(
            `cycle ${cycle}: ${answer instanceof Error ? answer.message : answer.status} after the crowd had gone`,
          )
        const code = await server.stop()
        if (code !== 143) problems.push(`cycle ${cycle}: the server ended with ${code}`)
      })
    return { problems, figure: `${cycles} servers, 400 connections each, ${problems.length} failures` }
  },
}

/** Growth a minute that still counts as none: the heap breathes. */
const RSS_SLOPE_MAX = 2 * MIB
const DESCRIPTOR_SLOPE_MAX = 1

export const soak: RealFault = {
  name: 'soak',
  what: 'minutes of traffic with connections that break, clients that vanish mid-request and a server that is stopped for moments',
  cycles: 30,
  async run({ cycles: minutes, seed }) {
    return inFolder(async (folder) => {
      const random = seededRandom(seed)
      const server = await served(folder)
      const QueueUrl = await queueOf(server.http)
      const samples: { atMs: number; rss: number; descriptors: number }[] = []
      const problems: string[] = []
      const ends = performance.now() + minutes * 60_000
      const acknowledged = new Set<string>()
      const received = new Set<string>()
      let serial = 0
      let pauses = 0
      const traffic = async (): Promise<void> => {
        while (performance.now() < ends) {
          const bodies = Array.from({ length: 1 + Math.floor(random.float() * 10) }, () => String(++serial))
          try {
            const sent = await sqs(server.http, 'SendMessageBatch', {
              QueueUrl,
              Entries: bodies.map((MessageBody, Id) => ({ Id: String(Id), MessageBody })),
            })
            for (const { Id } of ((await sent.json()) as { Successful?: { Id: string }[] }).Successful ?? [])
              acknowledged.add(bodies[Number(Id)] as string)
            const taken = await sqs(server.http, 'ReceiveMessage', {
              QueueUrl,
              MaxNumberOfMessages: 10,
              VisibilityTimeout: 20,
            })
            const messages =
              ((await taken.json()) as { Messages?: { Body: string; ReceiptHandle: string }[] }).Messages ?? []
            for (const { Body } of messages) received.add(Body)
            if (messages.length > 0)
              await (
                await sqs(server.http, 'DeleteMessageBatch', {
                  QueueUrl,
                  Entries: messages.map(({ ReceiptHandle }, Id) => ({ Id: String(Id), ReceiptHandle })),
                })
              ).text()
          } catch {
            // Unknown: it was stopped, or the connection broke.
          }
        }
      }
      const vandal = async (): Promise<void> => {
        while (performance.now() < ends) {
          const socket = connect({
            host: '127.0.0.1',
            port: random.float() < 0.5 ? server.amqpPort : Number(new URL(server.http).port),
          })
          socket.on('error', () => {})
          socket.write(
            random.float() < 0.5 ? 'AMQP\0\0\t\u0001' : Buffer.from(random.bytes(1 + Math.floor(random.float() * 400))),
          )
          await pause(random.float() * 20)
          socket.destroy()
          if (random.float() < 0.002) {
            pauses++
            server.child.kill('SIGSTOP')
            await pause(random.float() * 800)
            server.child.kill('SIGCONT')
          }
        }
      }
      const watcher = async (): Promise<void> => {
        while (performance.now() < ends) {
          await pause(5_000)
          const status = await readFile(`/proc/${server.child.pid}/status`, 'utf8').catch(() => '')
          const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1_024
          const open = (await readdir(`/proc/${server.child.pid}/fd`).catch(() => [])).length
          samples.push({ atMs: performance.now(), rss, descriptors: open })
        }
      }
      await Promise.all([traffic(), traffic(), traffic(), vandal(), vandal(), watcher()])
      // The rest comes out.
      for (let empty = 0; empty < 3; ) {
        const taken = await sqs(server.http, 'ReceiveMessage', {
          QueueUrl,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: 20,
          VisibilityTimeout: 60,
        })
        const messages =
          ((await taken.json()) as { Messages?: { Body: string; ReceiptHandle: string }[] }).Messages ?? []
        for (const { Body } of messages) received.add(Body)
        empty = messages.length === 0 ? empty + 1 : 0
        if (messages.length > 0)
          await (
            await sqs(server.http, 'DeleteMessageBatch', {
              QueueUrl,
              Entries: messages.map(({ ReceiptHandle }, Id) => ({ Id: String(Id), ReceiptHandle })),
            })
          ).text()
      }
      const lost = [...acknowledged].filter((body) => !received.has(body))
      if (lost.length > 0) problems.push(`${lost.length} acknowledged messages never came out`)
      const second = samples.slice(Math.floor(samples.length / 2))
      const rssSlope = slopeAMinute(second.map(({ atMs, rss }) => [atMs, rss]))
      const descriptorSlope = slopeAMinute(second.map(({ atMs, descriptors: open }) => [atMs, open]))
      if (rssSlope > RSS_SLOPE_MAX) problems.push(`memory grows by ${(rssSlope / MIB).toFixed(2)} MiB a minute`)
      if (descriptorSlope > DESCRIPTOR_SLOPE_MAX)
        problems.push(`descriptors grow by ${descriptorSlope.toFixed(2)} a minute`)
      const code = await server.stop()
      if (code !== 143) problems.push(`the server ended with ${code}`)
      return {
        problems,
        figure: `${minutes} minutes, ${acknowledged.size} acknowledged, ${lost.length} lost, ${pauses} stops; second half: memory ${(rssSlope / MIB).toFixed(2)} MiB and descriptors ${descriptorSlope.toFixed(2)} a minute`,
      }
    })
  },
}

/** Of a least-squares line through (ms, value). */
function slopeAMinute(points: readonly (readonly [number, number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  return under === 0 ? 0 : (over / under) * 60_000
}
