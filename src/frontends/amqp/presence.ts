/**
 * The processes that serve AMQP over one store: records `spindle/amqp/process/HOLDER` with JSON { process, aliveUntilMs }. What is to end
 * with its process (leases, queues that are not durable or are exclusive) names the holder; here is who of them is left.
 *
 * A process is gone when the system says so. Where the system cannot tell (another container, another boot), it is gone when it has not
 * said for a while that it lives.
 */
import type { Port } from '../../broker/port.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Processes } from '../../runtime/processes.ts'

const PREFIX = 'spindle/amqp/process/'
/** More processes than this over one store are not looked at. */
const PROCESSES_MAX = 1_000

export interface PresenceParts {
  readonly port: Port
  readonly clock: Clock
  readonly processes: Processes
  /** Names this process among those that lease from the store. */
  readonly holder: string
  /** How long it counts as alive where only its word is known, ms. */
  readonly ttlMs: number
}

export interface Company {
  /** Holders of processes that live, this one included. */
  readonly alive: ReadonlySet<string>
  readonly gone: readonly string[]
}

export class Presence {
  readonly #parts: PresenceParts

  constructor(parts: PresenceParts) {
    this.#parts = parts
  }

  /** This process lives. To be repeated well within `ttlMs`. */
  async renew(): Promise<void> {
    const { port, clock, processes, holder, ttlMs } = this.#parts
    const said = { process: await processes.self(), aliveUntilMs: clock.wallMs() + ttlMs }
    const value = Buffer.from(JSON.stringify(said))
    // Not worth a sync: whoever reads it after a power cut does so on another boot.
    await port.transact([{ kind: 'record', key: PREFIX + holder, value }], { relaxed: true })
  }

  async look(): Promise<Company> {
    const { port, holder } = this.#parts
    const alive = new Set([holder])
    const gone: string[] = []
    for (const { key, value } of await port.scan(PREFIX, { limit: PROCESSES_MAX })) {
      const other = key.slice(PREFIX.length)
      if (other === holder || (await this.#isAlive(value))) alive.add(other)
      else gone.push(other)
    }
    return { alive, gone }
  }

  /** Nothing is left of them. */
  async forget(holders: readonly string[]): Promise<void> {
    const { port } = this.#parts
    if (holders.length === 0) return
    await port.transact(
      holders.map((holder) => ({ kind: 'record', key: PREFIX + holder, value: null })),
      { relaxed: true },
    )
  }

  async #isAlive(value: Uint8Array): Promise<boolean> {
    const { clock, processes } = this.#parts
    const { process, aliveUntilMs } = parsed(value)
    const known = typeof process === 'string' ? await processes.isAlive(process) : undefined
    return known ?? (typeof aliveUntilMs === 'number' && aliveUntilMs > clock.wallMs())
  }
}

function parsed(value: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(Buffer.from(value).toString('utf8'))
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
