/** Debian's pgbouncer in transaction mode before a database: sessions of clients, and a few of the server's that they take turns on. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, identity } from './server.ts'

const PROGRAM = '/usr/sbin/pgbouncer'

/** Why none can be started here; undefined: it can. */
export function whyNoPgbouncer(): string | undefined {
  return existsSync(PROGRAM) ? undefined : `no pgbouncer (Debian's package of that name) at ${PROGRAM}`
}

export class Pgbouncer {
  readonly #folder: string
  readonly #settings: string
  readonly port: number
  #process: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.port = port
    this.#settings = join(folder, 'pgbouncer.ini')
  }

  /** Before the server on `serverPort` of loopback, with `sessions` of its sessions. */
  static async start({ serverPort, sessions }: { serverPort: number; sessions: number }): Promise<Pgbouncer> {
    const folder = mkdtempSync(join(tmpdir(), 'spindle-pgbouncer-'))
    if (identity !== undefined) chownSync(folder, identity.uid, identity.gid)
    const bouncer = new Pgbouncer(folder, await freePort())
    const users = join(folder, 'users.txt')
    writeFileSync(users, '"postgres" ""\n')
    writeFileSync(
      bouncer.#settings,
      [
        '[databases]',
        `* = host=127.0.0.1 port=${serverPort}`,
        '[pgbouncer]',
        'listen_addr = 127.0.0.1',
        `listen_port = ${bouncer.port}`,
        'unix_socket_dir =',
        'pool_mode = transaction',
        `default_pool_size = ${sessions}`,
        'max_client_conn = 200',
        'auth_type = trust',
        `auth_file = ${users}`,
        'server_login_retry = 1',
        '',
      ].join('\n'),
    )
    await bouncer.start()
    return bouncer
  }

  url(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`
  }

  async start(): Promise<void> {
    const child = spawn(PROGRAM, [this.#settings], { stdio: ['ignore', 'ignore', 'pipe'], ...identity })
    this.#process = child
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()))
    await new Promise<void>((resolve, reject) => {
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text
        if (said.includes('process up')) resolve()
      })
      child.once('error', reject)
      child.once('exit', () => reject(new Error(`pgbouncer did not start:\n${said}`)))
    })
  }

  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await this.#exited
  }

  async dispose(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
