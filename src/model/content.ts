/**
 * Values <-> the bytes of a message.
 *
 *   head: | kind (1 byte) | UTF-8 JSON { type?, key?, headers?, attributeTypes?, system?, task? }, absent when it would be empty |
 *   body: kind 0 bytes as they are | 1 UTF-8 text | 2 UTF-8 JSON (empty: undefined)
 *
 * Kind 3 is a head that an AMQP publisher made, kept as it came (amqp-head.ts); its body is bytes, text or JSON by its content-type.
 * A header whose value is bytes is written as { "$bytes": base64 }. An empty head means kind 0 and nothing else.
 */
import { AMQP_HEAD, originOf, readAmqpHead } from './amqp-head.ts'
import { base64Bytes, base64Text, latin1Text, utf8Bytes, utf8Text } from './bytes.ts'
import { SpindleError } from './errors.ts'
import type { Content } from './message.ts'

/** Header names are free text; values are strings, finite numbers, booleans or bytes. */
export type HeaderValue = string | number | boolean | Uint8Array
export type Headers = Readonly<Record<string, HeaderValue>>
type Texts = Readonly<Record<string, string>>

export type ContentKind = 'bytes' | 'text' | 'json'

/** What travels in the head beside the kind of the body. */
export interface ContentMeta {
  readonly type?: string
  /** The routing key it was published with, so that a dead one can be routed by it again. */
  readonly key?: string
  readonly headers?: Headers
  /** SQS and SNS data types that the kind of a header's value does not say: `Number` (the value stays the exact text), `String.json`. */
  readonly attributeTypes?: Texts
  /** What a front end gives back as it came and nobody else reads: SQS's system attributes. */
  readonly system?: Texts
  /** What the task executor must know; no front end fills it from headers of the wire. */
  readonly task?: TaskMeta
}

export interface TaskMeta {
  /** Where to POST the final status. */
  readonly webhook?: string
  /** The delay it was enqueued with, ms, so that it is not counted as waiting. */
  readonly delayMs?: number
  /** The workflow it is a step of, and its place in it. */
  readonly flow?: { readonly id: string; readonly path: string }
}

export interface DecodedHead {
  readonly kind: ContentKind
  readonly type: string | undefined
  readonly key: string | undefined
  /** Frozen, without a prototype: a header named `__proto__` is a header like any other. */
  readonly headers: Headers
  /** Frozen, without prototypes, as the headers. */
  readonly attributeTypes: Texts
  readonly system: Texts
  readonly task: TaskMeta
}

const BYTES = 0
const TEXT = 1
const JSON_KIND = 2
const kindNames: readonly ContentKind[] = ['bytes', 'text', 'json']
const plainHeads = [BYTES, TEXT, JSON_KIND].map((kind) => Uint8Array.of(kind))

const NO_HEADERS: Headers = Object.freeze(Object.create(null) as Record<string, HeaderValue>)
const NO_TEXTS: Texts = Object.freeze(Object.create(null) as Record<string, string>)
const NO_TASK: TaskMeta = Object.freeze({})
/** A head that says nothing but the kind. */
const NOTHING = {
  type: undefined,
  key: undefined,
  headers: NO_HEADERS,
  attributeTypes: NO_TEXTS,
  system: NO_TEXTS,
  task: NO_TASK,
}
const EMPTY_BODY = new Uint8Array(0)

/** What heads of one byte, or none, say: by far the most, so they cost no look-up. */
const decodedPlainHeads: readonly DecodedHead[] = kindNames.map((kind) => Object.freeze({ kind, ...NOTHING }))
const PLAIN_BYTES = decodedPlainHeads[BYTES] as DecodedHead

