/**
 * 500 tasks fail at once because the database is down for 10 s; then it bears 50 calls a second and refuses what is more. With the same
 * exponential backoff, once without and once with jitter. Time and chance are virtual: the figures are the same each time.
 */
import { exponential, open, task } from 'spindle-mq'
import { VirtualClock } from 'spindle-mq/testing'
import { z } from 'zod'

export interface Herd {
  readonly tasks: number
  readonly downS: number
  readonly bearsPerSecond: number
}

export interface Recovery {
  /** Calls in each second, the first after the failure. */
  readonly callsPerSecond: readonly number[]
  readonly refused: number
  /** When the last task had succeeded. */
  readonly recoveredS: number
}

export async function recover(herd: Herd, jitter: 'full' | 'none'): Promise<Recovery> {
  const clock = new VirtualClock()
  const spindle = await open('memory:', { clock, random: lehmer(7) })
  const startMs = clock.monotonicMs()
  const calls: number[] = []
  let refused = 0
  let left = herd.tasks
  let recoveredS = 0
  const write = task('write', {
    input: z.object({}),
    retry: { attempts: 1_000, backoff: exponential({ baseMs: 1_000, maxMs: 16_000, jitter }) },
    run() {
      const atS = (clock.monotonicMs() - startMs) / 1_000
      const second = Math.floor(atS)
      const inThisSecond = (calls[second] ?? 0) + 1
      calls[second] = inThisSecond
      if (atS < herd.downS) throw new Error('the database is down')
      if (inThisSecond > herd.bearsPerSecond) {
        refused++
        throw new Error('too many connections')
      }
      left--
      recoveredS = atS
    },
  })
  const worker = await spindle.work([write], { concurrency: herd.tasks })
  await spindle.enqueueMany(
    write,
    Array.from({ length: herd.tasks }, () => ({ input: {} })),
  )
  while (left > 0) await clock.advance(1_000)
  const closing = worker.stop().then(() => spindle.close())
  await clock.advance(60_000)
  await closing
  return { callsPerSecond: Array.from(calls, (count = 0) => count), refused, recoveredS }
}

/** Park and Miller's generator: enough for jitter, and the same picture every time. */
function lehmer(seed: number): { float(): number; bytes(count: number): Uint8Array } {
  let state = seed
  const float = (): number => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
  return { float, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(float() * 256)) }
}
