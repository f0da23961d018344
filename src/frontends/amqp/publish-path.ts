/**
 * From the content of a basic.publish to a message for the broker. Publishers mostly repeat themselves, so what was made for one
 * publish (target, head) is used again while address and properties stay the same bytes.
 */
import type { PublishedMessage } from '../../broker/port.ts'
import { AMQP_HEAD } from '../../model/amqp-head.ts'
import { DURATION_MS_MAX } from '../../model/limits.ts'
import type { NewMessage } from '../../model/message.ts'
import { type FieldTable, type FieldValue, textOf } from '../../wire/amqp/field-table.ts'
import { ACTED_ON, HAS_HEADERS, type Properties, readProperties, writeProperties } from '../../wire/amqp/properties.ts'
import { checkAccess } from './access.ts'
import { DELAYED_TYPE } from './exchanges.ts'
import { AmqpFault, notFound, preconditionFailed, resource } from './fault.ts'
import { type IncomingContent, isSame } from './incoming-content.ts'
import { storeName } from './names.ts'
import type { PublishingChannel, Target } from './publisher.ts'
import { wholeOf } from './queue-arguments.ts'
import type { Session } from './session.ts'
import type { Transaction } from './transaction.ts'

export interface PublishSource extends PublishingChannel {
  readonly transaction: Pick<Transaction<never>, 'publish'> | undefined
  readonly replies: { readonly token: string } | undefined
}

/** What a consumer of direct replies consumes, and what requests name in reply-to. */
export const REPLY_QUEUE = 'amq.rabbitmq.reply-to'
const NOTHING = Buffer.alloc(0)
const CC = Buffer.from('\x02CC')
const BCC = Buffer.from('\x03BCC')
const DELAY = Buffer.from('\x07x-delay')

export class PublishPath {
  readonly #session: Session
  readonly #source: PublishSource
  #address: Buffer = NOTHING
  #target: Target | undefined
  #targetVersion = 0
  #properties: Buffer = NOTHING
  #head: Buffer = NOTHING

  constructor(parts: { session: Session; source: PublishSource }) {
    this.#session = parts.session
    this.#source = parts.source
  }

  /** Throws, or rejects, with what refuses the publish. A promise only when something has to be looked up first. */
  publish(content: IncomingContent): Promise<void> | undefined {
    if (content.immediate) throw new AmqpFault(540, 'immediate=true')
    const { address } = content
    if (
      isSame(this.#address, address, 0, address.length) &&
      this.#targetVersion === this.#session.hub.exchanges.version
    ) {
      const target = this.#target as Target
      if (this.#properties !== content.properties) this.#makeHead(content)
      this.#send(target, content)
      return undefined
    }
    return this.#readdress(content)
  }

  #readdress(content: IncomingContent): Promise<void> | undefined {
    const { hub, vhost, identity } = this.#session
    const { exchange, key } = addressOf(content.address)
    const version = hub.exchanges.version
    const proceed = (target: Target): undefined => {
      this.#address = content.address
      this.#target = target
      this.#targetVersion = version
      this.#makeHead(content)
      this.#send(target, content)
    }
    if (exchange === '') {
      if (key.startsWith(`${REPLY_QUEUE}.`)) {
        this.#reply(key, content)
        return undefined
      }
      const name = storeName(vhost, key)
      checkAccess(identity, 'write', 'exchange', name, key, vhost)
      return proceed({ kind: 'queue', name })
    }
    const name = storeName(vhost, exchange)
    checkAccess(identity, 'write', 'exchange', name, exchange, vhost)
    const known = hub.exchanges.known(name)
    const found = (definition: { readonly internal: boolean; readonly type: string } | undefined): undefined => {
      if (definition === undefined) throw notFound('exchange', exchange, vhost)
      if (definition.internal) {
        throw new AmqpFault(403, `cannot publish to internal ${resource('exchange', exchange, vhost)}`)
      }
      const delayed = definition.type === DELAYED_TYPE
      return proceed({ kind: 'exchange', name, wireName: exchange, vhost, routing: { key }, delayed })
    }
    return known === undefined ? hub.exchanges.find(vhost, exchange).then(found) : found(known)
  }

  #makeHead({ address, properties }: IncomingContent): void {
    this.#properties = properties
    this.#head = headOf(address, properties)
  }