/** Most messages of a store have one of few heads; both memos forget everything when they are full. */
const MEMO_ENTRIES_MAX = 512
const MEMO_HEAD_BYTES_MAX = 128
const encodedTypes = new Map<string, Uint8Array>()
const decodedHeads = new Map<string, DecodedHead>()
/** The messages of one queue follow each other: comparing a few bytes is cheaper than making a key of them. */
let latest: { readonly head: Uint8Array; readonly decoded: DecodedHead } = {
  head: new Uint8Array(0),
  decoded: Object.freeze({ kind: 'bytes', ...NOTHING }),
}

/** Strings become text, Uint8Array bytes, the rest JSON. Rejects what JSON cannot carry with `invalid-argument`. */
export function encodeContent(body: unknown, meta: ContentMeta = NO_META): Content {
  if (typeof body === 'string') return { body: utf8Bytes(body), head: encodeHead(TEXT, meta) }
  if (body instanceof Uint8Array) return { body, head: encodeHead(BYTES, meta) }
  return encodeJsonContent(body, meta)
}

const NO_META: ContentMeta = Object.freeze({})

/** As `encodeContent`, but a string or bytes become JSON too: the inputs of tasks. */
export function encodeJsonContent(body: unknown, meta: ContentMeta): Content {
  return { body: encodeJson(body), head: encodeHead(JSON_KIND, meta) }
}

/** Never throws: a head that cannot be read is that of plain bytes. The answer is shared; it is frozen. */
export function decodeHead(head: Uint8Array): DecodedHead {
  if (head.length <= 1) return decodedPlainHeads[head[0] ?? BYTES] ?? PLAIN_BYTES
  if (isSame(head, latest.head)) return latest.decoded
  const decoded = remembered(head)
  // A copy: the store may use the buffer again.
  if (head.length <= MEMO_HEAD_BYTES_MAX) latest = { head: new Uint8Array(head), decoded }
  return decoded
}

function remembered(head: Uint8Array): DecodedHead {
  const memoKey = head.length <= MEMO_HEAD_BYTES_MAX ? latin1Text(head) : undefined
  const known = memoKey === undefined ? undefined : decodedHeads.get(memoKey)
  if (known !== undefined) return known
  const decoded = Object.freeze(readHead(head))
  if (memoKey !== undefined) {
    if (decodedHeads.size >= MEMO_ENTRIES_MAX) decodedHeads.clear()
    decodedHeads.set(memoKey, decoded)
  }
  return decoded
}

/** Throws `invalid-argument` for a body marked as JSON that is none. */
export function decodeBody(kind: ContentKind, body: Uint8Array): unknown {
  switch (kind) {
    case 'bytes':
      return body
    case 'text':
      return utf8Text(body)
    case 'json':
      if (body.length === 0) return undefined
      try {
        return JSON.parse(utf8Text(body))
      } catch (cause) {
        throw new SpindleError('invalid-argument', 'read a body that is marked as JSON', { cause })
      }
    default:
      return kind satisfies never
  }
}

function encodeJson(value: unknown): Uint8Array {
  if (value === undefined) return EMPTY_BODY
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new SpindleError('invalid-argument', `encode a ${typeof value} as JSON`, { cause })
  }
  if (text === undefined) throw new SpindleError('invalid-argument', `encode a ${typeof value} as JSON`)
  return utf8Bytes(text)
}

function encodeHead(kind: number, meta: ContentMeta): Uint8Array {
  const { type, key, headers, attributeTypes, system, task } = meta
  if (
    headers !== undefined ||
    task !== undefined ||
    key !== undefined ||
    attributeTypes !== undefined ||
    system !== undefined
  ) {
    const encoded = headers === undefined ? undefined : encodeHeaders(headers)
    return headBytes(kind, { type, key, headers: encoded, attributeTypes, system, task })
  }
  if (type === undefined) return plainHeads[kind] as Uint8Array
  const memoKey = `${kind}${type}`
  let head = encodedTypes.get(memoKey)
  if (head === undefined) {
    if (encodedTypes.size >= MEMO_ENTRIES_MAX) encodedTypes.clear()
    head = headBytes(kind, { type })
    encodedTypes.set(memoKey, head)
  }
  return head
}

