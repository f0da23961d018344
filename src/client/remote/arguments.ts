/**
 * What a peer sends is `unknown` until it has passed here; behind, the broker trusts its types. Only shapes are
 * judged: ranges, names and sizes are the broker's business, for local callers too.
 */
import type { Port, ReceiveRequest, SettleRequest } from '../../broker/port.ts'
import { SpindleError } from '../../model/errors.ts'
import type { MessageId, NewMessage, Receipt } from '../../model/message.ts'

type Fields = Readonly<Record<string, unknown>>
type Policy = Parameters<Port['declareQueue']>[1]
type Browse = Parameters<Port['browse']>[0]
type Scan = Parameters<Port['scan']>[1]

export function text(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  throw wrong(what, 'a string')
}

export function number(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw wrong(what, 'a finite number')
}

export function bytes(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw wrong(what, 'bytes')
}

export function fields(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)) {
    return value as Fields
  }
  throw wrong(what, 'an object')
}

export function list<T>(value: unknown, what: string, each: (entry: unknown) => T): T[] {
  if (!Array.isArray(value)) throw wrong(what, 'a list')
  return value.map(each)
}

/** Absent is fine, and so is undefined: msgpack keeps both. */
export function optional<T>(value: unknown, what: string, judge: (value: unknown, what: string) => T): T | undefined {
  return value === undefined ? undefined : judge(value, what)
}

export function texts(value: unknown, what: string): string[] {
  return list(value, what, (entry) => text(entry, what))
}

export function messageId(value: unknown): MessageId {
  return text(value, 'a message id') as MessageId
}

export function receipt(value: unknown): Receipt {
  return text(value, 'a receipt') as Receipt
}

/** Bodies stay as they came; the object is handed on as it is once each field it may have is of its type. */
export function newMessage(value: unknown): NewMessage {
  const message = fields(value, 'a message')
  const content = fields(message['content'], 'content')
  bytes(content['body'], 'content.body')
  bytes(content['head'], 'content.head')
  optional(message['priority'], 'priority', number)
  optional(message['groupId'], 'groupId', text)
  optional(message['dedupId'], 'dedupId', text)
  optional(message['delayMs'], 'delayMs', number)
  optional(message['ttlMs'], 'ttlMs', number)
  optional(message['id'], 'id', text)
  optional(message['history'], 'history', (history) => list(history, 'history', death))
  return message as unknown as NewMessage
}

export function newMessages(value: unknown): NewMessage[] {
  return list(value, 'messages', newMessage)
}

/** Whatever the queue's policy may say is judged where policies are declared; here only that it is plain data by name. */
export function policy(value: unknown): Policy {
  return fields(value, 'policy') as Policy
}

export function receiveRequest(value: unknown): ReceiveRequest {
  const request = fields(value, 'a receive')
  text(request['queue'], 'queue')
  number(request['max'], 'max')
  optional(request['waitMs'], 'waitMs', number)
  optional(request['lease'], 'lease', leaseTerm)
  optional(request['from'], 'from', leaseSource)
  optional(request['settleOnDelivery'], 'settleOnDelivery', flag)
  optional(request['consumer'], 'consumer', text)
  optional(request['fill'], 'fill', flag)
  return request as unknown as ReceiveRequest
}

export function settleRequest(value: unknown): SettleRequest {
  const request = fields(value, 'a settlement')
  text(request['receipt'], 'receipt')
  optional(request['id'], 'id', text)
  const how = fields(request['how'], 'how')
  switch (how['kind']) {
    case 'ack':
      optional(how['keep'], 'keep', bytes)
      optional(how['retainMs'], 'retainMs', number)
      break
    case 'release':
      optional(how['delayMs'], 'delayMs', number)
      optional(how['spend'], 'spend', flag)
      optional(how['note'], 'note', bytes)
      break
    case 'bury':
      text(how['reason'], 'reason')
      optional(how['note'], 'note', bytes)
      break
    default:
      throw wrong('how.kind', 'ack, release or bury')
  }
  return request as unknown as SettleRequest
}

export function browseRequest(value: unknown): Browse {
  const request = fields(value, 'a browse')
  text(request['queue'], 'queue')
  texts(request['states'], 'states')
  optional(request['cursor'], 'cursor', text)
  number(request['limit'], 'limit')
  return request as unknown as Browse
}

export function scanOptions(value: unknown): Scan {
  const options = fields(value, 'scan options')
  optional(options['after'], 'after', text)
  number(options['limit'], 'limit')
  return options as unknown as Scan
}

export function transactOptions(value: unknown): { readonly relaxed?: boolean } {
  const relaxed = optional(fields(value, 'transaction options')['relaxed'], 'relaxed', flag)
  return relaxed === undefined ? {} : { relaxed }
}

export function releaseOptions(value: unknown): { readonly spend?: boolean } {
  const spend = optional(fields(value, 'release options')['spend'], 'spend', flag)
  return spend === undefined ? {} : { spend }
}

export function flag(value: unknown, what: string): boolean {
  if (typeof value === 'boolean') return value
  throw wrong(what, 'true or false')
}

function leaseTerm(value: unknown): void {
  const term = fields(value, 'lease')
  if (term['kind'] === 'holder') {
    text(term['holder'], 'holder')
    return
  }
  if (term['kind'] !== 'clock') throw wrong('lease.kind', 'clock or holder')
  optional(term['leaseMs'], 'leaseMs', number)
  optional(term['holder'], 'holder', text)
}

function leaseSource(value: unknown): void {
  const source = fields(value, 'from')
  switch (source['kind']) {
    case 'ready':
    case 'delayed':
      break
    case 'dead':
      optional(source['ids'], 'ids', texts)
      break
    case 'ids':
      texts(source['ids'], 'ids')
      break
    default:
      throw wrong('from.kind', 'ready, dead, delayed or ids')
  }
}

function death(value: unknown): void {
  const it = fields(value, 'a death')
  text(it['queue'], 'queue')
  text(it['reason'], 'reason')
  number(it['count'], 'count')
  number(it['atMs'], 'atMs')
  number(it['attempts'], 'attempts')
}

export function wrong(what: string, wanted: string): SpindleError {
  return new SpindleError('invalid-argument', `a call from another process: ${what} must be ${wanted}`)
}
