/** A long queue: what a waiting message costs in memory, whether the event loop stays free, how fast a restart is. */

import { dirname, extname, resolve } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type * as EngineFile from '../../src/engine/embedded/engine.ts'
import type * as ClockFile from '../../src/runtime/clock.ts'
import type * as DiskFile from '../../src/runtime/node-disk.ts'
import type * as RandomFile from '../../src/runtime/random.ts'
import { drive, type Rate } from '../measure.ts'
import { loadPackage, type StoreChoice } from '../store.ts'
import { goAround } from './queues.ts'

export interface BacklogCase {
  readonly url: string
  readonly messages: number
  readonly bodyBytes: number
  /** How long messages come and go over the full backlog, ms. */
  readonly steadyMs: number
}

/** Bytes of this process after a full collection. */
export interface Memory {
  /** Objects and off-heap buffers: what the program holds. */
  readonly heldBytes: number
  /** What the operating system has given it, free heap and allocator slack included. */
  readonly residentBytes: number
}

export interface FilledBacklog {
  readonly fillPerSecond: number
  /** What the process holds more than with an empty store. */
  readonly grown: Memory
  readonly steady: Rate
  readonly longestPauseMs: number
}

export interface RestartCase {
  readonly url: string
  /** Close the store at the end; else leave it open, for the process to be killed. */
  readonly close: boolean
}

export interface RestartedBacklog {
  /** From before the package is loaded to the first message in hand. */
  readonly firstDeliveryMs: number
  /** What it holds more than before it opened the folder, recent bodies in its cache included. */
  readonly grown: Memory
}

export interface IndexedBacklog {
  readonly waiting: number
  readonly grown: Memory
}

const FILL_BATCH = 1_000
const FILL_CALLERS = 4
const STEADY_CALLERS = 100
/** A pause is what the timer of this resolution was late, so it overstates by up to as much. */
const RESOLUTION_MS = 1

/** Leaves the store open: the caller decides whether this process ends well or is killed. */
export async function fillBacklog(store: StoreChoice, it: BacklogCase): Promise<FilledBacklog> {
  const { open } = await loadPackage(store)
  const spindle = await open(it.url)
  const queue = await spindle.queue<Uint8Array>('backlog')
  const items = Array.from({ length: FILL_BATCH }, () => ({ body: new Uint8Array(it.bodyBytes).fill(0x61) }))
  const empty = memoryNow()

  let left = Math.ceil(it.messages / FILL_BATCH)
  const filled = await drive({
    callers: FILL_CALLERS,
    durationMs: Number.POSITIVE_INFINITY,
    caller: async (lap) => {
      while (left-- > 0) {
        await queue.sendMany(items)
        lap(FILL_BATCH)
      }
    },
  })
  const grown = growth(empty, memoryNow())

  const traffic = (durationMs: number): Promise<Rate> =>
    drive({ callers: STEADY_CALLERS, durationMs, caller: goAround(queue, { bodyBytes: it.bodyBytes, batch: 1 }) })
  await traffic(it.steadyMs / 4)
  const pauses = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  pauses.enable()
  const steady = await traffic(it.steadyMs)
  pauses.disable()
  return { fillPerSecond: filled.perSecond, grown, steady, longestPauseMs: pauses.max / 1e6 }
}

/** Opens what `fillBacklog` left, in a process that has done nothing else, and takes one message. */
export async function restartBacklog(store: StoreChoice, it: RestartCase): Promise<RestartedBacklog> {
  const loadsMs = performance.now()
  const { open } = await loadPackage(store)
  const loadedMs = performance.now()
  const before = memoryNow() // its time is left out
  const opensMs = performance.now()
  const spindle = await open(it.url)
  const queue = await spindle.queue<Uint8Array>('backlog')
  const [message] = await queue.receive()
  if (message === undefined || message.body.length === 0) throw new Error('nothing was waiting after the restart')
  const firstDeliveryMs = loadedMs - loadsMs + (performance.now() - opensMs)
  await message.release({ spend: false })
  const grown = growth(before, memoryNow())
  if (it.close) await spindle.close()
  return { firstDeliveryMs, grown }
}

/** The engine alone, with next to no cache of bodies: what is left is the index. */
export async function indexBacklog(
  store: StoreChoice,
  { folder }: { readonly folder: string },
): Promise<IndexedBacklog> {
  const part = (name: string): string =>
    pathToFileURL(resolve(dirname(store.package), `${name}${extname(store.package)}`)).href
  const { EmbeddedEngine } = (await import(part('engine/embedded/engine'))) as typeof EngineFile
  const { nodeDisk } = (await import(part('runtime/node-disk'))) as typeof DiskFile
  const { systemClock: clock } = (await import(part('runtime/clock'))) as typeof ClockFile
  const { systemRandom: random } = (await import(part('runtime/random'))) as typeof RandomFile
  const before = memoryNow()
  const engine = new EmbeddedEngine({ disk: nodeDisk(folder), clock, random, options: { cacheBytes: 0 } })
  await engine.open()
  const [measure] = await engine.measure(['backlog'])
  const grown = growth(before, memoryNow())
  await engine.close()
  return { waiting: (measure?.ready ?? 0) + (measure?.leased ?? 0), grown }
}

function growth(before: Memory, after: Memory): Memory {
  return {
    heldBytes: after.heldBytes - before.heldBytes,
    residentBytes: after.residentBytes - before.residentBytes,
  }
}

function memoryNow(): Memory {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void // what the flag exposes, in contexts made after it
  for (let i = 0; i < 3; i++) collect() // buffers are freed one collection after their wrappers
  const { heapUsed, external, rss } = process.memoryUsage() // external counts array buffers too
  return { heldBytes: heapUsed + external, residentBytes: rss }
}
