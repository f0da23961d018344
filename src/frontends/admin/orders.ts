/** What callers send, checked: every fault names the field. */
import type { ExchangeSettings, Filter, HeadersMatch, PublishedMessage, SettleRequest } from '../../broker/port.ts'
import type { Credentials } from '../../broker/users.ts'
import { validateGrants, validateTags } from '../../model/access.ts'
import {
  type Check,
  flag,
  listOf,
  oneOf,
  optionalFields,
  plainObject,
  text,
  wholeNumber,
  wrong,
} from '../../model/checks.ts'
import { encodeContent, type Headers } from '../../model/content.ts'
import { SpindleError } from '../../model/errors.ts'
import { DURATION_MS_MAX, NOTE_BYTES_MAX, PRIORITY_MAX } from '../../model/limits.ts'
import type { Content, MessageId, NewMessage, Receipt } from '../../model/message.ts'
import { validatePolicy } from '../../model/validate.ts'
import type {
  BindingToPut,
  BulkOrder,
  LoginOrder,
  MessageFilter,
  MessageToSend,
  QueueDeclaration,
  ReceiveOrder,
  RedriveOrder,
  SettleOrder,
  UserToPut,
} from './api.ts'

const BATCH_MAX = 1_000
const RECEIVE_MAX = 100
const WAIT_MS_MAX = 30_000
const HEADERS_MAX = 256

const duration = wholeNumber(0, DURATION_MS_MAX)
const anyText: Check<string> = (value, field) => {
  if (typeof value === 'string') return value
  throw wrong(field, 'be text')
}
const rate: Check<number> = (value, field) => {
  if (typeof value === 'number' && value >= 0.1 && value <= 100_000) return value
  throw wrong(field, 'be a number from 0.1 to 100000')
}

const headers: Check<Headers> = (value, field) => {
  const entries = Object.entries(plainObject(value, field))
  if (entries.length > HEADERS_MAX) throw wrong(field, `have at most ${HEADERS_MAX} names`)
  const checked = Object.create(null) as Record<string, string | number | boolean>
  for (const [name, header] of entries) {
    if (typeof header !== 'string' && typeof header !== 'boolean' && !Number.isFinite(header)) {
      throw wrong(`${field}.${name}`, 'be text, a number, true or false')
    }
    checked[name] = header as string
  }
  return checked
}

const messageFields = optionalFields<Omit<MessageToSend, 'headers'> & { headers?: Headers }>({
  body: anyText,
  encoding: oneOf('text', 'json', 'base64'),
  type: text,
  headers,
  delayMs: duration,
  ttlMs: duration,
  priority: wholeNumber(0, PRIORITY_MAX),
  groupId: text,
  dedupId: text,
  key: anyText,
})

const message: Check<PublishedMessage> = (value, field) => {
  const { body, encoding = 'text', type, headers: named, key, ...rest } = messageFields(value, field)
  if (body === undefined) throw wrong(`${field}.body`, 'be given')
  const meta = {
    ...(type === undefined ? {} : { type }),
    ...(named === undefined ? {} : { headers: named }),
    ...(key === undefined || key === '' ? {} : { key }),
  }
  const content = contentOf(body, { encoding, meta, field })
  return { ...rest, content, ...(key === undefined ? {} : { routing: { key } }) }
}

function contentOf(
  body: string,
  how: {
    readonly encoding: 'text' | 'json' | 'base64'
    readonly meta: { type?: string; headers?: Headers; key?: string }
    readonly field: string
  },
): Content {
  const { encoding, meta, field } = how
  switch (encoding) {
    case 'text':
      return encodeContent(body, meta)
    case 'base64':
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(body)) throw wrong(`${field}.body`, 'be base64')
      return encodeContent(new Uint8Array(Buffer.from(body, 'base64')), meta)
    case 'json': {
      const parsed = jsonOf(body, `${field}.body`)
      // A JSON text is marked as JSON even where it is a string; its bytes stay as they were sent.
      return { ...encodeContent({}, meta), body: Buffer.from(parsed, 'utf8') }
    }
    default:
      return encoding satisfies never
  }
}

function jsonOf(body: string, field: string): string {
  try {
    JSON.parse(body)
    return body
  } catch {
    throw wrong(field, 'be JSON')
  }
}

const messages = optionalFields<{ messages?: readonly PublishedMessage[] }>({ messages: listOf(message, BATCH_MAX) })

