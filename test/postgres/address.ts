/** An address of loopback that leads to another server whenever the test says so, as the address of a cluster does after a failover. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Address {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target: number

  private constructor(server: Server, target: number) {
    this.#server = server
    this.#target = target
  }

  static async leadingTo(port: number): Promise<Address> {
    const server = createServer()
    const address = new Address(server, port)
    server.on('connection', (socket) => address.#forward(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return address
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Sessions that are under way end. */
  leadTo(port: number): void {
    this.#target = port
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #forward(socket: Socket): void {
    const onward = connect(this.#target, '127.0.0.1')
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  }
}
