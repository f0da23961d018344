/** SQS in the JSON protocol and SNS in the Query one, over a connection in memory; one call at a time. */
import type { Duplex } from 'node:stream'
import type { Incarnation } from './incarnation.ts'

/** `lost`: the connection ended first, and nobody knows. */
type Answered<T> = ({ readonly kind: 'answer'; readonly status: number } & T) | { readonly kind: 'lost' }

export type AwsAnswer = Answered<{ readonly value: Record<string, unknown> }>
type TextAnswer = Answered<{ readonly text: string }>

const topicArn = (name: string): string => `arn:aws:sns:us-east-1:000000000000:${name}`

export class AwsClient {
  readonly #stream: Duplex
  #heard = Buffer.alloc(0)
  #answer: ((answer: TextAnswer) => void) | undefined
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

  async call(action: string, params: Readonly<Record<string, unknown>>): Promise<AwsAnswer> {
    const headers = ['content-type: application/x-amz-json-1.0', `x-amz-target: AmazonSQS.${action}`]
    const answer = await this.#send('sqs', headers, JSON.stringify(params))
    if (answer.kind === 'lost') return answer
    const { text, ...rest } = answer
    return { ...rest, value: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
  }

  createTopic(name: string): Promise<void> {
    return this.#done({ Action: 'CreateTopic', Name: name })
  }

  /** Raw: the queue gets the text alone. */
  subscribe(topic: string, queue: string): Promise<void> {
    return this.#done({
      Action: 'Subscribe',
      TopicArn: topicArn(topic),
      Protocol: 'sqs',
      Endpoint: `arn:aws:sqs:us-east-1:000000000000:${queue}`,
      'Attributes.entry.1.key': 'RawMessageDelivery',
      'Attributes.entry.1.value': 'true',
    })
  }

  /** Which of them were taken, by their places; [] after an error of the whole call. */
  async publish(topic: string, texts: readonly string[]): Promise<readonly number[] | 'lost'> {
    const entries = texts.flatMap((text, at) => {
      const entry = `PublishBatchRequestEntries.member.${at + 1}`
      return [
        [`${entry}.Id`, String(at)],
        [`${entry}.Message`, text],
      ]
    })
    const answer = await this.#query({
      Action: 'PublishBatch',
      TopicArn: topicArn(topic),
      ...Object.fromEntries(entries),
    })
    if (answer.kind === 'lost') return 'lost'
    const [taken = ''] = answer.text.split('<Failed>')
    return [...taken.matchAll(/<Id>(\d+)<\/Id>/g)].map(([, id]) => Number(id))
  }

  async #done(params: Readonly<Record<string, string>>): Promise<void> {
    const answer = await this.#query(params)
    if (answer.kind === 'lost' || answer.status !== 200)
      throw new Error(`${params['Action']}: ${JSON.stringify(answer)}`)
  }

  #query(params: Readonly<Record<string, string>>): Promise<TextAnswer> {
    return this.#send(
      'sns',
      ['content-type: application/x-www-form-urlencoded'],
      new URLSearchParams(params).toString(),
    )
  }

  #send(service: 'sqs' | 'sns', headers: readonly string[], text: string): Promise<TextAnswer> {
    if (!this.open) return Promise.resolve({ kind: 'lost' })
    const body = Buffer.from(text)
    const head = [
      'POST / HTTP/1.1',
      `host: ${service}.us-east-1.localhost`,
      ...headers,
      `authorization: AWS4-HMAC-SHA256 Credential=sim/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=00`,
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
    this.#tell({ kind: 'answer', status, text })
  }

  #tell(answer: TextAnswer): void {
    const tell = this.#answer
    this.#answer = undefined
    tell?.(answer)
  }
}
