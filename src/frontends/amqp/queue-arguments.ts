/** Arguments of queue.declare: RabbitMQ's checks and texts, and what they mean to the engine. Unknown ones are kept and ignored, as there. */

import type { QueueLifetime } from '../../broker/port.ts'
import { DURATION_MS_MAX } from '../../model/limits.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import { type FieldTable, type FieldValue, textOf } from '../../wire/amqp/field-table.ts'
import { preconditionFailed, resource } from './fault.ts'
import { storeName } from './names.ts'

/** What a queue was declared with. One that another protocol made counts as durable, without arguments. */
export interface QueueDefinition {
  readonly durable: boolean
  readonly autoDelete: boolean
  /** The connection that may use it; undefined: every one. */
  readonly owner: string | undefined
  /** Holder of the process that it ends with, where it is not durable or exclusive; undefined: of the last one of the store. */
  readonly process?: string | undefined
  readonly arguments: FieldTable
}

export const PLAIN_DEFINITION: QueueDefinition = {
  durable: true,
  autoDelete: false,
  owner: undefined,
  arguments: new Map(),
}

type Check = (value: FieldValue) => string | undefined

const OVERFLOWS = new Map<string, QueuePolicy['overflow']>([
  ['drop-head', 'dropHead'],
  ['reject-publish', 'reject'],
  ['reject-publish-dlx', 'rejectDeadLetter'],
])
const PRIORITY_MAX = 255

const checks: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['x-message-ttl', whole(0, DURATION_MS_MAX)],
  ['x-expires', whole(1, DURATION_MS_MAX)],
  ['x-max-length', whole(0, Number.MAX_SAFE_INTEGER)],
  ['x-max-length-bytes', whole(0, Number.MAX_SAFE_INTEGER)],
  ['x-delivery-limit', whole(0, 1_000_000)],
  ['x-max-priority', whole(0, PRIORITY_MAX)],
  ['x-single-active-consumer', boolean],
  ['x-dead-letter-exchange', text],
  ['x-dead-letter-routing-key', text],
  ['x-overflow', oneOf(...OVERFLOWS.keys())],
  ['x-queue-mode', oneOf('default', 'lazy')],
  ['x-queue-type', oneOf('classic', 'quorum')],
])

/** The arguments that mean something. */
export const queueArgumentNames: readonly string[] = [...checks.keys()]

/** Those that must be the same when a queue is declared again. */
const compared = [...checks.keys()].filter((name) => name !== 'x-queue-mode')

/** Throws PRECONDITION_FAILED. */
export function checkQueueArguments(queue: string, vhost: string, args: FieldTable): void {
  for (const [name, value] of args) {
    const wrong = checks.get(name)?.(value)
    if (wrong !== undefined) {
      throw preconditionFailed(`invalid arg '${name}' for ${resource('queue', queue, vhost)}: ${wrong}`)
    }
  }
  if (args.has('x-dead-letter-routing-key') && !args.has('x-dead-letter-exchange')) {
    const why = 'routing_key_but_no_dlx_defined'
    throw preconditionFailed(`invalid arg 'x-dead-letter-routing-key' for ${resource('queue', queue, vhost)}: ${why}`)
  }
}

/** Throws PRECONDITION_FAILED for the first difference, in RabbitMQ's words. */
export function checkEquivalent(
  queue: string,
  vhost: string,
  wanted: Omit<QueueDefinition, 'owner'>,
  current: QueueDefinition,
): void {
  const differs = (name: string, received: string, is: string): never => {
    const which = `inequivalent arg '${name}' for ${resource('queue', queue, vhost)}`
    throw preconditionFailed(`${which}: received ${received} but current is ${is}`)
  }
  if (wanted.durable !== current.durable) differs('durable', `'${wanted.durable}'`, `'${current.durable}'`)
  if (wanted.autoDelete !== current.autoDelete) {
    differs('auto_delete', `'${wanted.autoDelete}'`, `'${current.autoDelete}'`)
  }
  for (const name of compared) {
    const [received, is] = [described(wanted.arguments.get(name)), described(current.arguments.get(name))]
    const typeless = name === 'x-queue-type' && isClassic(received) && isClassic(is)
    if (received.value !== is.value && !typeless) differs(name, received.shown, is.shown)
  }
}

function isClassic({ value }: { readonly value: string | undefined }): boolean {
  return value === undefined || value === 'classic'
}