/**
 * The head with these headers beside its own, which stay where both have one. A head that an AMQP publisher made, or that cannot be read,
 * stays as it is.
 */
export function addHeaders(head: Uint8Array, added: Texts): Uint8Array {
  const kind = head[0] ?? BYTES
  if (kind > JSON_KIND || Object.keys(added).length === 0) return head
  try {
    const fields = (head.length <= 1 ? {} : JSON.parse(utf8Text(head.subarray(1)))) as { headers?: object }
    return headBytes(kind, { ...fields, headers: { ...added, ...fields.headers } })
  } catch {
    return head
  }
}

function headBytes(kind: number, meta: object): Uint8Array {
  const json = utf8Bytes(JSON.stringify(meta))
  const head = new Uint8Array(1 + json.length)
  head[0] = kind
  head.set(json, 1)
  return head
}

function encodeHeaders(headers: Headers): Record<string, unknown> {
  const encoded = Object.create(null) as Record<string, unknown>
  for (const [name, value] of Object.entries(headers)) {
    if (value instanceof Uint8Array) encoded[name] = { $bytes: base64Text(value) }
    else if (isPlainHeader(value)) encoded[name] = value
    else throw new SpindleError('invalid-argument', `encode header '${name}' (a ${typeof value})`)
  }
  return encoded
}

function readHead(head: Uint8Array): DecodedHead {
  const kind = kindNames[head[0] ?? BYTES]
  if (kind === undefined)
    return head[0] === AMQP_HEAD
      ? { ...NOTHING, key: originOf(head)?.key, ...readAmqpHead(head) }
      : { kind: 'bytes', ...NOTHING }
  const meta = head.length > 1 ? parseObject(utf8Text(head.subarray(1))) : {}
  return {
    kind,
    type: typeof meta['type'] === 'string' ? meta['type'] : undefined,
    key: typeof meta['key'] === 'string' ? meta['key'] : undefined,
    headers: readHeaders(meta['headers']),
    attributeTypes: readTexts(meta['attributeTypes']),
    system: readTexts(meta['system']),
    task: readTask(meta['task']),
  }
}

function readHeaders(encoded: unknown): Headers {
  if (!isObject(encoded)) return NO_HEADERS
  const headers = Object.create(null) as Record<string, HeaderValue>
  for (const [name, value] of Object.entries(encoded)) {
    if (isPlainHeader(value)) headers[name] = value
    else if (isObject(value) && typeof value['$bytes'] === 'string') {
      headers[name] = base64Bytes(value['$bytes'])
    }
  }
  return Object.freeze(headers)
}

function readTexts(encoded: unknown): Texts {
  if (!isObject(encoded)) return NO_TEXTS
  const texts = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(encoded)) if (typeof value === 'string') texts[name] = value
  return Object.freeze(texts)
}

function readTask(encoded: unknown): TaskMeta {
  if (!isObject(encoded)) return NO_TASK
  const { webhook, delayMs, flow } = encoded
  return Object.freeze({
    ...(typeof webhook === 'string' ? { webhook } : {}),
    ...(typeof delayMs === 'number' ? { delayMs } : {}),
    ...(isObject(flow) && typeof flow['id'] === 'string' && typeof flow['path'] === 'string'
      ? { flow: { id: flow['id'], path: flow['path'] } }
      : {}),
  })
}

function isPlainHeader(value: unknown): value is string | number | boolean {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(json: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(json)
    return isObject(parsed) ? parsed : {}
  } catch {
    return {}
  }
}

function isSame(head: Uint8Array, other: Uint8Array): boolean {
  if (head.length !== other.length || head.length > MEMO_HEAD_BYTES_MAX) return false
  for (let i = 0; i < head.length; i++) if (head[i] !== other[i]) return false
  return true
}
