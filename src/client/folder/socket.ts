/** The unix sockets by which the processes of one folder find each other. */
import { chmod, mkdtemp, rm, unlink } from 'node:fs/promises'
import { createServer, connect as openSocket, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'

/** Bytes of a socket's path that every system takes (Linux 107, macOS 103). */
const PATH_BYTES_MAX = 100
/** Connections the kernel keeps for a listener that is busy or stopped. */
const BACKLOG = 511

/**
 * - `connected`: somebody listens; `socket` is open
 * - `dead`: nobody does: the kernel closed it with its process, or it is not there
 * - `busy`: somebody listens and its queue of new connections is full
 */
export type Dialled =
  | { readonly kind: 'connected'; readonly socket: Socket }
  | { readonly kind: 'dead'; readonly missing: boolean }
  | { readonly kind: 'busy' }

/** Rejects when the socket may not be used (say, it belongs to another user). */
export function dial(path: string): Promise<Dialled> {
  return new Promise((resolve, reject) => {
    const socket = openSocket(path)
    const refused = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET') resolve({ kind: 'dead', missing: false })
      else if (error.code === 'ENOENT' || error.code === 'ENOTSOCK') resolve({ kind: 'dead', missing: true })
      else if (error.code === 'EAGAIN') resolve({ kind: 'busy' })
      else reject(error)
    }
    socket.once('error', refused)
    socket.once('connect', () => {
      socket.off('error', refused)
      // Whoever takes the socket handles its errors; until then an early end must not be a crash.
      socket.on('error', () => {})
      resolve({ kind: 'connected', socket })
    })
  })
}

/** A listener that takes connections from the start and hands them out once somebody asks for them. */
export class FolderSocket {
  /** As others are told of it: a name within `directory`, or an absolute path. */
  readonly address: string
  readonly #server: Server
  readonly #path: string
  readonly #held = new Set<Socket>()
  #serve: ((socket: Socket) => void) | undefined
  #closed = false

  private constructor(server: Server, paths: { readonly address: string; readonly path: string }) {
    this.#server = server
    this.address = paths.address
    this.#path = paths.path
    server.on('connection', (socket) => this.#connected(socket))
  }

  /** Listens in `directory` as `name`, or in the system's temporary folder when the path is too long for a socket. Mode 0600. */
  static async open(directory: string, name: string): Promise<FolderSocket> {
    const near = join(directory, name)
    const fits = Buffer.byteLength(near) <= PATH_BYTES_MAX
    // The folder around it is 0700 from the start: there is no moment in which others may connect.
    const path = fits ? near : join(await mkdtemp(join(tmpdir(), TEMPORARY_PREFIX)), 's')
    const server = createServer()
    const socket = new FolderSocket(server, { address: fits ? name : path, path })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // `exclusive`: in a cluster worker the primary must not listen in our stead, for it would outlive us.
      server.listen({ path, exclusive: true, backlog: BACKLOG }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    server.on('error', () => {})
    await chmod(path, 0o600)
    return socket
  }

  /** Hands over the connections that came so far, and those that will. */
  serve(each: (socket: Socket) => void): void {
    this.#serve = each
    for (const socket of this.#held) each(socket)
    this.#held.clear()
  }

  /** From now on connections are held again: whoever connects learns of the end by `close`. */
  hold(): void {
    this.#serve = undefined
  }

  /** Stops listening, ends the connections that nobody took, removes the socket. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // Node removes the socket's file with the listener.
    this.#server.close()
    for (const socket of this.#held) socket.destroy()
    this.#held.clear()
    if (isAbsolute(this.address)) await rm(dirname(this.#path), { recursive: true, force: true })
  }

  #connected(socket: Socket): void {
    socket.on('error', () => {})
    if (this.#closed) {
      socket.destroy()
      return
    }
    if (this.#serve !== undefined) {
      this.#serve(socket)
      return
    }
    this.#held.add(socket)
    socket.once('close', () => this.#held.delete(socket))
  }
}

const TEMPORARY_PREFIX = 'spindle-'

/** Removes what a dead process left at `address`; touches nothing that does not look like a socket of ours. */
export async function removeDeadSocket(directory: string, address: string): Promise<void> {
  if (SOCKET_NAME.test(address)) await unlink(join(directory, address)).catch(() => {})
  else if (dirname(dirname(address)) === tmpdir() && dirname(address).startsWith(join(tmpdir(), TEMPORARY_PREFIX))) {
    await unlink(address).catch(() => {})
    await rm(dirname(address), { recursive: false, force: true }).catch(() => {})
  }
}

/** Names of sockets in a folder: sixteen hex digits. */
export const SOCKET_NAME = /^[0-9a-f]{16}\.sock$/

/** Where `address`, as a claim names it, is from here. */
export function socketPath(directory: string, address: string): string {
  return isAbsolute(address) ? address : join(directory, address)
}
