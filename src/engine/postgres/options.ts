/** What an engine of `postgres:` is made of, and what may be set on it. */
import type { Limits } from '../../model/limits.ts'
import type { MessageId } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import type { StoreTime } from './store-time.ts'

export interface PostgresEngineParts {
  /** `postgres://user:password@host:port/database?schema=spindle`. */
  readonly url: string
  readonly clock: Clock
  readonly random: Random
  readonly limits?: Limits
  readonly log?: Log
  readonly options?: PostgresOptions
  /** Of a schema that gave no id yet: an id of the store that it goes on from. */
  readonly successorOf?: MessageId | undefined
}

export interface PostgresOptions {
  /** Default: that of the URL, else `spindle`. */
  readonly schema?: string
  /** Sessions that one broker holds at most, beside one that listens. Default 10. */
  readonly connectionsMax?: number
  /** Named prepared statements. Default true; left off by itself behind a pooler that does not keep them (pgbouncer before 1.21). */
  readonly prepare?: boolean
  /** How long a call waits for a server that restarts or fails over, ms. Default 30,000. */
  readonly patienceMs?: number
  /** Make or upgrade the schema when it opens. Default true; false: only check it. */
  readonly migrate?: boolean
  /** A partition of bodies is left for another one at this size, bytes. Default 64 MiB. */
  readonly slotBytes?: number
  /** For tests: in the place of the database's clock. */
  readonly time?: StoreTime
}

/** Every option with its value; the clock is the engine's concern. */
export type SettledOptions = Required<Omit<PostgresOptions, 'time'>>

export const OPTION_DEFAULTS: SettledOptions = {
  schema: 'spindle',
  connectionsMax: 10,
  prepare: true,
  patienceMs: 30_000,
  migrate: true,
  slotBytes: 64 * 1_048_576,
}
