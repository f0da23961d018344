import process from 'node:process'
import { describe, expect, it } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import type { Port } from '../../src/broker/port.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import type { MessageId } from '../../src/model/message.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { moveStore, nextIdOf } from '../../src/server/move/move-store.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { fill, inventory } from './filled.ts'

const clock = new VirtualClock()
/** Calls from one kill to the next: all of them in a long run. */
const EVERY = process.env['SPINDLE_TEST_LONG'] === '1' ? 1 : 3

async function store(successorOf?: MessageId, seed = 1): Promise<Port> {
  const parts = { clock, limits: defaultLimits, log: silentLog }
  const engine = new MemoryEngine({ ...parts, random: seededRandom(seed), successorOf })
  const broker = new Broker({ engine, ...parts })
  await broker.start()
  return broker
}

class Killed extends Error {}

/** The port of a process that is killed at its n-th call: before the call has an effect, or just after, unheard. */
function mortal(
  port: Port,
  { callsLeft, heard }: { callsLeft: number; heard: boolean },
): { port: Port; calls: () => number } {
  let calls = 0
  return {
    calls: () => calls,
    port: new Proxy(port, {
      get: (target, method) => {
        const value: unknown = Reflect.get(target, method)
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          calls++
          if (calls > callsLeft || (calls === callsLeft && !heard)) throw new Killed()
          const answer: unknown = await Reflect.apply(value, target, args)
          if (calls === callsLeft) throw new Killed()
          return answer
        }
      },
    }),
  }
}

describe('a move', () => {
  it('brings everything over as it was, and empties the source', async () => {
    const source = await store()
    await fill(source, 250)
    const before = await inventory(source, clock)
    const destination = await store(await nextIdOf(source), 2)
    const told: number[] = []
    const moved = await moveStore({ source, destination, clock, told: (so) => told.push(so.moved) })
    expect(await inventory(destination, clock)).toEqual(before)
    expect(moved).toBe(before.queues.reduce((sum, { messages }) => sum + messages.length, 0))
    expect(told.at(-1)).toBe(moved)
    expect(await inventory(source, clock)).toMatchObject({ exchanges: [], records: [] })
    expect((await source.measure()).map(({ queue }) => queue)).toEqual([])
    // Run once more, it has nothing to do.
    expect(await moveStore({ source, destination, clock })).toBe(moved)
    expect(await inventory(destination, clock)).toEqual(before)
  })

  it('leaves a destination that works: order, groups, dedup windows and new ids', async () => {
    const source = await store()
    await fill(source, 3)
    const destination = await store(await nextIdOf(source), 2)
    await moveStore({ source, destination, clock })
    const body = (text: string) => ({ content: { body: Buffer.from(text), head: new Uint8Array(0) } })
    const [duplicate] = await destination.append('once', [{ ...body('again'), dedupId: 'd4' }])
    expect(duplicate).toMatchObject({ kind: 'duplicate' })
    const got: string[] = []
    for (let n = 0; n < 30; n++) {
      const [delivery] = await destination.receive({ queue: 'priorities', max: 1 })
      if (delivery === undefined) break
      got.push(Buffer.from(delivery.content.body).toString('utf8'))
      await destination.settle([{ receipt: delivery.receipt, how: { kind: 'ack' } }])
    }
    expect(got).toHaveLength(30)
    expect(got.slice(0, 3)).toEqual(['p 9', 'p 19', 'p 29'])
    // The first of two groups are ready, each second one is delayed and holds the rest back.
    const steps = await destination.receive({ queue: 'ordered', max: 60 })
    expect(steps.map(({ content }) => Buffer.from(content.body).toString('utf8')).sort()).toEqual(['step 0', 'step 2'])
    const [fresh] = await destination.append('plain', [body('new')])
    expect(fresh?.kind === 'stored' && (await source.find(fresh.id))).toBeUndefined()
  })

  it.each([true, false])(
    'goes on wherever it was killed, at each call to the destination (heard: %s)',
    async (heard) => {
      for (let callsLeft = heard ? 1 : 2; ; callsLeft += EVERY) {
        const source = await store()
        await fill(source, 150)
        const before = await inventory(source, clock)
        const destination = await store(await nextIdOf(source), 2)
        const short = mortal(destination, { callsLeft, heard })
        const ended = await moveStore({ source, destination: short.port, clock }).then(
          () => true,
          (fault: unknown) => {
            if (!(fault instanceof Killed)) throw fault
            return false
          },
        )
        await moveStore({ source, destination, clock })
        expect(await inventory(destination, clock), `killed at call ${callsLeft}`).toEqual(before)
        if (ended) {
          expect(callsLeft).toBeGreaterThan(50)
          return
        }
      }
    },
  )

  it('is ended by any number of kills in a row, and comes through', async () => {
    const source = await store()
    await fill(source, 250)
    const before = await inventory(source, clock)
    const destination = await store(await nextIdOf(source), 2)
    const random = seededRandom(7)
    for (let kills = 0; ; kills++) {
      const short = mortal(destination, { callsLeft: 5 + Math.floor(random.float() * 20), heard: random.float() < 0.5 })
      try {
        await moveStore({ source, destination: short.port, clock })
        expect(kills).toBeGreaterThan(3)
        break
      } catch (fault) {
        if (!(fault instanceof Killed)) throw fault
      }
    }
    expect(await inventory(destination, clock)).toEqual(before)
  })

  it('keeps the source when told', async () => {
    const source = await store()
    await fill(source, 10)
    const before = await inventory(source, clock)
    const destination = await store(await nextIdOf(source), 2)
    await moveStore({ source, destination, clock, keepSource: true })
    expect(await inventory(source, clock)).toEqual(before)
    expect(await inventory(destination, clock)).toEqual(before)
  })

  it('refuses a destination that was made before, or holds something', async () => {
    const source = await store()
    await fill(source, 10)
    const other = await store(undefined, 2)
    await expect(moveStore({ source, destination: other, clock })).rejects.toThrow(
      /must be a new folder, schema or database \(it was made before/,
    )
    const used = await store(await nextIdOf(source), 2)
    await used.declareQueue('mine', {})
    await expect(moveStore({ source, destination: used, clock })).rejects.toThrow(/it has a queue 'mine'/)
    await expect(moveStore({ source, destination: source, clock })).rejects.toThrow(/it has a queue/)
  })
})
