/** Checks of what comes from outside, done once at the edge: names and policies. Each fault names field, value and limit. */
import { SpindleError } from './errors.ts'
import { DURATION_MS_MAX, defaultLimits, type Limits } from './limits.ts'
import { defaultPolicy, type QueuePolicy } from './policy.ts'

const encoder = new TextEncoder()
/** C0 and C1 controls: they break logs, headers and terminals, and name nothing. */
const CONTROLS = /\p{Cc}/u
/** A surrogate without its pair has no UTF-8 form, so it would not come back as it went in. */
const LONE_SURROGATE = /\p{Cs}/u
const COUNT_MAX = Number.MAX_SAFE_INTEGER
const RATE_TOKENS_MIN = 0.001
const RATE_TOKENS_MAX = 1_000_000_000

/** `what`: the kind of name, for the fault: queue, topic, group, dedupId. Throws `invalid-argument`. */
export function validateName(what: string, name: unknown, limits: Limits = defaultLimits): asserts name is string {
  if (typeof name !== 'string') fail(`${what} name`, name, 'be a string')
  if (name === '') fail(`${what} name`, name, 'not be empty')
  // UTF-8 is never shorter than UTF-16 code units; so a huge string is refused without encoding it.
  if (name.length > limits.nameBytesMax || encoder.encode(name).length > limits.nameBytesMax) {
    fail(`${what} name`, name, `be at most ${limits.nameBytesMax} bytes of UTF-8`)
  }
  if (CONTROLS.test(name)) fail(`${what} name`, name, 'hold no control characters')
  if (LONE_SURROGATE.test(name)) fail(`${what} name`, name, 'be well-formed Unicode')
}

/** The whole policy, with defaults for what is missing. Fields set to undefined count as missing. Throws `invalid-argument`. */
export function validatePolicy(fields: Partial<QueuePolicy>): QueuePolicy {
  if (typeof fields !== 'object' || fields === null) fail('policy', fields, 'be an object')
  const policy: Record<string, unknown> = { ...defaultPolicy }
  for (const [field, value] of Object.entries(fields)) {
    if (!Object.hasOwn(checks, field)) fail(`policy.${field}`, value, `be one of ${Object.keys(checks).join(', ')}`)
    if (value === undefined) continue
    checks[field as keyof QueuePolicy](`policy.${field}`, value)
    policy[field] = value
  }
  return policy as unknown as QueuePolicy
}

type Check = (field: string, value: unknown) => void

const checks: Record<keyof QueuePolicy, Check> = {
  leaseMs: duration(1),
  attemptsMax: orNull(count(1)),
  onLost: oneOf('redeliver', 'fail'),
  onDeath: variant({
    hold: {},
    discard: {},
    deadLetter: { queue: queueName },
    exchange: { exchange: exchangeName, key: orNull(routingKey) },
  }),
  deadRetentionMs: orNull(duration(0)),
  groups: variant({
    none: {},
    ordered: { rate: optional(orNull(rate)) },
    sticky: {},
    fair: { concurrency: orNull(count(1)), rate: optional(orNull(rate)) },
  }),
  dedup: variant({ none: {}, window: { windowMs: duration(1) }, queued: {}, replace: {}, afterRunning: {} }),
  delayMs: duration(0),
  // At least 1: a queue whose arrivals expire at once and dead-letter on would never come to rest.
  ttlMs: orNull(duration(1)),
  ttlMsMax: orNull(duration(1)),
  priorityMax: orNull(count(0)),
  onExpired: oneOf('drop', 'die'),
  lengthMax: orNull(count(0)),
  lengthBytesMax: orNull(count(0)),
  lengthCounts: oneOf('live', 'waiting'),
  overflow: oneOf('reject', 'rejectDeadLetter', 'dropHead'),
  concurrency: orNull(count(1)),
  rate: orNull(rate),
  paused: boolean,
  lateAck: boolean,
  durability: oneOf('durable', 'relaxed'),
  doneMax: orNull(count(0)),
  failedEventsTo: queueNames,
}

function duration(min: number): Check {
  return (field, value) => {
    if (typeof value !== 'number' || !(value >= min && value <= DURATION_MS_MAX)) {
      fail(field, value, `be ${min} to ${DURATION_MS_MAX} milliseconds`)
    }
  }
}

function count(min: number): Check {
  return (field, value) => {
    if (!Number.isSafeInteger(value) || (value as number) < min)
      fail(field, value, `be a whole number from ${min} to ${COUNT_MAX}`)
  }
}

function orNull(check: Check): Check {
  return (field, value) => {
    if (value !== null) check(field, value)
  }
}

function optional(check: Check): Check {
  return (field, value) => {
    if (value !== undefined) check(field, value)
  }
}

/** Bounds keep sums of tokens exact enough, and the waits between them within a duration. */
function rate(field: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) fail(field, value, 'be an object of tokens, perMs and burst')
  const { tokens, perMs, burst } = value as Readonly<Record<string, unknown>>
  if (typeof tokens !== 'number' || !(tokens >= RATE_TOKENS_MIN && tokens <= RATE_TOKENS_MAX)) {
    fail(`${field}.tokens`, tokens, `be ${RATE_TOKENS_MIN} to ${RATE_TOKENS_MAX}`)
  }
  duration(1)(`${field}.perMs`, perMs)
  if (!Number.isSafeInteger(burst) || (burst as number) < 1 || (burst as number) > RATE_TOKENS_MAX) {
    fail(`${field}.burst`, burst, `be a whole number from 1 to ${RATE_TOKENS_MAX}`)
  }
  for (const name of Object.keys(value)) {
    if (name !== 'tokens' && name !== 'perMs' && name !== 'burst')
      fail(`${field}.${name}`, name, 'be tokens, perMs or burst')
  }
}

/** May be empty, as AMQP's may. */
function routingKey(field: string, value: unknown): void {
  if (value !== '') validateName(field, value)
}

function oneOf(...allowed: readonly string[]): Check {
  return (field, value) => {
    if (typeof value !== 'string' || !allowed.includes(value)) fail(field, value, `be one of ${allowed.join(', ')}`)
  }
}

function boolean(field: string, value: unknown): void {
  if (typeof value !== 'boolean') fail(field, value, 'be true or false')
}

/** '': AMQP's default exchange. */
function exchangeName(field: string, value: unknown): void {
  if (value !== '') validateName(field, value)
}

function queueName(field: string, value: unknown): void {
  validateName(field, value)
}

function queueNames(field: string, value: unknown): void {
  if (!Array.isArray(value)) fail(field, value, 'be a list of queue names')
  for (const name of value) queueName(field, name)
}

function variant(kinds: Readonly<Record<string, Readonly<Record<string, Check>>>>): Check {
  return (field, value) => {
    const { kind } = (typeof value === 'object' && value !== null ? value : {}) as { kind?: unknown }
    const parts = typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
    if (parts === undefined) fail(field, value, `be an object whose kind is one of ${Object.keys(kinds).join(', ')}`)
    for (const [name, check] of Object.entries(parts)) {
      check(`${field}.${name}`, (value as Readonly<Record<string, unknown>>)[name])
    }
  }
}

function fail(field: string, value: unknown, must: string): never {
  throw new SpindleError('invalid-argument', `${field} is ${shown(value)} but must ${must}`)
}

/** Short enough for one line, whatever it is. */
function shown(value: unknown): string {
  const text = typeof value === 'string' || (typeof value === 'object' && value !== null) ? json(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? typeof value
  } catch {
    return Object.prototype.toString.call(value)
  }
}
