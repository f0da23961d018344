/** An SQS client of the JSON protocol over a connection in memory; one call at a time. */
import type { Duplex } from 'node:stream'
import type { Incarnation } from './incarnation.ts'

/** `lost`: the connection ended first, and nobody knows. */
export type SqsAnswer =
  | { readonly kind: 'answer'; readonly status: number; readonly value: Record<string, unknown> }
  | { readonly kind: 'lost' }

const AUTHORIZATION =
  'AWS4-HMAC-SHA256 Credential=sim/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00'

export class SqsClient {
  readonly #stream: Duplex
  #heard = Buffer.alloc(0)
  #answer: ((answer: SqsAnswer) => void) | undefined
  open = true

  constructor(life: Incarnation) {
    this.#stream = life.http()
    this.#stream.on('data', (chunk: Buffer) => this.#received(chunk))
    this.#stream.on('close', () => {
      this.open = false
      this.#tell({ kind: 'lost' })
    })
    if (this.#stream.destroyed) this.open = false
  }

  call(action: string, params: Readonly<Record<string, unknown>>): Promise<SqsAnswer> {
    if (!this.open) return Promise.resolve({ kind: 'lost' })
    const body = Buffer.from(JSON.stringify(params))
    const head = [
      'POST / HTTP/1.1',
      'host: sqs.us-east-1.localhost',
      'content-type: application/x-amz-json-1.0',
      `x-amz-target: AmazonSQS.${action}`,
      `authorization: ${AUTHORIZATION}`,
      `content-length: ${body.length}`,
    ]
    this.#stream.write(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]))
    return new Promise((resolve) => {
      this.#answer = resolve
    })
  }

  drop(): void {
    this.#stream.destroy()
  }

  #received(chunk: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, chunk])
    const end = this.#heard.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.#heard.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (this.#heard.length < end + 4 + length) return
    const text = this.#heard.toString('utf8', end + 4, end + 4 + length)
    this.#heard = Buffer.from(this.#heard.subarray(end + 4 + length))
    const status = Number(head.slice(9, 12))
    this.#tell({ kind: 'answer', status, value: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) })
  }

  #tell(answer: SqsAnswer): void {
    const tell = this.#answer
    this.#answer = undefined
    tell?.(answer)
  }
}
