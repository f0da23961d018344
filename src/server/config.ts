/**
 * What `spindle.config.ts|js|json` may say. Everything is optional; a field that is not known, or a value that does not fit, is refused
 * with the field's name. Flags and SPINDLE_* variables go before the listening part of it (cli/serve-settings.ts).
 */
import type { ExchangeSettings, Filter, HeadersMatch } from '../broker/port.ts'
import type { UserFields } from '../broker/users.ts'
import { validateGrants, validateTags } from '../model/access.ts'
import {
  type Check,
  flag,
  listOf,
  namesOf,
  oneOf,
  optionalFields,
  plainObject,
  text,
  wholeNumber,
  wrong,
} from '../model/checks.ts'
import { SpindleError } from '../model/errors.ts'
import type { Limits } from '../model/limits.ts'
import type { QueuePolicy } from '../model/policy.ts'
import { validateName, validatePolicy } from '../model/validate.ts'

export interface SpindleConfig {
  /** Data folder, or `memory:`. Default `./data`. */
  readonly data?: string
  /** `postgres://…`, in the place of a data folder; or `postgres`, for the URL in DATABASE_URL. */
  readonly engine?: string
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Of HTTP: SQS, SNS, admin API, metrics. Default 4566. */
  readonly port?: number | readonly number[]
  /** Default 5672. */
  readonly amqpPort?: number | 'off'
  /** Of the management API that AMQP tools expect. Default off. */
  readonly managementPort?: number | 'off'
  readonly tls?: TlsConfig
  /** Listens on an address of the network without users or without TLS. Default false. */
  readonly insecure?: boolean
  /** Default `on`. `readOnly`: it changes nothing; programs go on. */
  readonly dashboard?: 'on' | 'readOnly' | 'off'
  /** Further host names by which the admin API may be called. Default: addresses, names without a dot, *.localhost and *.internal. */
  readonly allowedHosts?: readonly string[]
  /** Origins whose pages may connect with spindle-mq/browser, such as https://shop.example. Default: the server's own alone. */
  readonly allowedOrigins?: readonly string[]
  /** Sockets of each HTTP port. Default 10,000. */
  readonly connectionsMax?: number
  readonly aws?: AwsConfig
  readonly limits?: Partial<Limits>
  readonly queues?: Readonly<Record<string, Partial<QueuePolicy>>>
  readonly topics?: Readonly<Record<string, TopicConfig>>
  readonly exchanges?: Readonly<Record<string, Partial<ExchangeSettings>>>
  readonly bindings?: readonly BindingConfig[]
  readonly users?: Readonly<Record<string, UserFields>>
}

/** PEM files; read again when they change. */
export interface TlsConfig {
  readonly cert: string
  readonly key: string
  /** Authorities of client certificates (mutual TLS). Absent: clients are not asked for one. */
  readonly clientCa?: string
  /** With `clientCa`. Default `required`. */
  readonly clients?: 'required' | 'optional'
}

export interface AwsConfig {
  /** Whose queues have plain names. Default us-east-1. */
  readonly region?: string
  /** Twelve digits. Default 000000000000. */
  readonly account?: string
  /** Throttle as AWS does. Default false. */
  readonly limits?: boolean
  /** The largest message of SQS, and batch as a whole, bytes: 1,024 to 16 MiB. Default 1 MiB. */
  readonly messageBytesMax?: number
  /** Refuse a second purge, and creating a deleted queue again, for sixty seconds. Default false. */
  readonly sixtySecondRules?: boolean
  /** SNS subscriptions to http: and https: endpoints: none, those with a public address, or any. Default off. */
  readonly httpSubscriptions?: 'off' | 'public' | 'any'
}

/** A fanout exchange and the queues that get what is published to it. */
export interface TopicConfig {
  readonly subscriptions?: readonly { readonly queue: string; readonly filter?: Filter }[]
}

export interface BindingConfig {
  readonly exchange: string
  /** One of `queue` and `toExchange`. */
  readonly queue?: string
  readonly toExchange?: string
  readonly key?: string
  readonly headers?: HeadersMatch
  readonly filter?: Filter
}

/** For the types in an editor: `export default defineConfig({ … })`. */
export function defineConfig(config: SpindleConfig): SpindleConfig {
  return config
}

/** A configuration after its checks; names are keys of maps, so that `__proto__` is a name like any other. */
export type CheckedConfig = Omit<SpindleConfig, 'queues' | 'topics' | 'exchanges' | 'users'> & Partial<Declarations>

export interface Declarations {
  readonly queues: ReadonlyMap<string, Partial<QueuePolicy>>
  readonly topics: ReadonlyMap<string, TopicConfig>
  readonly exchanges: ReadonlyMap<string, Partial<ExchangeSettings>>
  readonly bindings: readonly BindingConfig[]
  readonly users: ReadonlyMap<string, UserFields>
}

const DECLARED_MAX = 100_000

/** `source`: the file, for faults. Throws `invalid-argument`. */
export function checkConfig(value: unknown, source: string): CheckedConfig {
  try {
    return config(value, '')
  } catch (fault) {
    if (!(fault instanceof SpindleError)) throw fault
    throw new SpindleError('invalid-argument', `${source}: ${fault.attempted}`, { cause: fault })
  }
}

export const listenPort: Check<number> = wholeNumber(0, 65_535)

