/**
 * What AMQP must remember of queues and exchanges so that declaring them again can be judged.
 *   spindle/amqp/queue/NAME   JSON { durable, autoDelete, owner?, process?, arguments: base64 of the table }
 * Exchanges carry theirs in `attributes.amqp`: { type, durable, internal, process?, arguments }.
 */
import type { ExchangeKind, ExchangeSettings, Port, QueueMeasure, StoredRecord } from '../../broker/port.ts'
import { ByteReader } from '../../wire/amqp/byte-reader.ts'
import { ByteWriter } from '../../wire/amqp/byte-writer.ts'
import { EMPTY_TABLE, type FieldTable, readTable, writeTable } from '../../wire/amqp/field-table.ts'
import { PLAIN_DEFINITION, type QueueDefinition } from './queue-arguments.ts'

const QUEUE_PREFIX = 'spindle/amqp/queue/'
const PAGE = 1_000

/** What an exchange was declared with. One that another protocol made counts as durable, without arguments. */
export interface ExchangeDefinition {
  /** How it routes. */
  readonly kind: ExchangeKind
  /** As declared: the kind, or `x-delayed-message`. */
  readonly type: string
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly internal: boolean
  readonly arguments: FieldTable
}

export function queueKey(queue: string): string {
  return QUEUE_PREFIX + queue
}

export function encodeQueue({ durable, autoDelete, owner, process, arguments: args }: QueueDefinition): Uint8Array {
  return Buffer.from(JSON.stringify({ durable, autoDelete, owner, process, arguments: encodeTable(args) }))
}

/** undefined: no AMQP client declared it. */
export async function readQueue(port: Port, queue: string): Promise<QueueDefinition | undefined> {
  const record = await port.read(queueKey(queue))
  return record === undefined ? undefined : decodeQueue(record)
}

function decodeQueue({ value }: StoredRecord): QueueDefinition {
  const fields = parsed(value)
  return {
    durable: fields['durable'] !== false,
    autoDelete: fields['autoDelete'] === true,
    owner: typeof fields['owner'] === 'string' ? fields['owner'] : undefined,
    process: typeof fields['process'] === 'string' ? fields['process'] : undefined,
    arguments: decodeTable(fields['arguments']),
  }
}

/**
 * Is the queue that is there the one that was recorded? One that another protocol deleted and made anew is not: it outlives the broker
 * and its connections where the recorded one did not.
 */
export function stillIs({ durable, owner }: QueueDefinition, { policy, lifetime }: QueueMeasure): boolean {
  if (!durable && policy.durability === 'durable') return false
  return owner === undefined || lifetime.kind === 'holder'
}

/** Every queue that AMQP clients declared, also those that have gone since. */
export async function* allQueues(
  port: Port,
): AsyncGenerator<{ queue: string; definition: QueueDefinition; version: number }> {
  let after: string | undefined
  for (;;) {
    const page = await port.scan(QUEUE_PREFIX, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    for (const record of page) {
      yield { queue: record.key.slice(QUEUE_PREFIX.length), definition: decodeQueue(record), version: record.version }
    }
    after = page.at(-1)?.key
    if (page.length < PAGE) return
  }
}

/** `process`: the holder of the one that declares it; it ends with that one if it is not durable. */
export function exchangeAttributes(
  definition: ExchangeDefinition,
  process?: string,
): Readonly<Record<string, unknown>> {
  const { type, durable, internal, arguments: args } = definition
  const ends = durable || process === undefined ? {} : { process }
  return { amqp: { type, durable, internal, ...ends, arguments: encodeTable(args) } }
}

/** Of an exchange that is not durable: the holder of the process that it ends with, if one is known. undefined: it stays. */
export function endOfExchange({ attributes }: ExchangeSettings): { readonly process: string | undefined } | undefined {
  const amqp = attributes['amqp'] as { readonly durable?: unknown; readonly process?: unknown } | undefined
  if (amqp?.durable !== false) return undefined
  return { process: typeof amqp.process === 'string' ? amqp.process : undefined }
}

export function exchangeDefinition({ kind, autoDelete, attributes }: ExchangeSettings): ExchangeDefinition {
  const amqp = attributes['amqp']
  const fields = typeof amqp === 'object' && amqp !== null ? (amqp as Readonly<Record<string, unknown>>) : {}
  return {
    kind,
    type: typeof fields['type'] === 'string' ? fields['type'] : kind,
    durable: fields['durable'] !== false,
    autoDelete,
    internal: fields['internal'] === true,
    arguments: decodeTable(fields['arguments']),
  }
}

export function encodeTable(table: FieldTable): string {
  const writer = new ByteWriter()
  writeTable(writer, table)
  return writer.result().toString('base64')
}

export function decodeTable(text: unknown): FieldTable {
  if (typeof text !== 'string') return EMPTY_TABLE
  return readTable(new ByteReader(Buffer.from(text, 'base64')))
}

function parsed(value: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(Buffer.from(value).toString('utf8'))
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {}
  } catch {
    return { ...PLAIN_DEFINITION, arguments: undefined }
  }
}