export function messagesToPublish(body: unknown): readonly PublishedMessage[] {
  const { messages: given } = messages(body, '')
  if (given === undefined) throw wrong('messages', 'be given')
  return given
}

export function messagesToSend(body: unknown): readonly NewMessage[] {
  return messagesToPublish(body).map(({ routing: _, ...rest }) => rest)
}

export const queueDeclaration: (body: unknown) => QueueDeclaration = top(
  optionalFields<QueueDeclaration>({
    policy: (value, field) => {
      const fields = plainObject(value, field) as NonNullable<QueueDeclaration['policy']>
      validatePolicy(fields)
      return fields
    },
    expect: oneOf('absent'),
  }),
)

export const receiveOrder: (body: unknown) => ReceiveOrder = top(
  optionalFields<ReceiveOrder>({
    max: wholeNumber(1, RECEIVE_MAX),
    waitMs: wholeNumber(0, WAIT_MS_MAX),
    leaseMs: wholeNumber(1, DURATION_MS_MAX),
    settleOnDelivery: flag,
    from: oneOf('ready', 'dead', 'delayed'),
  }),
)

interface SettleFields {
  readonly receipt?: string
  readonly id?: string
  readonly how?: SettleOrder['how']
  readonly delayMs?: number
  readonly spend?: boolean
  readonly reason?: string
  readonly note?: string
}

const settleFields = optionalFields<SettleFields>({
  receipt: text,
  id: text,
  how: oneOf('ack', 'release', 'bury'),
  delayMs: duration,
  spend: flag,
  reason: text,
  note: (value, field) => {
    if (typeof value === 'string' && Buffer.byteLength(value) <= NOTE_BYTES_MAX) return value
    throw wrong(field, `be text of at most ${NOTE_BYTES_MAX} bytes`)
  },
})

const settlement: Check<SettleRequest> = (value, field) => {
  const { receipt, id, how, delayMs, spend, reason = 'buried', note: words } = settleFields(value, field)
  if (receipt === undefined) throw wrong(`${field}.receipt`, 'be given')
  if (how === undefined) throw wrong(`${field}.how`, 'be given')
  const note = words === undefined ? {} : { note: Buffer.from(words, 'utf8') }
  const whose = { receipt: receipt as Receipt, ...(id === undefined ? {} : { id: id as MessageId }) }
  switch (how) {
    case 'ack':
      return { ...whose, how: { kind: 'ack' } }
    case 'release': {
      const when = { ...(delayMs === undefined ? {} : { delayMs }), ...(spend === undefined ? {} : { spend }) }
      return { ...whose, how: { kind: 'release', ...when, ...note } }
    }
    case 'bury':
      return { ...whose, how: { kind: 'bury', reason, ...note } }
    default:
      return how satisfies never
  }
}

export function settlements(body: unknown): readonly SettleRequest[] {
  const { settlements: given } = optionalFields<{ settlements?: readonly SettleRequest[] }>({
    settlements: listOf(settlement, BATCH_MAX),
  })(body, '')
  if (given === undefined) throw wrong('settlements', 'be given')
  return given
}

export function extension(body: unknown): { readonly receipts: readonly Receipt[]; readonly leaseMs: number } {
  const { receipts, leaseMs } = optionalFields<{ receipts?: readonly string[]; leaseMs?: number }>({
    receipts: listOf(text, BATCH_MAX),
    leaseMs: wholeNumber(1, DURATION_MS_MAX),
  })(body, '')
  if (receipts === undefined) throw wrong('receipts', 'be given')
  if (leaseMs === undefined) throw wrong('leaseMs', 'be given')
  return { receipts: receipts as readonly Receipt[], leaseMs }
}

export const exchangeSettings: (body: unknown) => Partial<ExchangeSettings> = top(
  optionalFields<Partial<ExchangeSettings>>({
    kind: oneOf('direct', 'fanout', 'topic', 'headers'),
    alternate: ((value, field) => (value === null ? null : text(value, field))) as Check<string>,
    autoDelete: flag,
    attributes: plainObject,
  }),
)

const target: Check<BindingToPut['target']> = (value, field) => {
  const { kind, name } = plainObject(value, field)
  return { kind: oneOf('queue', 'exchange')(kind, `${field}.kind`), name: text(name, `${field}.name`) }
}

