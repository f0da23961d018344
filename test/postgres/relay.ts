/**
 * The network between brokers and a PostgreSQL: a relay on a port of its own that can be cut, go silent, or lead to another server, as a
 * virtual address does after a failover.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Relay {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #port: number
  #state: 'open' | 'cut' | 'silent' = 'open'

  private constructor(port: number) {
    this.#port = port
    this.#server = createServer((near) => this.#join(near))
  }

  /** To a port of loopback. */
  static async to(port: number): Promise<Relay> {
    const relay = new Relay(port)
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve))
    return relay
  }

  /** The same URL, by way of this relay. */
  through(url: string): string {
    const address = this.#server.address()
    const way = new URL(url)
    way.port = String(typeof address === 'object' && address !== null ? address.port : 0)
    return way.href
  }

  /** Whoever is connected is cut off; who comes from now on is led there. */
  lead(port: number): void {
    this.#port = port
    this.#dropAll()
  }

  /** Connections end, and new ones are refused. */
  cut(): void {
    this.#state = 'cut'
    this.#dropAll()
  }

  /** Nothing arrives any more, on either side, and nobody is told. */
  silence(): void {
    this.#state = 'silent'
    for (const [near, far] of this.#pairs) {
      for (const side of [near, far]) side.unpipe().pause()
    }
  }

  /** What was silent stays lost: a network that comes back knows nothing of old connections. */
  mend(): void {
    this.#state = 'open'
    this.#dropAll()
  }

  async close(): Promise<void> {
    this.#dropAll()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(near: Socket): void {
    near.on('error', () => {})
    if (this.#state === 'cut') {
      near.destroy()
      return
    }
    const far = connect(this.#port, '127.0.0.1')
    const pair = [near, far] as const
    this.#pairs.add(pair)
    near.setNoDelay(true)
    far.setNoDelay(true)
    far.on('error', () => {})
    const end = (): void => {
      this.#pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    near.on('close', end)
    far.on('close', end)
    near.pipe(far)
    far.pipe(near)
    if (this.#state === 'silent') this.silence()
  }

  #dropAll(): void {
    for (const [near, far] of this.#pairs) {
      near.destroy()
      far.destroy()
    }
    this.#pairs.clear()
  }
}
