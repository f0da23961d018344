/** Publishing one message, and looking at some, by hand. */
import type { PublishedMessage, SettleRequest } from '../../../broker/port.ts'
import { AMQP_HEAD, originOf } from '../../../model/amqp-head.ts'
import { SpindleError } from '../../../model/errors.ts'
import { DURATION_MS_MAX } from '../../../model/limits.ts'
import type { AppendOutcome, Delivery } from '../../../model/message.ts'
import { ByteWriter } from '../../../wire/amqp/byte-writer.ts'
import { addressEnd } from '../../../wire/amqp/frame-writer.ts'
import { type Properties, readProperties, writeProperties } from '../../../wire/amqp/properties.ts'
import { AmqpFault, resource } from '../../amqp/fault.ts'
import { headFor } from '../../amqp/head-for-delivery.ts'
import { storeName, wireName } from '../../amqp/names.ts'
import { badRequest, notFound } from '../fault.ts'
import { tableFromJson, tableToJson, textOrBase64 } from '../field-json.ts'
import {
  json,
  type ManagementCall,
  type ManagementParts,
  type ManagementRoute,
  need,
  numberField,
  objectField,
  storedOf,
  textField,
  vhostOf,
} from '../route.ts'
import { existingExchange } from '../topology.ts'
import { DEFAULT_EXCHANGE } from './exchanges.ts'

const COUNT_MAX = 1_000
/** Of all payloads of one answer. */
const GET_BYTES_MAX = 32 * 1_048_576
const LEASE_MS = 30_000

type TextName =
  | 'contentType'
  | 'contentEncoding'
  | 'correlationId'
  | 'replyTo'
  | 'expiration'
  | 'messageId'
  | 'type'
  | 'userId'
  | 'appId'
  | 'clusterId'

const textNames: Readonly<Record<string, TextName>> = {
  content_type: 'contentType',
  content_encoding: 'contentEncoding',
  correlation_id: 'correlationId',
  reply_to: 'replyTo',
  expiration: 'expiration',
  message_id: 'messageId',
  type: 'type',
  user_id: 'userId',
  app_id: 'appId',
  cluster_id: 'clusterId',
}

async function publish(call: ManagementCall, parts: ManagementParts) {
  const { port } = parts
  const vhost = await vhostOf(call, parts)
  const name = call.name('name') === DEFAULT_EXCHANGE ? '' : call.name('name')
  const key = textField(call.body, 'routing_key')
  const stored = storeName(vhost, name === '' ? key : name)
  need(call, 'write', stored)
  const message = messageOf(call, { exchange: name, key })
  if (name === '') return json({ routed: isStored(await port.append(stored, [message])) })
  const definition = await existingExchange(parts, { vhost, name })
  if (definition.internal) throw new AmqpFault(403, `cannot publish to internal ${resource('exchange', name, vhost)}`)
  const [outcomes = []] = await port.publish(stored, [{ ...message, routing: { key } }])
  return json({ routed: isStored(outcomes) })
}

/** Throws 400 for what a full disk, or a queue with reject-publish, refuses. */
function isStored(outcomes: readonly AppendOutcome[]): boolean {
  for (const outcome of outcomes) {
    if (outcome.kind === 'refused' && outcome.reason !== 'no-such-queue') throw badRequest(`refused: ${outcome.reason}`)
  }
  return outcomes.some(({ kind }) => kind === 'stored' || kind === 'duplicate')
}

function messageOf(call: ManagementCall, { exchange, key }: { exchange: string; key: string }): PublishedMessage {
  const { body, identity } = call
  const payload = textField(body, 'payload')
  const encoding = textField(body, 'payload_encoding')
  if (encoding !== 'string' && encoding !== 'base64') throw badRequest('payload_encoding should be string or base64')
  const properties = propertiesOf(objectField(body, 'properties'))
  if (properties.userId !== undefined && properties.userId !== identity.name) {
    throw badRequest(`user_id property set to '${properties.userId}' but authenticated user was '${identity.name}'`)
  }
  const { priority, expiration } = properties
  const ttlMs = expiration === undefined ? undefined : Number(expiration)
  if (expiration !== undefined && !/^\d{1,15}$/.test(expiration))
    throw badRequest('expiration should be milliseconds, as text')
  const writer = new ByteWriter()
  writer.u8(AMQP_HEAD)
  writer.shortstr(exchange)
  writer.shortstr(key)
  return {
    content: {
      body: Buffer.from(payload, encoding === 'string' ? 'utf8' : 'base64'),
      head: Buffer.concat([writer.result(), writeProperties(properties)]),
    },
    ...(priority === undefined || priority === 0 ? {} : { priority }),
    ...(ttlMs === undefined ? {} : { ttlMs: Math.min(DURATION_MS_MAX, Math.max(1, ttlMs)) }),
  }
}

