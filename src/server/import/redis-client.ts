/** One connection to a Redis, for reading: requests go out as they come, replies come back in their order. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { SpindleError } from '../../model/errors.ts'
import { encodeRequest, RespError, RespReader, type RespReply } from './resp.ts'

/** A server that says nothing for so long while it is asked, ms, is given up. */
const SILENCE_MS_MAX = 30_000

interface Asked {
  readonly resolve: (reply: RespReply) => void
  readonly reject: (fault: unknown) => void
}

export class RedisClient {
  readonly #socket: Socket
  /** Host and port: what may be shown, unlike the URL. */
  readonly #where: string
  readonly #reader = new RespReader()
  readonly #asked: Asked[] = []
  #fault: SpindleError | undefined

  /** `redis://` or `rediss://`, with user, password and the number of a database as the URL has them. Rejects `import-failed`. */
  static async connect(url: URL, options: { readonly silenceMsMax?: number } = {}): Promise<RedisClient> {
    const client = new RedisClient(url, options.silenceMsMax ?? SILENCE_MS_MAX)
    const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)]
    const database = url.pathname.slice(1)
    try {
      if (password !== '') await client.call('AUTH', ...(user === '' ? [] : [user]), password)
      if (database !== '') await client.call('SELECT', database)
      await client.call('PING')
      return client
    } catch (fault) {
      client.close()
      throw fault
    }
  }

  private constructor(url: URL, silenceMsMax: number) {
    const host = url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1'
    const port = Number(url.port || 6379)
    this.#where = `${host}:${port}`
    this.#socket = url.protocol === 'rediss:' ? connectTls({ host, port, servername: host }) : connect({ host, port })
    this.#socket.setTimeout(silenceMsMax)
    this.#socket.on('timeout', () => {
      if (this.#asked.length > 0) this.#end('says nothing')
    })
    this.#socket.on('error', (fault) => this.#end(`cannot be reached: ${fault.message}`, fault))
    this.#socket.on('close', () => this.#end('hung up'))
    this.#socket.on('data', (chunk) => this.#take(chunk))
  }

  /** Rejects `import-failed`: what the server refused, or the end of the connection. */
  async call(...words: readonly string[]): Promise<RespReply> {
    const reply = await new Promise<RespReply>((resolve, reject) => {
      if (this.#fault !== undefined) return reject(this.#fault)
      this.#asked.push({ resolve, reject })
      this.#socket.write(encodeRequest(words))
    })
    // Only the verb: what follows AUTH is nobody's business.
    if (reply instanceof RespError) throw this.#failed(`answered ${words[0]} with: ${reply.message}`, reply)
    return reply
  }

  /** What is under way is rejected. Idempotent. */
  close(): void {
    this.#end('was left')
  }

  #take(chunk: Buffer): void {
    try {
      for (const reply of this.#reader.push(chunk)) {
        const asked = this.#asked.shift()
        if (asked === undefined) this.#end('sent what nobody asked for')
        else asked.resolve(reply)
      }
    } catch (fault) {
      this.#end(`is no Redis: it sent ${(fault as Error).message}`, fault)
    }
  }

  #end(what: string, cause?: unknown): void {
    this.#fault ??= this.#failed(what, cause)
    this.#socket.destroy()
    for (const { reject } of this.#asked.splice(0)) reject(this.#fault)
  }

  #failed(what: string, cause?: unknown): SpindleError {
    return new SpindleError('import-failed', `import from Redis at ${this.#where} (it ${what})`, { cause })
  }
}
