import { onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { bindingId, type Port } from '../../src/broker/port.ts'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { defaultLimits, type Limits } from '../../src/model/limits.ts'
import type { NewMessage } from '../../src/model/message.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** A broker over an engine (default: the reference one), on a clock that the test moves. */
export async function startedBroker(overrides: Partial<Limits> = {}, made?: (clock: VirtualClock) => Engine) {
  const clock = new VirtualClock()
  const limits = { ...defaultLimits, ...overrides }
  const engine = made?.(clock) ?? new MemoryEngine({ clock, random: seededRandom(1), limits })
  const broker = new Broker({ engine, clock, limits, log: silentLog })
  await broker.start()
  return { broker, clock, engine }
}

/** A broker over the embedded engine on a disk in memory: what outlives it can be opened again. */
export async function storedBroker() {
  // Not 0, which an engine may take for no instant: no real clock stands there.
  const clock = new VirtualClock({ monotonicMs: 1_000_000 })
  const warnings: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) }
  let disk = new FaultDisk()
  const open = async (): Promise<Broker> => {
    const engine = new EmbeddedEngine({ disk, clock, random: seededRandom(1), limits: defaultLimits })
    const broker = new Broker({ engine, clock, log })
    await broker.start()
    return broker
  }
  const broker = await open()
  const stored = {
    broker,
    clock,
    warnings,
    /** What a kill of the process leaves; the broker before is abandoned. */
    async crash(): Promise<Broker> {
      disk = disk.crash()
      stored.broker = await open()
      return stored.broker
    },
    async reopen(): Promise<Broker> {
      await stored.broker.close()
      stored.broker = await open()
      return stored.broker
    },
  }
  onTestFinished(() => stored.broker.close())
  return stored
}

/** Looks again, turn by turn of the event loop, until it holds; the engines work on a disk in memory, so it soon does. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 5_000; turn++) {
    if (await holds()) return
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  throw new Error('it never came to hold')
}

/** The exchange is there, and the queue gets what it is given. */
export async function bind(port: Port, exchange: string, queue: string): Promise<void> {
  await port.declareExchange(exchange, {})
  const target = { kind: 'queue', name: queue } as const
  await port.putBinding({ exchange, id: bindingId({ target }), target, key: '' })
}

const NO_HEAD = new Uint8Array(0)

export function text(body: string, fields: Omit<NewMessage, 'content'> = {}): NewMessage {
  return { content: { head: NO_HEAD, body: new TextEncoder().encode(body) }, ...fields }
}

export function bodies(messages: readonly { readonly content: { readonly body: Uint8Array } }[]): string[] {
  return messages.map(({ content }) => new TextDecoder().decode(content.body))
}