  #send(target: Target, content: IncomingContent): void {
    const { flags, body } = content
    const acts = (flags & ACTED_ON) !== 0 || ((flags & HAS_HEADERS) !== 0 && hasActiveHeader(content.properties))
    if (acts) this.#sendActedOn(target, content)
    else if (target.kind === 'queue') this.#hand(target, content.mandatory, { content: { body, head: this.#head } })
    else this.#hand(target, content.mandatory, { content: { body, head: this.#head }, routing: target.routing })
  }

  #hand(target: Target, mandatory: boolean, message: PublishedMessage, moreQueues?: readonly string[]): void {
    const { transaction } = this.#source
    if (transaction !== undefined) transaction.publish({ target, mandatory, message, moreQueues: moreQueues ?? [] })
    else this.#session.publisher.add(this.#source, target, mandatory, message, moreQueues)
  }

  /** The properties that mean something to the broker. */
  #sendActedOn(target: Target, { address, properties: bytes, body, mandatory }: IncomingContent): void {
    const properties = readProperties(bytes)
    const { userId, priority, expiration, headers } = properties
    const { name } = this.#session.identity
    if (userId !== undefined && userId !== name) {
      throw preconditionFailed(`user_id property set to '${userId}' but authenticated user was '${name}'`)
    }
    const ttlMs = expiration === undefined ? undefined : ttlOf(expiration)
    const delayMs = target.kind === 'exchange' && target.delayed ? delayOf(headers) : undefined
    const moreKeys = headers === undefined ? [] : [...keysOf(headers, 'CC'), ...keysOf(headers, 'BCC')]
    const rewritten = this.#rewritten(properties)
    const head = rewritten === undefined ? this.#head : headOf(address, writeProperties(rewritten))
    const message: NewMessage = {
      content: { body, head },
      ...(priority === undefined || priority === 0 ? undefined : { priority }),
      ...(ttlMs === undefined ? undefined : { ttlMs }),
      ...(delayMs === undefined ? undefined : { delayMs }),
    }
    if (target.kind === 'exchange') {
      const { routing } = target
      const withKeys = moreKeys.length === 0 ? routing : { ...routing, keys: moreKeys }
      this.#hand(target, mandatory, { ...message, routing: withKeys })
      return
    }
    // By the default exchange each further key is a further queue; a queue gets one copy.
    const queues = new Set(moreKeys.map((key) => storeName(this.#session.vhost, key)))
    queues.delete(target.name)
    this.#hand(target, mandatory, message, [...queues])
  }

  /** undefined: they are kept as they came. */
  #rewritten(properties: Properties): Properties | undefined {
    const isRequest = properties.replyTo === REPLY_QUEUE
    const hasHidden = properties.headers?.has('BCC') === true
    if (!isRequest && !hasHidden) return undefined
    const changed: Properties = { ...properties }
    if (isRequest) {
      const token = this.#source.replies?.token
      if (token === undefined) throw preconditionFailed('fast reply consumer does not exist')
      changed.replyTo = `${REPLY_QUEUE}.${token}`
    }
    if (hasHidden) changed.headers = new Map([...(properties.headers ?? [])].filter(([name]) => name !== 'BCC'))
    return changed
  }

  /** An answer goes straight to who asked: nothing is stored. */
  #reply(key: string, content: IncomingContent): void {
    const { address, properties, body, mandatory } = content
    const head = headOf(address, properties)
    const taker = this.#session.hub.replies.get(key.slice(REPLY_QUEUE.length + 1))
    this.#session.publisher.flush()
    // The body is a view of the socket's buffer, which is written on at once or not at all.
    taker?.reply(head, body)
    if (taker === undefined && mandatory) this.#source.returned({ content: { body, head } })
    const confirm = this.#source.confirms?.open(1)
    if (confirm === undefined) return
    confirm.settled = true
    this.#source.confirmed()
  }
}

function headOf(address: Buffer, properties: Buffer): Buffer {
  const head = Buffer.allocUnsafe(1 + address.length + properties.length)
  head[0] = AMQP_HEAD
  head.set(address, 1)
  head.set(properties, 1 + address.length)
  return head
}

function addressOf(address: Buffer): { readonly exchange: string; readonly key: string } {
  const keyAt = 1 + (address[0] ?? 0)
  return { exchange: address.toString('utf8', 1, keyAt), key: address.toString('utf8', keyAt + 1) }
}

/** Headers that route or delay. A text that looks like their name costs a closer look, no more. */
function hasActiveHeader(properties: Buffer): boolean {
  return properties.includes(CC) || properties.includes(BCC) || properties.includes(DELAY)
}

function ttlOf(expiration: string): number {
  if (!/^\d{1,15}$/.test(expiration)) {
    throw preconditionFailed(`invalid expiration '${expiration}': must be milliseconds, as text`)
  }
  return Math.min(DURATION_MS_MAX, Math.max(1, Number(expiration)))
}

function delayOf(headers: FieldTable | undefined): number | undefined {
  const field = headers?.get('x-delay')
  const text = textOf(field)
  const delayMs = text === undefined ? wholeOf(field) : Number(text)
  return delayMs !== undefined && delayMs > 0 ? Math.min(DURATION_MS_MAX, delayMs) : undefined
}

function keysOf(headers: FieldTable, name: 'CC' | 'BCC'): readonly string[] {
  const field: FieldValue | undefined = headers.get(name)
  if (field === undefined) return []
  const keys = field.type === 'A' ? field.value.map(textOf) : undefined
  if (keys === undefined || keys.includes(undefined)) {
    throw preconditionFailed(`invalid value for header '${name}': an array of long strings is expected`)
  }
  return keys as string[]
}
