/** The servers that bench/sqs.ts compares, each in a process of its own as its users start it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import process from 'node:process'
import { createInterface } from 'node:readline'

export interface RunningServer {
  readonly name: string
  readonly endpoint: string
  /** User and system time so far, ms; undefined where /proc is not there to say it. */
  cpuMs(): number | undefined
  stop(): Promise<void>
  /** Kill -9. */
  kill(): Promise<void>
}

const READY_MS = 30_000
/** Of /proc/PID/stat, in which the kernel counts for every program. */
const TICK_MS = 10

/** `spindle serve` on a data folder, durable as it is by default. `amqp`: with that door, too. */
export async function startSpindle(
  folder: string,
  { amqp = false } = {},
): Promise<RunningServer & { amqpUrl: string }> {
  const args = ['dist/cli/main.js', 'serve', '--data', folder, '--port', '0', '--amqp-port', amqp ? '0' : 'off']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [endpoint, amqpUrl] = await Promise.all([
    said(child, /(http:\/\/127\.0\.0\.1:\d+)/),
    amqp ? said(child, /(amqp:\/\/127\.0\.0\.1:\d+)/) : '',
  ])
  return { ...running('Spindle', child, endpoint), amqpUrl }
}

/** fauxqs, in memory. */
export async function startFauxqs(): Promise<RunningServer> {
  const port = await freePort()
  const env = { ...process.env, FAUXQS_PORT: String(port), FAUXQS_HOST: '127.0.0.1', FAUXQS_LOGGER: 'false' }
  const child = spawn(process.execPath, ['node_modules/fauxqs/dist/cli.js'], { stdio: 'ignore', env })
  const endpoint = `http://127.0.0.1:${port}`
  await answers(endpoint)
  return running('fauxqs', child, endpoint)
}

function running(name: string, child: ChildProcess, endpoint: string): RunningServer {
  const end = (signal: NodeJS.Signals) =>
    new Promise<void>((ended) => {
      child.once('exit', () => ended())
      child.kill(signal)
    })
  return {
    name,
    endpoint,
    cpuMs: () => cpuMs(child.pid),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}

function cpuMs(pid: number | undefined): number | undefined {
  try {
    // The name, in parentheses, may hold spaces; after it come the state and the counts.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    return undefined
  }
}

function said(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it was ready`)))
    if (child.stdout === null) return reject(new Error('no output to read'))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = pattern.exec(line)
      if (found?.[1] !== undefined) resolve(found[1])
    })
  })
}

async function answers(endpoint: string): Promise<void> {
  const untilMs = performance.now() + READY_MS
  for (;;) {
    try {
      await fetch(endpoint)
      return
    } catch (cause) {
      if (performance.now() > untilMs) throw new Error(`${endpoint} does not answer`, { cause })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}
