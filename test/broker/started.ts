import { Broker } from '../../src/broker/broker.ts'
import { bindingId, type Port } from '../../src/broker/port.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { defaultLimits, type Limits } from '../../src/model/limits.ts'
import type { NewMessage } from '../../src/model/message.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** A broker over the reference engine, on a clock that the test moves. */
export async function startedBroker(overrides: Partial<Limits> = {}) {
  const clock = new VirtualClock()
  const limits = { ...defaultLimits, ...overrides }
  const engine = new MemoryEngine({ clock, random: seededRandom(1), limits })
  const broker = new Broker({ engine, clock, limits, log: silentLog })
  await broker.start()
  return { broker, clock, engine }
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
