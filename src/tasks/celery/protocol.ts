/**
 * Celery's message protocol 2 with JSON, as values. The headers say what to run, the body is a triple:
 *
 *   headers: { lang, task, id, root_id, parent_id, group, retries, eta, expires, timelimit: [hard, soft], ignore_result, argsrepr, … }
 *   body:    [ args, kwargs, { callbacks, errbacks, chain, chord } ]
 *
 * Source: docs.celeryq.dev, "Message Protocol". `chain` stands in reverse: its last signature is the next one.
 */
export interface CeleryMessage {
  readonly id: string
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Fields
  /** Wall time; undefined: none. */
  readonly etaMs: number | undefined
  readonly expiresAtMs: number | undefined
  /** How often it was tried before this message was sent. */
  readonly retries: number
  readonly timeLimitMs: number | undefined
  readonly softTimeLimitMs: number | undefined
  readonly ignoreResult: boolean
  readonly rootId: string
  readonly parentId: string | undefined
  readonly groupId: string | undefined
  readonly callbacks: readonly Signature[]
  readonly errbacks: readonly Signature[]
  readonly chain: readonly Signature[]
  /** A group's join: Celery counts it in its result back end, where nobody here can. */
  readonly hasChord: boolean
}

export interface Signature {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Fields
  readonly options: Fields
  readonly immutable: boolean
  /** As it came, to be passed on. */
  readonly raw: Fields
}

export type Fields = Readonly<Record<string, unknown>>

/** What a message says, before it is known to be sound. */
export interface RawMessage {
  readonly headers: Fields
  readonly body: string
  readonly contentType: string
}

const GROUP = 'celery.group'
const CHORD = 'celery.chord'
const ORIGIN = 'spindle'

/** Throws an Error that says what cannot be read. */
export function readMessage({ headers, body, contentType }: RawMessage): CeleryMessage {
  const { task, id } = headers
  if (typeof task !== 'string' || typeof id !== 'string') throw new Error('a Celery message without a task or an id')
  if (contentType !== 'application/json') {
    throw new Error(`a Celery message in ${contentType || 'an unknown form'}: set task_serializer = 'json'`)
  }
  if (isText(headers['compression'])) {
    throw new Error(`a Celery message compressed with ${headers['compression']}: set task_compression = None`)
  }
  const [args, kwargs, embed] = tripleOf(body)
  const [hard, soft] = Array.isArray(headers['timelimit']) ? (headers['timelimit'] as unknown[]) : []
  const chain = signaturesOf(embed['chain'])
  const callbacks = signaturesOf(embed['callbacks'])
  return {
    id,
    task,
    args,
    kwargs,
    etaMs: instantOf(headers['eta'], 'eta'),
    expiresAtMs: instantOf(headers['expires'], 'expires'),
    retries: Math.max(0, Math.trunc(numberOf(headers['retries']) ?? 0)),
    timeLimitMs: secondsOf(hard),
    softTimeLimitMs: secondsOf(soft),
    ignoreResult: headers['ignore_result'] === true,
    rootId: isText(headers['root_id']) ? headers['root_id'] : id,
    parentId: isText(headers['parent_id']) ? headers['parent_id'] : undefined,
    groupId: isText(headers['group']) ? headers['group'] : undefined,
    callbacks,
    errbacks: signaturesOf(embed['errbacks']),
    chain,
    hasChord: isFields(embed['chord']) || [...chain, ...callbacks].some(({ task: next }) => next === CHORD),
  }
}

export function writeMessage(message: CeleryMessage): RawMessage {
  const { args, kwargs } = message
  const seconds = (ms: number | undefined): number | null => (ms === undefined ? null : ms / 1_000)
  const raw = (signatures: readonly Signature[]): readonly Fields[] | null =>
    signatures.length === 0 ? null : signatures.map((signature) => signature.raw)
  const embed = {
    callbacks: raw(message.callbacks),
    errbacks: raw(message.errbacks),
    chain: raw(message.chain),
    chord: null,
  }
  return {
    headers: {
      lang: 'py',
      task: message.task,
      id: message.id,
      shadow: null,
      eta: isoOf(message.etaMs),
      expires: isoOf(message.expiresAtMs),
      group: message.groupId ?? null,
      group_index: null,
      retries: message.retries,
      timelimit: [seconds(message.timeLimitMs), seconds(message.softTimeLimitMs)],
      root_id: message.rootId,
      parent_id: message.parentId ?? null,
      argsrepr: shortened(args),
      kwargsrepr: shortened(kwargs),
      origin: ORIGIN,
      ignore_result: message.ignoreResult,
    },
    body: JSON.stringify([args, kwargs, embed]),
    contentType: 'application/json',
  }
}

