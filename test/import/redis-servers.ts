/** A Redis for a test: Debian's, where it is installed, or a scripted one that knows the few commands of an import. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedisServer {
  readonly url: URL
  close(): Promise<void>
}

/** What lies in it: lists, sorted sets (member, score) and hashes by key. */
export interface RedisContent {
  readonly lists: Readonly<Record<string, readonly string[]>>
  readonly sorted: Readonly<Record<string, readonly (readonly [string, number])[]>>
  readonly hashes: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export const noRedis: string | undefined =
  spawnSync('redis-server', ['--version']).status === 0 ? undefined : 'skipped: redis-server is not installed here'

/** In a process of its own, on a socket of this machine alone; `fill` sends it the commands that make `content`. */
export async function realRedis(
  content: RedisContent,
  fill: (url: URL, commands: readonly (readonly string[])[]) => Promise<void>,
): Promise<RedisServer> {
  const dir = mkdtempSync(join(tmpdir(), 'spindle-redis-'))
  const port = await freePort()
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir])
  const exited = new Promise((resolve) => child.once('close', resolve))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => String(chunk).includes('accept connections') && resolve())
    child.once('close', (code) => reject(new Error(`redis-server ended with ${code}`)))
  })
  const url = new URL(`redis://127.0.0.1:${port}`)
  await fill(url, [
    ...Object.entries(content.lists).map(([key, ids]) => ['RPUSH', key, ...ids]),
    ...Object.entries(content.sorted).map(([key, members]) => [
      'ZADD',
      key,
      ...members.flatMap(([member, score]) => [String(score), member]),
    ]),
    ...Object.entries(content.hashes).map(([key, fields]) => ['HSET', key, ...Object.entries(fields).flat()]),
  ])
  return {
    url,
    async close() {
      child.kill('SIGKILL')
      await exited
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Answers `answer(words)` for each request, cut into pieces of `pieceBytes`. */
export async function scriptedRedis(
  answer: (words: readonly string[]) => string,
  pieceBytes = 7,
): Promise<RedisServer & { readonly requests: readonly (readonly string[])[] }> {
  const requests: (readonly string[])[] = []
  const server = createServer((socket) => {
    socket.setNoDelay()
    socket.on('error', () => {})
    let input = ''
    socket.on('data', (chunk) => {
      input += chunk.toString('latin1')
      for (let words = takeRequest(); words !== undefined; words = takeRequest()) {
        requests.push(words)
        const bytes = Buffer.from(answer(words))
        for (let at = 0; at < bytes.length; at += pieceBytes) socket.write(bytes.subarray(at, at + pieceBytes))
      }
    })
    function takeRequest(): string[] | undefined {
      const head = /^\*(\d+)\r\n/.exec(input)
      if (head === null) return undefined
      let at = head[0].length
      const words: string[] = []
      for (let i = 0; i < Number(head[1]); i++) {
        const length = /^\$(\d+)\r\n/.exec(input.slice(at))
        if (length === null || input.length < at + length[0].length + Number(length[1]) + 2) return undefined
        at += length[0].length
        words.push(Buffer.from(input.slice(at, at + Number(length[1])), 'latin1').toString())
        at += Number(length[1]) + 2
      }
      input = input.slice(at)
      return words
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: new URL(`redis://127.0.0.1:${(server.address() as AddressInfo).port}`),
    requests,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

export const bulk = (text: string | undefined): string =>
  text === undefined ? '$-1\r\n' : `$${Buffer.byteLength(text)}\r\n${text}\r\n`
const array = (texts: readonly (string | undefined)[]): string => `*${texts.length}\r\n${texts.map(bulk).join('')}`

/** The commands of an import over `content`. */
export function answersFrom({ lists, sorted, hashes }: RedisContent): (words: readonly string[]) => string {
  return ([verb = '', key = '', ...rest]) => {
    const [from, to] = [Number(rest[0]), Number(rest[1])]
    switch (verb) {
      case 'PING':
        return '+PONG\r\n'
      case 'EXISTS':
        return `:${key in hashes ? 1 : 0}\r\n`
      case 'LLEN':
        return `:${lists[key]?.length ?? 0}\r\n`
      case 'ZCARD':
        return `:${sorted[key]?.length ?? 0}\r\n`
      case 'LRANGE': {
        const list = lists[key] ?? []
        return array(list.slice(Math.max(0, list.length + from), Math.max(0, list.length + to + 1)))
      }
      case 'ZRANGE': {
        const members = [...(sorted[key] ?? [])].sort(([, a], [, b]) => a - b).slice(from, to + 1)
        return array(members.flatMap(([member, score]) => [member, String(score)]))
      }
      case 'HGET':
        return bulk(hashes[key]?.[rest[0] ?? ''])
      case 'HMGET':
        return array(rest.map((field) => hashes[key]?.[field]))
      default:
        return `-ERR unknown command '${verb}'\r\n`
    }
  }
}
