/** The embedded engine under test, small enough that a few hundred messages roll segments, and what an outsider sees in it. */
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import type { Engine, Unit } from '../../src/engine/engine.ts'
import type { MessageState } from '../../src/model/message.ts'
import { defaultPolicy, type QueuePolicy } from '../../src/model/policy.ts'
import type { Disk } from '../../src/runtime/disk.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { Seen, SeenMessage } from './checkers.ts'

export const longRun = process.env['SPINDLE_TEST_LONG'] === '1'

export interface Opened {
  readonly engine: EmbeddedEngine
  readonly clock: VirtualClock
}

export function makeStore(disk: Disk, clock = new VirtualClock()): Opened {
  const engine = new EmbeddedEngine({
    disk,
    clock,
    random: seededRandom(1),
    options: { segmentBytes: 65_536, checkpointBytes: 65_536, cacheBytes: 16_384 },
  })
  return { engine, clock }
}

export async function openStore(disk: Disk, clock?: VirtualClock): Promise<Opened> {
  const opened = makeStore(disk, clock)
  await opened.engine.open()
  return opened
}

/** `plain`; `fifo`: strict, deduplicated; `weak`: dies after two attempts, into `dlq`; `loose`: relaxed. */
export const queues: Readonly<Record<string, Partial<QueuePolicy>>> = {
  plain: { attemptsMax: null },
  fifo: {
    attemptsMax: null,
    groups: { kind: 'ordered' },
    dedup: { kind: 'window', windowMs: 3_600_000 },
    lateAck: false,
  },
  weak: { attemptsMax: 2, onDeath: { kind: 'deadLetter', queue: 'dlq' } },
  dlq: { attemptsMax: null },
  loose: { attemptsMax: null, durability: 'relaxed' },
}

export async function declareQueues(engine: Engine): Promise<void> {
  const units = Object.entries(queues).map(
    ([queue, policy]): Unit => ({ ops: [{ kind: 'putQueue', queue, policy: { ...defaultPolicy, ...policy } }] }),
  )
  await engine.commit(units)
}

const states: readonly MessageState[] = ['delayed', 'ready', 'leased', 'done', 'dead']
const decoder = new TextDecoder('latin1')

export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

/** Bodies begin with the key of their message. */
export function keyOf(body: string): string {
  return body.slice(0, body.indexOf('|'))
}

export async function look(engine: Engine): Promise<Seen> {
  const messages: SeenMessage[] = []
  for (const queue of Object.keys(queues)) {
    let cursor: string | undefined
    do {
      const page = await engine.browse({ queue, states, limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
      for (const { content, state, sequence, deliveries } of page.messages) {
        const body = textOf(content.body)
        messages.push({ key: keyOf(body), queue, state, sequence, deliveries, body })
      }
      cursor = page.cursor
    } while (cursor !== undefined)
  }
  const records = new Map<string, string>()
  for (const { key, value } of await engine.scan('', { limit: 1_000 })) records.set(key, textOf(value))
  return { messages, records }
}
