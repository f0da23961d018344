/**
 * The bytes of Redis, RESP2, as far as replies to an import need it (https://redis.io/docs/latest/develop/reference/protocol-spec).
 *
 *   +text\r\n | -error\r\n | :integer\r\n | $length\r\n bytes \r\n | *count\r\n replies
 *
 * A length or count of -1 is null. Requests are arrays of bulk strings.
 */

export type RespReply = string | number | null | Buffer | RespError | readonly RespReply[]

/** What the server refused, in its words; one reply among others. */
export class RespError extends Error {
  override readonly name = 'RespError'
}

/** The stream is not RESP, or is over a limit; nothing after it can be trusted. */
export class RespFault extends Error {
  override readonly name = 'RespFault'
}

/** Texts, errors, and the numbers of headers. */
const LINE_BYTES_MAX = 65_536
/** Jobs over 16 MiB would not be taken here anyway. */
const BULK_BYTES_MAX = 32 * 1_048_576
const ELEMENTS_MAX = 100_000
const DEPTH_MAX = 4
const [CR, LF] = [13, 10]

export function encodeRequest(words: readonly string[]): Buffer {
  return Buffer.from(
    `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
  )
}

interface Read {
  readonly reply: RespReply
  readonly end: number
}

/** Replies from chunks that are cut anywhere. */
export class RespReader {
  #chunks: Buffer[] = []
  #bytes = 0
  /** It makes no sense to look again before there are so many. */
  #wanted = 1

  /** The replies that are whole now. Throws `RespFault`. */
  push(chunk: Buffer): RespReply[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#wanted) return []
    const input = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const replies: RespReply[] = []
    let at = 0
    this.#wanted = 1
    for (let read = this.#read(input, at, 0); read !== undefined; read = this.#read(input, at, 0)) {
      replies.push(read.reply)
      at = read.end
    }
    const rest = input.subarray(at)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    this.#wanted = Math.max(1, this.#wanted - at)
    return replies
  }

  /** undefined: not all of it is there. */
  #read(input: Buffer, from: number, depth: number): Read | undefined {
    if (from >= input.length) return undefined
    const lineEnd = input.indexOf('\r\n', from)
    if ((lineEnd < 0 ? input.length : lineEnd) - from > LINE_BYTES_MAX) throw new RespFault('a line without an end')
    if (lineEnd < 0) return undefined
    const kind = String.fromCharCode(input[from] ?? 0)
    const line = input.toString('utf8', from + 1, lineEnd)
    const end = lineEnd + 2
    switch (kind) {
      case '+':
        return { reply: line, end }
      case '-':
        return { reply: new RespError(line), end }
      case ':':
        return { reply: integer(line), end }
      case '$':
        return this.#bulk(input, end, integer(line))
      case '*':
        return this.#array(input, end, { count: integer(line), depth })
      default:
        throw new RespFault(`a reply that begins with ${JSON.stringify(kind)}`)
    }
  }

  #bulk(input: Buffer, from: number, length: number): Read | undefined {
    if (length === -1) return { reply: null, end: from }
    if (length < 0 || length > BULK_BYTES_MAX) throw new RespFault(`a value of ${length} bytes`)
    const end = from + length
    if (end + 2 > input.length) {
      this.#wanted = end + 2
      return undefined
    }
    if (input[end] !== CR || input[end + 1] !== LF) throw new RespFault('a value that is longer than it said')
    // A copy, so that one id does not keep the whole chunk.
    return { reply: Buffer.from(input.subarray(from, end)), end: end + 2 }
  }

  #array(input: Buffer, from: number, { count, depth }: { readonly count: number; readonly depth: number }) {
    if (count === -1) return { reply: null, end: from }
    if (count < 0 || count > ELEMENTS_MAX) throw new RespFault(`a list of ${count}`)
    if (depth === DEPTH_MAX) throw new RespFault('lists in lists in lists')
    const reply: RespReply[] = []
    let at = from
    for (let i = 0; i < count; i++) {
      const read = this.#read(input, at, depth + 1)
      if (read === undefined) return undefined
      reply.push(read.reply)
      at = read.end
    }
    return { reply, end: at }
  }
}

function integer(line: string): number {
  if (!/^-?\d{1,16}$/.test(line)) throw new RespFault(`${JSON.stringify(line.slice(0, 40))} where a number belongs`)
  return Number(line)
}
