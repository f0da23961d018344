/** A cable between a client and a server, to be cut. */
import { once } from 'node:events'
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** Passes bytes on to a port, until told to cut, or to swallow them as a dead cable does. */
export class Cable {
  readonly #server: NetServer
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #swallows = false
  #toPort: number

  constructor(url: string) {
    this.#toPort = portOf(url)
    this.#server = createServer((near) => {
      const far = connect(this.#toPort, '127.0.0.1')
      const pair = [near, far] as const
      this.#pairs.add(pair)
      for (const [from, to] of [pair, [far, near] as const]) {
        from.on('data', (chunk: Buffer) => this.#swallows || to.write(chunk))
        from.on('error', () => {})
        from.on('close', () => {
          this.#pairs.delete(pair)
          to.destroy()
        })
      }
    })
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    onTestFinished(() => this.close())
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  leadTo(url: string): void {
    this.#toPort = portOf(url)
  }

  /** Ends the connections there are. */
  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.destroy()
      far.destroy()
    }
  }

  swallow(): void {
    this.#swallows = true
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}

const portOf = (url: string): number => Number(new URL(url).port)
