/** bench/amqp-perf.c (librabbitmq): one publisher (persistent, confirmed) and one consumer over queue `perf` of any broker. */
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Publishes without a confirm, and deliveries without an ack. */
const WINDOW = 2_000

export interface Figures {
  readonly publishedPerSecond: number
  readonly consumedPerSecond: number
  /** The slower of both ends. */
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface Drive {
  readonly port: number
  readonly messages: number
  readonly bodyBytes: number
  /** `pub` makes the queue anew and leaves it full, `sub` consumes what is there. Default `both`. */
  readonly mode?: 'both' | 'pub' | 'sub'
}

/** Path of the program; undefined where it cannot be built, which is said. */
export function buildGenerator(folder: string): string | undefined {
  const source = fileURLToPath(new URL('./amqp-perf.c', import.meta.url))
  const program = join(folder, 'amqp-perf')
  const cc = spawnSync('cc', ['-O2', '-o', program, source, '-lrabbitmq', '-lpthread'], { encoding: 'utf8' })
  if (cc.status === 0) return program
  console.log(
    `left out: bench/amqp-perf.c cannot be built here (it needs cc and librabbitmq-dev): ${cc.stderr ?? cc.error}`,
  )
  return undefined
}

/** One run of the generator. It runs beside the broker, so this process must not be busy meanwhile. */
export function drive(program: string, { port, messages, bodyBytes, mode = 'both' }: Drive): Promise<Figures> {
  const args = ['127.0.0.1', ...[port, messages, bodyBytes, WINDOW, WINDOW].map(String), mode]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => {
      const found = /confirmed (\d+)\/s, consumed\+acked (\d+)\/s, latency p50 ([\d.]+) ms p99 ([\d.]+) ms/.exec(said)
      if (code !== 0 || found === null) return reject(new Error(`amqp-perf ended with ${code}: ${said}`))
      const [published, consumed, p50Ms, p99Ms] = found.slice(1).map(Number) as [number, number, number, number]
      resolve({
        publishedPerSecond: published,
        consumedPerSecond: consumed,
        perSecond: Math.min(published, consumed),
        p50Ms,
        p99Ms,
      })
    })
  })
}
