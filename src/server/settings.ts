/** What a server is told: the outcome of flags, environment and configuration file. */
import type { Limits } from '../model/limits.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { TlsSettings } from './certificates.ts'
import type { Declarations } from './config.ts'

export { withoutPassword } from '../engine/postgres/url.ts'

export interface ServeSettings {
  /** `memory:`, `file:PATH`, a folder, or `postgres://…`. */
  readonly data: string
  readonly host: string
  /** Of HTTP; 0 is any that is free. */
  readonly ports: readonly number[]
  /** null: off. */
  readonly amqpPort: number | null
  readonly managementPort: number | null
  readonly tls?: TlsSettings
  readonly insecure: boolean
  readonly allowedHosts: readonly string[]
  /** Origins whose pages may connect, `https://shop.example`; pages of the server's own origin always may. */
  readonly allowedOrigins: readonly string[]
  readonly connectionsMax: number
  readonly aws: {
    readonly region: string
    readonly account: string
    readonly limits: boolean
    readonly messageBytesMax: number
    readonly sixtySecondRules: boolean
    readonly httpSubscriptions: 'off' | 'public' | 'any'
  }
  readonly limits: Partial<Limits>
  readonly declarations: Partial<Declarations>
  /** Creates the user `admin` with a new token when there is no user yet. */
  readonly initAdmin: boolean
  /** `readOnly`: pages change nothing, programs go on. */
  readonly dashboard: 'on' | 'readOnly' | 'off'
}

export const defaultServeSettings: ServeSettings = {
  data: './data',
  host: '127.0.0.1',
  ports: [4566],
  amqpPort: 5672,
  managementPort: null,
  insecure: false,
  allowedHosts: [],
  allowedOrigins: [],
  connectionsMax: 10_000,
  aws: {
    region: 'us-east-1',
    account: '000000000000',
    limits: false,
    messageBytesMax: 1_048_576,
    sixtySecondRules: false,
    httpSubscriptions: 'off',
  },
  // SQS and SNS have limits of their own, below this; AMQP publishers send more.
  limits: { messageBytesMax: 16 * 1_048_576 },
  declarations: {},
  initAdmin: false,
  dashboard: 'on',
}

export interface ServeParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Of the package, told by health and admin API. */
  readonly version: string
}

/** A folder may be named by its path alone. */
export function storeUrl(data: string): string {
  return data === 'memory:' || /^(?:file|postgres|postgresql):/.test(data) ? data : `file:${data}`
}