/** `add(2, b=3)` with the parameters a, b -> { a: 2, b: 3 }. Throws an Error as Python would throw a TypeError. */
export function inputOf({ task, args, kwargs }: CeleryMessage, parameters: readonly string[]): Fields {
  if (args.length > parameters.length) {
    const known = parameters.length === 0 ? 'name them in celery.parameters' : `it has ${parameters.join(', ')}`
    throw new Error(`'${task}' was sent ${args.length} positional arguments: ${known}`)
  }
  const named = parameters.slice(0, args.length).map((name, i) => {
    if (Object.hasOwn(kwargs, name)) throw new Error(`'${task}' was sent two values for '${name}'`)
    return [name, args[i]] as const
  })
  return Object.fromEntries([...named, ...Object.entries(kwargs)])
}

/** The tasks that a signature stands for: those of a group, or itself. */
export function membersOf(signature: Signature): readonly Signature[] {
  return signature.task === GROUP ? signaturesOf(signature.kwargs['tasks']).flatMap(membersOf) : [signature]
}

/** What `signature.apply_async((first,))` sends. */
export function callOf(
  { task, args, kwargs, options, immutable }: Signature,
  call: {
    readonly first: unknown
    /** For a signature that was given no id. */
    readonly id: string
    readonly parent: CeleryMessage
    readonly chain: readonly Signature[]
    readonly nowMs: number
  },
): CeleryMessage {
  const { parent, nowMs } = call
  const countdownMs = secondsOf(options['countdown'])
  const expires = options['expires']
  return {
    id: isText(options['task_id']) ? options['task_id'] : call.id,
    task,
    args: immutable ? args : [call.first, ...args],
    kwargs,
    etaMs: countdownMs === undefined ? instantOf(options['eta'], 'eta') : nowMs + countdownMs,
    expiresAtMs: typeof expires === 'number' ? nowMs + expires * 1_000 : instantOf(expires, 'expires'),
    retries: 0,
    timeLimitMs: secondsOf(options['time_limit']),
    softTimeLimitMs: secondsOf(options['soft_time_limit']),
    ignoreResult: options['ignore_result'] === true,
    rootId: parent.rootId,
    parentId: parent.id,
    groupId: isText(options['group_id']) ? options['group_id'] : undefined,
    callbacks: signaturesOf(options['link']),
    errbacks: signaturesOf(options['link_error']),
    chain: call.chain,
    hasChord: false,
  }
}

export interface Reply {
  readonly status: 'SUCCESS' | 'FAILURE' | 'REVOKED'
  readonly result: unknown
  readonly traceback: string | null
}

/** The body of an answer, as Celery's `rpc://` result back end sends and reads it. */
export function writeReply(id: string, { status, result, traceback }: Reply): string {
  return JSON.stringify({ task_id: id, status, result: result ?? null, traceback, children: [] })
}

/** An exception as JSON carries it. */
export function exceptionOf(type: string, message: string, module: string | null = null): Fields {
  return { exc_type: type, exc_message: [message], exc_module: module }
}

/** undefined: no end of a task (it has started, or is tried again). */
export function readReply(body: string): { readonly id: string; readonly reply: Reply } | undefined {
  const fields = parsed(body)
  if (!isFields(fields)) return undefined
  const { task_id: id, status, result, traceback } = fields
  if (!isText(id) || (status !== 'SUCCESS' && status !== 'FAILURE' && status !== 'REVOKED')) return undefined
  return { id, reply: { status, result, traceback: isText(traceback) ? traceback : null } }
}

function tripleOf(body: string): readonly [readonly unknown[], Fields, Fields] {
  const triple = parsed(body)
  if (isFields(triple)) throw new Error('a Celery message of protocol 1: set task_protocol = 2')
  const [args, kwargs, embed] = Array.isArray(triple) ? (triple as unknown[]) : []
  if (!Array.isArray(args) || !isFields(kwargs))
    throw new Error('a Celery message whose body is not [args, kwargs, embed]')
  return [args, kwargs, isFields(embed) ? embed : {}]
}

function signaturesOf(value: unknown): readonly Signature[] {
  const list = Array.isArray(value) ? (value as unknown[]) : value === undefined || value === null ? [] : [value]
  return list.map(signatureOf)
}

function signatureOf(raw: unknown): Signature {
  if (!isFields(raw) || !isText(raw['task'])) throw new Error('a Celery signature without a task')
  const { task, args, kwargs, options, immutable } = raw
  return {
    task,
    args: Array.isArray(args) ? (args as unknown[]) : [],
    kwargs: isFields(kwargs) ? kwargs : {},
    options: isFields(options) ? options : {},
    immutable: immutable === true,
    raw,
  }
}

/** ISO 8601; one without a zone is UTC. */
function instantOf(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null) return undefined
  const text = String(value)
  const ms = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`)
  if (Number.isNaN(ms)) throw new Error(`a Celery message whose ${field} '${text}' is no instant`)
  return ms
}

function isoOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString().replace('Z', '+00:00')
}

function secondsOf(value: unknown): number | undefined {
  const seconds = numberOf(value)
  return seconds === undefined || seconds <= 0 ? undefined : seconds * 1_000
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

const REPR_LENGTH_MAX = 1_000

function shortened(value: unknown): string {
  const json = JSON.stringify(value)
  return json.length <= REPR_LENGTH_MAX ? json : `${json.slice(0, REPR_LENGTH_MAX)}…`
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