/** Throws 400 for a name that is no property, or a value that does not fit it. */
function propertiesOf(said: Readonly<Record<string, unknown>>): Properties {
  const properties: Properties = {}
  for (const [name, value] of Object.entries(said)) {
    const text = Object.hasOwn(textNames, name) ? textNames[name] : undefined
    if (text !== undefined) {
      if (typeof value !== 'string' || Buffer.byteLength(value) > 255)
        throw badRequest(`${name} should be text of at most 255 bytes`)
      properties[text] = value
    } else if (name === 'headers') properties.headers = tableFromJson(objectField(said, name))
    else if (name === 'delivery_mode') properties.deliveryMode = numberField(said, name, { min: 1, max: 2 })
    else if (name === 'priority') properties.priority = numberField(said, name, { min: 0, max: 255 })
    else if (name === 'timestamp')
      properties.timestamp = BigInt(numberField(said, name, { min: 0, max: Number.MAX_SAFE_INTEGER }))
    else throw badRequest(`there is no property ${name.slice(0, 100)}`)
  }
  return properties
}

const ackModes: Readonly<Record<string, SettleRequest['how']>> = {
  ack_requeue_true: { kind: 'release', spend: false },
  ack_requeue_false: { kind: 'ack' },
  reject_requeue_true: { kind: 'release' },
  reject_requeue_false: { kind: 'bury', reason: 'rejected' },
}

async function get(call: ManagementCall, parts: ManagementParts) {
  const { port } = parts
  const { body } = call
  const stored = await storedOf(call, parts)
  need(call, 'read', stored)
  const mode = textField(body, 'ackmode')
  const how = Object.hasOwn(ackModes, mode) ? ackModes[mode] : undefined
  if (how === undefined) throw badRequest(`ackmode should be one of ${Object.keys(ackModes).join(', ')}`)
  const encoding = textField(body, 'encoding')
  if (encoding !== 'auto' && encoding !== 'base64') throw badRequest('encoding should be auto or base64')
  const max = numberField(body, 'count', { min: 1, max: COUNT_MAX })
  const truncate = numberField(body, 'truncate', { fallback: GET_BYTES_MAX, min: 0, max: GET_BYTES_MAX })
  if ((await port.measure([stored])).length === 0) throw notFound()
  const shown: object[] = []
  const settled: SettleRequest[] = []
  let bytes = 0
  // One by one: how large the next one is shows only when it is there.
  while (shown.length < max && bytes < GET_BYTES_MAX) {
    const [delivery] = await port.receive({ queue: stored, max: 1, lease: { kind: 'clock', leaseMs: LEASE_MS } })
    if (delivery === undefined) break
    bytes += delivery.content.body.length
    settled.push({ receipt: delivery.receipt, how, id: delivery.id })
    shown.push(messageView(delivery, { encoding, truncate }))
  }
  const [left] = await port.measure([stored])
  const ready = left?.ready ?? 0
  const count = shown.length
  await port.settle(settled)
  return json(shown.map((view, place) => ({ ...view, message_count: ready + count - 1 - place })))
}

function messageView(delivery: Delivery, how: { readonly encoding: 'auto' | 'base64'; readonly truncate: number }) {
  const head = Buffer.from(headFor(delivery, false))
  const { exchange, key } = originOf(head) ?? { exchange: '', key: wireName(delivery.queue).name }
  const { body } = delivery.content
  const part = body.subarray(0, how.truncate)
  const { text, encoding } =
    how.encoding === 'auto' ? textOrBase64(part) : { text: Buffer.from(part).toString('base64'), encoding: 'base64' }
  return {
    payload_bytes: body.length,
    redelivered: delivery.attempts > 1,
    exchange,
    routing_key: key,
    properties: propertiesView(readProperties(head, addressEnd(head))),
    payload: text,
    payload_encoding: encoding,
  }
}

function propertiesView(properties: Properties): Readonly<Record<string, unknown>> {
  const shown: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(textNames))
    if (properties[field] !== undefined) shown[name] = properties[field]
  const { headers, deliveryMode, priority, timestamp } = properties
  if (headers !== undefined) shown['headers'] = tableToJson(headers)
  if (deliveryMode !== undefined) shown['delivery_mode'] = deliveryMode
  if (priority !== undefined) shown['priority'] = priority
  if (timestamp !== undefined) shown['timestamp'] = Number(timestamp)
  return shown
}

const ALIVENESS = 'aliveness-test'

/** Sends one message through a queue of the virtual host and back, as RabbitMQ's own test does. */
async function aliveness(call: ManagementCall, parts: ManagementParts) {
  const { port } = parts
  const stored = storeName(await vhostOf(call, parts), ALIVENESS)
  for (const verb of ['configure', 'write', 'read'] as const) need(call, verb, stored)
  await port.declareQueue(stored, { attemptsMax: null, onDeath: { kind: 'discard' }, ttlMs: LEASE_MS })
  const message = { content: { body: Buffer.from('test_message'), head: Uint8Array.of(1) } }
  const [outcome] = await port.append(stored, [message])
  const [delivery] = await port.receive({ queue: stored, max: 1, lease: { kind: 'clock', leaseMs: LEASE_MS } })
  if (outcome?.kind !== 'stored') throw new SpindleError('overloaded', `send through '${ALIVENESS}'`)
  // Of two tests at once one may have taken both: what was sent was served.
  if (delivery !== undefined) await port.settle([{ receipt: delivery.receipt, how: { kind: 'ack' }, id: delivery.id }])
  return json({ status: 'ok' })
}

export const messageRoutes: readonly ManagementRoute[] = [
  { method: 'POST', path: '/exchanges/:vhost/:name/publish', answer: publish },
  { method: 'POST', path: '/queues/:vhost/:name/get', answer: get },
  { method: 'GET', path: '/aliveness-test/:vhost', answer: aliveness },
]
