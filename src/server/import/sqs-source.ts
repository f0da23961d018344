/** A queue on any SQS endpoint, read over AWS JSON 1.0 with signatures of our own: no SDK is needed to leave one. */

import { SpindleError } from '../../model/errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import {
  ALGORITHM,
  amzDateOf,
  canonicalRequest,
  scopeText,
  sha256Hex,
  signatureOf,
  signingKey,
  stringToSign,
} from '../../wire/aws/sigv4.ts'

export interface SqsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | undefined
}

export interface SqsSourceOptions {
  readonly queueUrl: string
  readonly region: string
  readonly credentials: SqsCredentials
  readonly clock: Clock
  readonly fetch?: typeof fetch
}

export interface SourceMessage {
  readonly MessageId: string
  readonly ReceiptHandle: string
  readonly Body: string
  readonly Attributes?: Readonly<Record<string, string>>
  readonly MessageAttributes?: Readonly<Record<string, object>>
}

/** Of one request, ms: the longest poll and what the network needs. */
const TIMEOUT_MS = 40_000
const ATTEMPTS = 5
const BACKOFF_MS = 200

/** What the endpoint said no to. */
class SourceRefusal extends Error {}

export class SqsSource {
  readonly #options: SqsSourceOptions

  constructor(options: SqsSourceOptions) {
    this.#options = options
  }

  async attributes(): Promise<Readonly<Record<string, string>>> {
    const { Attributes } = await this.#call('GetQueueAttributes', { AttributeNames: ['All'] })
    return (Attributes as Record<string, string> | undefined) ?? {}
  }

  async tags(): Promise<Readonly<Record<string, string>>> {
    const { Tags } = await this.#call('ListQueueTags', {})
    return (Tags as Record<string, string> | undefined) ?? {}
  }

  /** Up to ten, hidden from others for `hiddenSeconds`. */
  async receive(options: { readonly hiddenSeconds: number; readonly waitSeconds: number }): Promise<SourceMessage[]> {
    const { Messages } = await this.#call('ReceiveMessage', {
      MaxNumberOfMessages: 10,
      VisibilityTimeout: options.hiddenSeconds,
      WaitTimeSeconds: options.waitSeconds,
      MessageAttributeNames: ['All'],
      AttributeNames: ['All'],
    })
    return (Messages as SourceMessage[] | undefined) ?? []
  }

  /** Of at most ten. Throws when one of them was not deleted. */
  async delete(handles: readonly string[]): Promise<void> {
    const Entries = handles.map((ReceiptHandle, i) => ({ Id: String(i), ReceiptHandle }))
    const { Failed = [] } = await this.#call('DeleteMessageBatch', { Entries })
    if ((Failed as unknown[]).length > 0) throw this.#fault(`kept messages that were to be deleted`)
  }

  /** Gives messages back that were only looked at. Of at most ten; those whose time ran out are back already. */
  async show(handles: readonly string[]): Promise<void> {
    const Entries = handles.map((ReceiptHandle, i) => ({ Id: String(i), ReceiptHandle, VisibilityTimeout: 0 }))
    await this.#call('ChangeMessageVisibilityBatch', { Entries })
  }

  /** Tries again what may have another answer: no connection, throttling, faults of the server. */
  async #call(action: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(action, body)
      } catch (fault) {
        if (fault instanceof SourceRefusal || attempt === ATTEMPTS)
          throw this.#fault(`answered ${action} with '${textOf(fault)}'`, fault)
        await this.#wait(BACKOFF_MS * 2 ** attempt)
      }
    }
  }

  async #once(action: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    const { queueUrl, fetch: send = fetch } = this.#options
    const text = JSON.stringify({ QueueUrl: queueUrl, ...body })
    const url = new URL('/', queueUrl)
    const response = await send(url, {
      method: 'POST',
      headers: this.#signed(url, action, text),
      body: text,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const answer = await response.text()
    if (response.ok) return answer === '' ? {} : (JSON.parse(answer) as Record<string, unknown>)
    const told = messageOf(answer) ?? `HTTP ${response.status}`
    const isPassing = response.status >= 500 || response.status === 429 || /Throttl|RequestLimit/i.test(answer)
    throw isPassing ? new Error(told) : new SourceRefusal(told)
  }

  #signed(url: URL, action: string, body: string): Record<string, string> {
    const { region, credentials, clock } = this.#options
    const amzDate = amzDateOf(clock.wallMs())
    const scope = { day: amzDate.slice(0, 8), region, service: 'sqs' }
    const headers: Record<string, string> = {
      'content-type': 'application/x-amz-json-1.0',
      host: url.host,
      'x-amz-date': amzDate,
      'x-amz-target': `AmazonSQS.${action}`,
      ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
    }
    const signedHeaders = Object.keys(headers).sort()
    const payloadHash = sha256Hex(body)
    const canonical = canonicalRequest({ method: 'POST', path: '/', query: '', headers, signedHeaders, payloadHash })
    const key = signingKey(credentials.secretAccessKey, scope)
    const signature = Buffer.from(signatureOf(key, stringToSign(canonical, amzDate, scope))).toString('hex')
    const credential = `${credentials.accessKeyId}/${scopeText(scope)}`
    const authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`
    return { ...headers, authorization }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimer(ms, resolve, { keepAlive: true }))
  }

  #fault(what: string, cause?: unknown): SpindleError {
    const { queueUrl } = this.#options
    return new SpindleError('import-failed', `import from ${queueUrl} (the endpoint ${what})`, { cause })
  }
}

function messageOf(answer: string): string | undefined {
  try {
    const { __type: type, message } = JSON.parse(answer) as Record<string, unknown>
    const name = String(type ?? '')
      .split('#')
      .at(-1)
    return name === '' ? undefined : `${name}: ${String(message ?? '')}`.slice(0, 500)
  } catch {
    return undefined
  }
}

/** `fetch` says the reason in its cause. */
function textOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault)
  return fault.cause instanceof Error && fault.cause.message !== '' ? fault.cause.message : fault.message
}
