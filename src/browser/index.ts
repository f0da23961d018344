/**
 * Status and progress in a page, as `spindle-mq/browser`: the client of a server (`spindle serve`) over the browser's own WebSocket,
 * and nothing of Node. It reconnects, resumes its waits and knows the same errors as `open('http://…')`.
 */
import { type Auth, NetworkPort, serverPlace } from '../client/remote/network-port.ts'
import { SpindleError } from '../model/errors.ts'
import type { MessageId } from '../model/message.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type Log, silentLog } from '../runtime/log.ts'
import { systemRandom } from '../runtime/random.ts'
import type { Changes } from '../tasks/changes.ts'
import type { JobView } from '../tasks/types.ts'
import { WatchedJob, type WatchParts } from '../tasks/watched-job.ts'
import { dialPage } from './page-socket.ts'

export { type ErrorCode, SpindleError } from '../model/errors.ts'
export type { MessageId } from '../model/message.ts'
export type { JobView, LogLine, TaskError, TaskStatus } from '../tasks/types.ts'
export type { Auth, Log }

export interface OpenOptions {
  /** Who the page is, at a server that has users. Whoever opens the page can read it: give it a token that may `watch`, and no more. */
  readonly auth?: Auth
  /** How long opening, and a call while there is no connection, waits for a server that answers, ms. Default 30,000. */
  readonly patienceMs?: number
  /** Where to say what a person should know. Default: nowhere. */
  readonly log?: Log
}

/**
 * Connects to a server: `https://HOST`, `http://HOST:PORT`, or the same with `wss:` and `ws:`. A page of another origin than the
 * server's gets in where the server names that origin (`--allow-origin`). Rejects with `unknown-url`, `unreachable` (a refused origin is
 * one, since browsers do not tell them apart), `not-authenticated`, `access-denied` or `protocol`.
 */
export async function open(
  url: string,
  { auth, patienceMs, log = silentLog }: OpenOptions = {},
): Promise<SpindleInPage> {
  const place = serverPlace(url)
  if (place === undefined) throw new SpindleError('unknown-url', 'open a server from a page')
  const port = await NetworkPort.open({
    url: place.shown,
    dial: dialPage({ url: place.socketUrl, clock: systemClock }),
    auth: auth ?? place.auth,
    clock: systemClock,
    random: systemRandom,
    log,
    ...(patienceMs === undefined ? {} : { patienceMs }),
  })
  return new SpindleInPage(port, systemClock)
}

/** What `open` resolves to in a page. */
export class SpindleInPage {
  readonly #port: NetworkPort
  readonly #watch: WatchParts
  readonly #waits = new Set<Changes>()

  constructor(port: NetworkPort, clock: Clock) {
    this.#port = port
    this.#watch = { port, clock, storeMsOf: () => undefined, waits: this.#waits }
  }

  /** The job of an id that an application handed out. Its user needs `watch` on the task's queue. */
  job<Output = unknown>(id: string): JobView<Output> {
    return new WatchedJob<Output>(this.#watch, id as MessageId, undefined)
  }

  /** Ends waits (they reject with `closed`) and the connection. Idempotent. */
  async close(): Promise<void> {
    for (const changes of this.#waits) changes.close()
    await this.#port.close()
  }
}