export const portOrOff: Check<number | 'off'> = (value, field) => {
  if (value === 'off') return value
  if (typeof value === 'number') return listenPort(value, field)
  throw wrong(field, "be a port or 'off'")
}

export const accountId: Check<string> = (value, field) => {
  if (typeof value === 'string' && /^[0-9]{12}$/.test(value)) return value
  throw wrong(field, 'be twelve digits')
}

export const regionName: Check<string> = (value, field) => {
  if (typeof value === 'string' && /^[a-z0-9-]{1,32}$/.test(value)) return value
  throw wrong(field, 'be a region, such as us-east-1')
}

const webOrigin: Check<string> = (value, field) => {
  if (typeof value === 'string' && /^https?:\/\/[^/?#]+$/.test(value)) return value.toLowerCase()
  throw wrong(field, 'be an origin, such as https://shop.example')
}

const name =
  (what: string): Check<string> =>
  (value, field) => {
    validateName(`${field} (a ${what})`, value)
    return value
  }

const object: Check<Readonly<Record<string, unknown>>> = plainObject

const filter: Check<Filter> = (value, field) => {
  const { scope, policy } = plainObject(value, field)
  return {
    scope: scope === undefined ? 'headers' : oneOf('headers', 'body')(scope, `${field}.scope`),
    policy: object(policy, `${field}.policy`),
  }
}

const headersMatch: Check<HeadersMatch> = (value, field) => {
  const { mode, values } = plainObject(value, field)
  return {
    mode: oneOf('all', 'any', 'all-with-x', 'any-with-x')(mode, `${field}.mode`),
    values: object(values, `${field}.values`) as HeadersMatch['values'],
  }
}

const required = <T extends object, K extends keyof T & string>(check: Check<T>, ...keys: readonly K[]): Check<T> => {
  return (value, field) => {
    const checked = check(value, field)
    for (const key of keys) if (checked[key] === undefined) throw wrong(`${field}.${key}`, 'be given')
    return checked
  }
}

const user: Check<UserFields> = optionalFields<UserFields>({
  tags: (value, field) => validateTags(value, field),
  grants: (value, field) => validateGrants(value, field),
  password: text,
  passwordHash: text,
  accessKeys: listOf(
    required(optionalFields<{ id: string; secret: string }>({ id: text, secret: text }), 'id', 'secret'),
    20,
  ),
  tokens: listOf(text, 20),
})

const policyFields: Check<Partial<QueuePolicy>> = (value, field) => {
  try {
    validatePolicy(plainObject(value, field) as Partial<QueuePolicy>)
  } catch (fault) {
    if (!(fault instanceof SpindleError)) throw fault
    throw new SpindleError('invalid-argument', fault.attempted.replace(/^policy/, field), { cause: fault })
  }
  return value as Partial<QueuePolicy>
}

const binding: Check<BindingConfig> = (value, field) => {
  const checked = required(
    optionalFields<BindingConfig>({
      exchange: name('exchange'),
      queue: name('queue'),
      toExchange: name('exchange'),
      key: (key, place) => {
        if (typeof key === 'string') return key
        throw wrong(place, 'be text')
      },
      headers: headersMatch,
      filter,
    }),
    'exchange',
  )(value, field)
  if ((checked.queue === undefined) === (checked.toExchange === undefined)) {
    throw wrong(field, 'name one of queue and toExchange')
  }
  return checked
}

const positive = wholeNumber(1, Number.MAX_SAFE_INTEGER)

const config: Check<CheckedConfig> = optionalFields<CheckedConfig>({
  data: text,
  host: text,
  port: (value, field) => (Array.isArray(value) ? listOf(listenPort, 16)(value, field) : listenPort(value, field)),
  amqpPort: portOrOff,
  managementPort: portOrOff,
  tls: required(
    optionalFields<TlsConfig>({ cert: text, key: text, clientCa: text, clients: oneOf('required', 'optional') }),
    'cert',
    'key',
  ),
  insecure: flag,
  dashboard: oneOf('on', 'readOnly', 'off'),
  allowedHosts: listOf(text, 100),
  allowedOrigins: listOf(webOrigin, 100),
  connectionsMax: wholeNumber(1, 1_000_000),
  aws: optionalFields<AwsConfig>({
    region: regionName,
    account: accountId,
    limits: flag,
    messageBytesMax: wholeNumber(1_024, 16 * 1_048_576),
    sixtySecondRules: flag,
    httpSubscriptions: oneOf('off', 'public', 'any'),
  }),
  limits: optionalFields<Limits>({
    messageBytesMax: positive,
    batchMax: positive,
    nameBytesMax: positive,
    receiveMax: positive,
    resultBytesMax: positive,
    waitersMax: positive,
  }),
  queues: namesOf(policyFields, DECLARED_MAX),
  topics: namesOf(
    optionalFields<TopicConfig>({
      subscriptions: listOf(
        required(optionalFields<{ queue: string; filter?: Filter }>({ queue: name('queue'), filter }), 'queue'),
        DECLARED_MAX,
      ),
    }),
    DECLARED_MAX,
  ),
  exchanges: namesOf(
    optionalFields<Partial<ExchangeSettings>>({
      kind: oneOf('direct', 'fanout', 'topic', 'headers'),
      alternate: name('exchange'),
      autoDelete: flag,
      attributes: object,
    }),
    DECLARED_MAX,
  ),
  bindings: listOf(binding, DECLARED_MAX),
  users: namesOf(user, 10_000),
  engine: text,
})
