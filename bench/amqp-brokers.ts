/** The two brokers of bench/amqp.ts, each with a data folder of its own, started and stopped by process id. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export interface RunningBroker {
  readonly name: string
  readonly port: number
  /** Resident memory, bytes; undefined where the system does not tell. */
  rssBytes(): number | undefined
  stop(): Promise<void>
}

const RABBITMQ = '/usr/lib/rabbitmq/bin/rabbitmq-server'
const START_MS_MAX = 60_000
const STOP_MS_MAX = 20_000

export function rabbitmqIsInstalled(): boolean {
  return existsSync(RABBITMQ)
}

export async function startSpindle(folder: string): Promise<RunningBroker> {
  const script = fileURLToPath(new URL('./amqp-server.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)))
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
      const found = /listening (\d+)/.exec(said)
      if (found !== null) resolve(Number(found[1]))
    })
  })
  return {
    name: 'Spindle',
    port,
    rssBytes: () => rssOf(child),
    stop: async () => {
      child.stdin.end()
      await ended(child)
    },
  }
}

/** Debian's RabbitMQ as it comes, on ports and in a folder of its own. */
export async function startRabbitmq(folder: string): Promise<RunningBroker> {
  mkdirSync(folder, { recursive: true })
  const [port, dist, epmd] = [await freePort(), await freePort(), await freePort()]
  const env = {
    ...process.env,
    HOME: folder,
    RABBITMQ_NODENAME: `spindle-bench-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: `${port}`,
    RABBITMQ_DIST_PORT: `${dist}`,
    ERL_EPMD_PORT: `${epmd}`,
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
  }
  const child = spawn(RABBITMQ, [], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const giveUp = Date.now() + START_MS_MAX
  while (!said.includes('completed with')) {
    if (child.exitCode !== null || Date.now() > giveUp) throw new Error(`RabbitMQ did not start: ${said.slice(-500)}`)
    await wait(200)
  }
  return {
    name: 'RabbitMQ',
    port,
    rssBytes: () => undefined,
    stop: async () => {
      // The shell that started it, the Erlang machine and its children are one process group, made for this run.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
      await ended(child)
      spawnSync('epmd', ['-port', `${epmd}`, '-kill'], { stdio: 'ignore' })
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const late = wait(STOP_MS_MAX, undefined, { ref: false }).then(() => child.kill('SIGKILL'))
  await Promise.race([exit, late])
}

function rssOf({ pid }: ChildProcess): number | undefined {
  const { stdout, status } = spawnSync('ps', ['-o', 'rss=', '-p', `${pid}`], { encoding: 'utf8' })
  return status === 0 ? Number(stdout.trim()) * 1_024 : undefined
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(address)))
    })
  })
}
