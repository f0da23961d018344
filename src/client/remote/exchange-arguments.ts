/** As `arguments.ts`, for what has to do with exchanges, declarations and redrives. */
import type {
  Binding,
  DeclareQueueOptions,
  ExchangeSettings,
  PublishedMessage,
  QueuedMessage,
  RecordStep,
  RedriveRequest,
  WithRecords,
} from '../../broker/port.ts'
import { bytes, fields, flag, list, newMessage, number, optional, text, texts, wrong } from './arguments.ts'

/** Names and ranges of settings are judged where exchanges are declared. */
export function exchangeSettings(value: unknown): Partial<ExchangeSettings> {
  return fields(value, 'settings') as Partial<ExchangeSettings>
}

export function declareQueueOptions(value: unknown): DeclareQueueOptions {
  const options = fields(value, 'options')
  expectation(options['expect'])
  optional(options['lifetime'], 'lifetime', lifetime)
  return withRecords(value)
}

export function declareExchangeOptions(value: unknown): WithRecords {
  expectation(fields(value, 'options')['expect'])
  return withRecords(value)
}

export function deleteOptions(value: unknown): WithRecords {
  const options = fields(value, 'options')
  optional(options['ifEmpty'], 'ifEmpty', flag)
  optional(options['ifUnused'], 'ifUnused', flag)
  return withRecords(value)
}

export function withRecords(value: unknown): WithRecords {
  const options = fields(value, 'options')
  optional(options['records'], 'records', (records, what) => list(records, what, recordStep))
  return options as WithRecords
}

export function recordStep(value: unknown): RecordStep {
  const record = fields(value, 'a record')
  text(record['key'], 'key')
  if (record['value'] !== null) bytes(record['value'], 'value')
  optional(record['expect'], 'expect', number)
  return record as unknown as RecordStep
}

/** What a binding may say is judged where it is put; here only that its parts are of their types. */
export function binding(value: unknown): Binding {
  const it = fields(value, 'a binding')
  text(it['exchange'], 'exchange')
  text(it['id'], 'id')
  text(it['key'], 'key')
  const target = fields(it['target'], 'target')
  text(target['kind'], 'target.kind')
  text(target['name'], 'target.name')
  for (const part of ['headers', 'filter', 'attributes']) optional(it[part], part, fields)
  return it as unknown as Binding
}

export function publishedMessages(value: unknown): PublishedMessage[] {
  return list(value, 'messages', publishedMessage)
}

export function publishedMessage(value: unknown): PublishedMessage {
  const message = newMessage(value)
  const { routing } = value as { routing?: unknown }
  if (routing === undefined) return message
  const { key, keys, headers } = fields(routing, 'routing')
  optional(key, 'routing.key', text)
  optional(keys, 'routing.keys', texts)
  optional(headers, 'routing.headers', fields)
  return message
}

export function queuedMessage(value: unknown): QueuedMessage {
  const it = fields(value, 'a delivery')
  text(it['queue'], 'queue')
  newMessage(it['message'])
  return it as unknown as QueuedMessage
}

export function redriveRequest(value: unknown): RedriveRequest {
  const request = fields(value, 'a redrive')
  text(request['source'], 'source')
  optional(request['from'], 'from', text)
  optional(request['target'], 'target', text)
  optional(request['ratePerSecond'], 'ratePerSecond', number)
  return request as unknown as RedriveRequest
}

function expectation(value: unknown): void {
  if (value !== undefined && value !== 'absent') throw wrong('expect', "'absent'")
}

function lifetime(value: unknown): void {
  const it = fields(value, 'lifetime')
  if (it['kind'] === 'holder') text(it['holder'], 'holder')
  else if (it['kind'] === 'idle') number(it['idleMs'], 'idleMs')
  else if (it['kind'] !== 'durable') throw wrong('lifetime.kind', 'durable, holder or idle')
}