/** What the engine is to do, as far as AMQP says; the rest is the engine's default. */
export function queuePolicy(vhost: string, { durable, arguments: args }: QueueDefinition): Partial<QueuePolicy> {
  const ttlMs = wholeOf(args.get('x-message-ttl'))
  const deliveryLimit = wholeOf(args.get('x-delivery-limit'))
  const exchange = textOf(args.get('x-dead-letter-exchange'))
  const key = textOf(args.get('x-dead-letter-routing-key')) ?? null
  const overflow = OVERFLOWS.get(textOf(args.get('x-overflow')) ?? 'drop-head') ?? 'dropHead'
  return {
    // The limit counts redeliveries; the first delivery comes on top.
    attemptsMax: deliveryLimit === undefined ? null : deliveryLimit + 1,
    onDeath:
      exchange === undefined ? { kind: 'discard' } : { kind: 'exchange', exchange: storeName(vhost, exchange), key },
    // 0 means "only for who waits already"; 1 ms is as close as a queue comes to it.
    ttlMs: ttlMs === undefined ? null : Math.max(1, ttlMs),
    ttlMsMax: ttlMs === undefined ? null : Math.max(1, ttlMs),
    // Without the argument a queue has no priorities, whatever its messages say.
    priorityMax: wholeOf(args.get('x-max-priority')) ?? 0,
    onExpired: 'die',
    lengthMax: wholeOf(args.get('x-max-length')) ?? null,
    lengthBytesMax: wholeOf(args.get('x-max-length-bytes')) ?? null,
    overflow,
    lengthCounts: 'waiting',
    durability: durable ? 'durable' : 'relaxed',
  }
}

/** How long the queue itself lives. */
export function lifetimeOf({ owner, arguments: args }: QueueDefinition): QueueLifetime {
  if (owner !== undefined) return { kind: 'holder', holder: owner }
  const idleMs = wholeOf(args.get('x-expires'))
  return idleMs === undefined ? { kind: 'durable' } : { kind: 'idle', idleMs }
}

/** The value of any of the integer types; undefined for others, and for what JavaScript cannot hold exactly. */
export function wholeOf(field: FieldValue | undefined): number | undefined {
  switch (field?.type) {
    case 'b':
    case 'B':
    case 's':
    case 'u':
    case 'I':
    case 'i':
      return field.value
    case 'l':
    case 'L':
      return Number.isSafeInteger(Number(field.value)) ? Number(field.value) : undefined
    default:
      return undefined
  }
}

function whole(min: number, max: number): Check {
  return (field) => {
    const value = wholeOf(field)
    if (value === undefined) return `{unacceptable_type,${typeNames[field.type]}}`
    if (value < 0) return `{value_negative,${value}}`
    if (value < min) return `{value_zero,${value}}`
    return value > max ? `{max_value_exceeded,${value}}` : undefined
  }
}

function boolean(field: FieldValue): string | undefined {
  return field.type === 't' ? undefined : `{unacceptable_type,${typeNames[field.type]}}`
}

function text(field: FieldValue): string | undefined {
  return field.type === 'S' ? undefined : `{unacceptable_type,${typeNames[field.type]}}`
}

function oneOf(...allowed: readonly string[]): Check {
  return (field) => {
    const wrongType = text(field)
    if (wrongType !== undefined) return wrongType
    const value = textOf(field) ?? ''
    return allowed.includes(value) ? undefined : `'${value}' is not supported; use ${allowed.join(' or ')}`
  }
}

/** RabbitMQ's words for the types. */
const typeNames: Readonly<Record<FieldValue['type'], string>> = {
  t: 'bool',
  b: 'byte',
  B: 'unsignedbyte',
  s: 'short',
  u: 'unsignedshort',
  I: 'signedint',
  i: 'unsignedint',
  l: 'long',
  L: 'unsignedlong',
  T: 'timestamp',
  f: 'float',
  d: 'double',
  D: 'decimal',
  S: 'longstr',
  x: 'binary',
  A: 'array',
  F: 'table',
  V: 'void',
}

function described(field: FieldValue | undefined): { readonly value: string | undefined; readonly shown: string } {
  if (field === undefined) return { value: undefined, shown: 'none' }
  const value = valueText(field)
  return { value, shown: `the value '${value}' of type '${typeNames[field.type]}'` }
}

function valueText(field: FieldValue): string {
  const number = wholeOf(field)
  if (number !== undefined) return `${number}`
  if (field.type === 'S') return textOf(field) ?? ''
  return field.type === 't' ? `${field.value}` : typeNames[field.type]
}
