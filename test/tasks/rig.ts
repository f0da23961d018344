import { Broker } from '../../src/broker/broker.ts'
import type { Port } from '../../src/broker/port.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { defaultLimits, type Limits } from '../../src/model/limits.ts'
import type { Log } from '../../src/runtime/log.ts'
import { type Random, seededRandom } from '../../src/runtime/random.ts'
import { createTasks, type TaskClient } from '../../src/tasks/client.ts'
import type { Post } from '../../src/tasks/webhook.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

export interface Rig {
  readonly clock: VirtualClock
  /** Milliseconds since this rig was set up. */
  readonly elapsedMs: () => number
  readonly port: Port
  readonly tasks: TaskClient
  /** Another client of the same store, as another process would have. */
  readonly another: (parts?: RigParts) => TaskClient
  readonly warnings: string[]
  readonly close: () => Promise<void>
}

export interface RigParts {
  readonly limits?: Partial<Limits>
  readonly random?: Random
  readonly post?: Post
}

/** Tasks over the plain engine, in virtual time. */
export async function rig(parts: RigParts = {}): Promise<Rig> {
  const clock = new VirtualClock()
  const startedMs = clock.monotonicMs()
  const warnings: string[] = []
  const note = (message: string): unknown => warnings.push(message)
  const log: Log = { info() {}, warn: note, error: note }
  const limits = { ...defaultLimits, ...parts.limits }
  const random = seededRandom(1)
  const broker = new Broker({ engine: new MemoryEngine({ clock, random, limits }), clock, log, limits })
  await broker.start()
  const clients: TaskClient[] = []
  const another = (own: RigParts = {}): TaskClient => {
    const client = createTasks({
      port: broker,
      clock,
      log,
      limits,
      random: own.random ?? random,
      ...(own.post === undefined ? {} : { post: own.post }),
    })
    clients.push(client)
    return client
  }
  return {
    clock,
    elapsedMs: () => clock.monotonicMs() - startedMs,
    port: broker,
    tasks: another(parts),
    another,
    warnings,
    async close() {
      const closing = Promise.all(clients.map((client) => client.close()))
      // Handlers that a test left hanging are waited for in virtual time too.
      await clock.advance(60_000)
      await closing
      await broker.close()
    },
  }
}

/** A promise and the functions that end it. */
export function gate<T = void>(): {
  readonly opened: Promise<T>
  readonly open: (value: T) => void
  readonly fail: (error: unknown) => void
} {
  let open: (value: T) => void = () => {}
  let fail: (error: unknown) => void = () => {}
  const opened = new Promise<T>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { opened, open, fail }
}

/** Resolves after `ms` of the clock; rejects when the signal aborts. */
export function sleep(clock: VirtualClock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(ms, resolve)
    signal?.addEventListener('abort', () => {
      timer.cancel()
      reject(signal.reason)
    })
  })
}
