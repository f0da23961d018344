/** One URL decides where messages live; everything behind it keeps the same words and promises. */
import { Broker } from './broker/broker.ts'
import type { Port } from './broker/port.ts'
import { dialNode, type TlsTrust } from './client/remote/dial-node.ts'
import { type Auth, NetworkPort, type ServerPlace, serverPlace } from './client/remote/network-port.ts'
import { tracedPort } from './client/traced-port.ts'
import { EmbeddedEngine } from './engine/embedded/engine.ts'
import { MemoryEngine } from './engine/memory/memory-engine.ts'
import { PostgresEngine } from './engine/postgres/engine.ts'
import type { PostgresOptions } from './engine/postgres/options.ts'
import { isPostgresUrl } from './engine/postgres/url.ts'
import { SpindleError } from './model/errors.ts'
import { defaultLimits, type Limits } from './model/limits.ts'
import type { MessageId } from './model/message.ts'
import { type Clock, systemClock } from './runtime/clock.ts'
import { type Log, silentLog } from './runtime/log.ts'
import type { DiskMeter } from './runtime/measured-disk.ts'
import { nodeDisk } from './runtime/node-disk.ts'
import { type Random, systemRandom } from './runtime/random.ts'
import type { Tracing } from './runtime/tracing.ts'
import { openFolder } from './server/folder.ts'
import { folderOf } from './server/folder-path.ts'
import { Spindle } from './spindle.ts'
import { createTasks } from './tasks/client.ts'

export interface OpenOptions {
  /** Overrides of the default limits. */
  readonly limits?: Partial<Limits>
  /** Where to say what a person should know. Default: nowhere. */
  readonly log?: Log
  /** Of a PostgreSQL store alone. */
  readonly postgres?: PostgresOptions
  /** Who this is, at a server that has users. Default: what the URL says (`http://TOKEN@host`, `http://user:password@host`), else nobody. */
  readonly auth?: Auth
  /** Of https: whose certificates to believe beside those of the system (NODE_EXTRA_CA_CERTS works, too). */
  readonly tls?: TlsTrust
  /** How long opening, and a call while there is no connection, waits for a server that answers, ms. Default 30,000. */
  readonly patienceMs?: number
  /** Counts what the data folder's disk does while this process owns it. Default: nobody counts. */
  readonly diskMeter?: DiskMeter
  /** Who traces what is sent and what tasks do: `openTelemetry(api)`. Default: nobody. */
  readonly tracing?: Tracing
  /** Of a store that is made now: an id of the store that it goes on from, whose ids it may hold. `spindle move` founds its destination so. */
  readonly successorOf?: MessageId
  /** For tests: time and chance. */
  readonly clock?: Clock
  readonly random?: Random
}

/**
 * Opens a store: `memory:` (this process, gone with it), `file:PATH` (a data folder: the first process owns it, others
 * join it through a socket inside), `postgres://…` (a PostgreSQL that any number of processes share; needs the package `pg`) or
 * `http://HOST:PORT` (a server, `spindle serve`; `https:` with TLS). Rejects with `unknown-url`; `corrupt`, `format-newer`, `format-older` or
 * `folder-busy` of a folder; `driver-missing`, `store-unreachable`, `store-refused`, `privilege-missing`, `store-read-only`, `schema-older` or `schema-newer` of a
 * PostgreSQL; `unreachable`, `not-authenticated`, `access-denied` or `protocol` of a server.
 */
export async function open(url: string, options: OpenOptions = {}): Promise<Spindle> {
  const { clock = systemClock, random = systemRandom, log = silentLog } = options
  const limits = { ...defaultLimits, ...options.limits }
  const { postgres = {}, diskMeter, tracing } = options
  const parts = { clock, random, log, limits }
  const server = serverPlace(url)
  const bare =
    server === undefined
      ? await openPort(url, { ...parts, postgres, successorOf: options.successorOf, ...(diskMeter && { diskMeter }) })
      : await openServer(server, { ...options, ...parts })
  const port = tracing === undefined ? bare : tracedPort(bare, tracing)
  return new Spindle({
    url: server?.shown ?? withoutPassword(url),
    port,
    clock,
    tasks: createTasks({ port, ...parts, ...(tracing && { tracing }) }),
  })
}

interface Parts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: Limits
  readonly postgres: PostgresOptions
  readonly diskMeter?: DiskMeter
  readonly successorOf: MessageId | undefined
}

async function openPort(url: string, { postgres, ...parts }: Parts): Promise<Port> {
  if (url === 'memory:') {
    const broker = new Broker({ engine: new MemoryEngine(parts), ...parts })
    await broker.start()
    return broker
  }
  if (url.startsWith('file:')) {
    const engine = (folder: string): EmbeddedEngine =>
      new EmbeddedEngine({ ...parts, disk: parts.diskMeter?.measured(nodeDisk(folder)) ?? nodeDisk(folder) })
    return openFolder(folderOf(url), { engine, ...parts })
  }
  if (isPostgresUrl(url)) {
    const broker = new Broker({ engine: new PostgresEngine({ url, options: postgres, ...parts }), ...parts })
    await broker.start()
    return broker
  }
  throw new SpindleError('unknown-url', `open '${withoutPassword(url)}'`)
}

function openServer(place: ServerPlace, options: OpenOptions & Omit<Parts, 'postgres' | 'successorOf'>): Promise<Port> {
  const { socketUrl, shown, auth } = place
  const { clock, random, log, tls, patienceMs } = options
  return NetworkPort.open({
    url: shown,
    dial: dialNode({ url: socketUrl, shown, ...(tls === undefined ? {} : { tls }) }),
    auth: options.auth ?? auth,
    clock,
    random,
    log,
    ...(patienceMs === undefined ? {} : { patienceMs }),
  })
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@')
}