export function bindingToPut(body: unknown): BindingToPut {
  const { target: to, ...rest } = optionalFields<Partial<BindingToPut>>({
    target,
    key: anyText,
    headers: (value, field) => {
      const { mode, values } = plainObject(value, field)
      return {
        mode: oneOf('all', 'any', 'all-with-x', 'any-with-x')(mode, `${field}.mode`),
        values: plainObject(values, `${field}.values`) as HeadersMatch['values'],
      }
    },
    filter: (value, field): Filter => {
      const { scope, policy } = plainObject(value, field)
      return {
        scope: oneOf('headers', 'body')(scope, `${field}.scope`),
        policy: plainObject(policy, `${field}.policy`),
      }
    },
  })(body, '')
  if (to === undefined) throw wrong('target', 'be given')
  return { target: to, ...rest }
}

export const redriveOrder: (body: unknown) => RedriveOrder = top(
  optionalFields<RedriveOrder>({ from: oneOf('ready', 'dead'), target: text, ratePerSecond: rate }),
)

const STATES = oneOf('ready', 'delayed', 'leased', 'dead', 'done')

const messageFilter = optionalFields<MessageFilter>({
  states: listOf(STATES, 5),
  ids: listOf(text, BATCH_MAX),
  type: text,
  group: text,
  header: text,
  text,
  reason: text,
  error: text,
  diedIn: text,
  olderThanMs: duration,
  newerThanMs: duration,
})

export function filterInQuery(query: URLSearchParams): MessageFilter {
  const given: Record<string, unknown> = {}
  for (const name of ['type', 'group', 'header', 'text', 'reason', 'error', 'diedIn'] as const) {
    const value = query.get(name)
    if (value !== null && value !== '') given[name] = value
  }
  for (const name of ['olderThanMs', 'newerThanMs'] as const) given[name] = queryNumber(query, name, duration)
  const [states, ids] = [query.get('state'), query.get('ids')]
  if (states !== null) given['states'] = states.split(',')
  if (ids !== null) given['ids'] = ids.split(',')
  return messageFilter(given, '')
}

export function bulkOrder(body: unknown): BulkOrder {
  const {
    queue,
    action,
    target: to,
    filter,
  } = optionalFields<Partial<BulkOrder>>({
    queue: text,
    action: oneOf('retry', 'move', 'discard'),
    target: text,
    filter: messageFilter,
  })(body ?? {}, '')
  if (queue === undefined) throw wrong('queue', 'be given')
  if (action === undefined) throw wrong('action', 'be given')
  // A forgotten filter must not mean everything.
  if (filter === undefined) throw wrong('filter', 'be given ({} means all)')
  if (filter.states?.some((state) => state === 'leased' || state === 'done') === true) {
    throw wrong('filter.states', 'be of ready, delayed and dead')
  }
  return { queue, action, filter, ...(to === undefined ? {} : { target: to }) }
}

export function retryOrder(body: unknown): { readonly target?: string; readonly message?: NewMessage } {
  return optionalFields<{ target?: string; message?: NewMessage }>({
    target: text,
    message: (value, field) => {
      const { routing: _, ...rest } = message(value, field)
      return rest
    },
  })(body ?? {}, '')
}

export const userToPut: (body: unknown) => UserToPut = top(
  optionalFields<UserToPut>({
    tags: (value, field) => validateTags(value, field),
    grants: (value, field) => validateGrants(value, field),
    password: ((value, field) => (value === null ? null : text(value, field))) as Check<string>,
    newToken: flag,
    newAccessKey: flag,
  }),
)

/** Of a login: `{ token }`, or `{ user, password }`. What was sent is in no message. */
export function credentialsOf(body: unknown): Credentials {
  const given = optionalFields<LoginOrder>({ token: text, user: text, password: text })(body ?? {}, '')
  const { token, user, password } = given
  if (token !== undefined && user === undefined && password === undefined) return { kind: 'token', token }
  if (token === undefined && user !== undefined && password !== undefined) {
    return { kind: 'password', name: user, password }
  }
  throw wrong('the body', 'be { token } or { user, password }')
}

/** The body itself, which may be missing: then nothing is given. */
function top<T>(check: Check<T>): (body: unknown) => T {
  return (body) => check(body ?? {}, '')
}

/** A number in the query; undefined when it is not there. */
export function queryNumber(query: URLSearchParams, name: string, check: Check<number>): number | undefined {
  const value = query.get(name)
  return value === null ? undefined : check(/^\d{1,15}$/.test(value) ? Number(value) : value, name)
}

export function queryFlag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)
  if (value === null || value === 'false') return false
  if (value === 'true' || value === '') return true
  throw new SpindleError('invalid-argument', `${name} must be true or false`)
}
