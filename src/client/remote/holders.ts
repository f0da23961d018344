/**
 * Which clients are connected, as the engine's holders: a lease taken through a connection names its client, so
 * that it ends with the client instead of by the clock. A client may be connected more than once for a moment
 * (its new connection arrives before the end of its old one was seen); it ends with its last connection.
 */
import type { Port } from '../../broker/port.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'

/** How long a holder outlives its last renewal: longer than an owner may be stopped or blocked without losing leases. */
export const HOLDER_TTL_MS = 60_000
const RENEW_EVERY_MS = HOLDER_TTL_MS / 4

export class Holders {
  readonly #port: Port
  readonly #clock: Clock
  readonly #log: Log
  readonly #graceMs: number | undefined
  readonly #connections = new Map<string, number>()
  #timer: Timer | undefined
  #stopped = false

  /**
   * `graceMs`: how long one that vanished may take to come back before its leases end. Default: none, because the end of a socket
   * of this machine is the end of its process; a network's may be a cable.
   */
  constructor(parts: { readonly port: Port; readonly clock: Clock; readonly log: Log; readonly graceMs?: number }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#log = parts.log
    this.#graceMs = parts.graceMs
  }

  async connected(client: string): Promise<void> {
    this.#connections.set(client, (this.#connections.get(client) ?? 0) + 1)
    this.#arm()
    await this.#port.renewHolder(client, HOLDER_TTL_MS)
  }

  /** `spend`: did it vanish (its attempts are spent) or say good-bye (they are given back)? */
  async disconnected(client: string, spend: boolean): Promise<void> {
    const left = (this.#connections.get(client) ?? 1) - 1
    if (left > 0) {
      this.#connections.set(client, left)
      return
    }
    this.#connections.delete(client)
    if (this.#stopped) return
    if (spend && this.#graceMs !== undefined) await this.#port.renewHolder(client, this.#graceMs)
    else await this.#port.releaseHolder(client, { spend })
  }

  /** Renews nobody and releases nobody any more: the clients live on and will greet the next owner. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#stopped) return
    this.#timer = this.#clock.setTimer(RENEW_EVERY_MS, () => {
      this.#timer = undefined
      for (const client of this.#connections.keys()) {
        this.#port.renewHolder(client, HOLDER_TTL_MS).catch((fault: unknown) => {
          this.#log.warn('the leases of a joined process could not be renewed', { client, fault })
        })
      }
      if (this.#connections.size > 0) this.#arm()
    })
  }
}
