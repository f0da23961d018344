import { describe, expect, it } from 'vitest'
import type { Engine, LeaseRequest, Op, Unit } from '../../src/engine/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { compareWithReference, type Other } from './differential.ts'

async function memory(clock: VirtualClock): Promise<Engine> {
  const engine = new MemoryEngine({ clock, random: seededRandom(2) })
  await engine.open()
  return engine
}

/** An engine with a bug: it is asked something else than the caller asked. */
function planted(bug: {
  readonly op?: (op: Op) => Op
  readonly request?: (request: LeaseRequest) => LeaseRequest
}): (clock: VirtualClock) => Promise<Other> {
  return async (clock) => {
    const inner = await memory(clock)
    const { op = same, request = same } = bug
    const engine = new Proxy(inner, {
      get(target, name) {
        if (name === 'commit') {
          return (units: readonly Unit[]) => target.commit(units.map((unit) => ({ ...unit, ops: unit.ops.map(op) })))
        }
        if (name === 'lease') return (asked: LeaseRequest) => target.lease(request(asked))
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    return { engine }
  }
}

function same<T>(value: T): T {
  return value
}

describe('the differential test', () => {
  it('finds no difference between the reference and itself with other ids', async () => {
    await compareWithReference({ makeOther: async (clock) => ({ engine: await memory(clock) }) })
  })

  const bugs = {
    'an attempt that is not given back': planted({
      op: (op) => (op.kind === 'settle' && op.how.kind === 'release' ? { ...op, how: { ...op.how, spend: true } } : op),
    }),
    'a dedup key that is not judged': planted({
      op: (op) => {
        if (op.kind !== 'append') return op
        const { dedupId: _dedupId, ...message } = op.message
        return { ...op, message }
      },
    }),
    'a required op that does not abort its unit': planted({
      op: (op) => (op.kind === 'settle' ? { ...op, required: false } : op),
    }),
    'a sticky group that goes to anybody': planted({
      request: ({ consumer: _consumer, ...request }) => request,
    }),
    'a kept result that is not kept': planted({
      op: (op) => (op.kind === 'settle' && op.how.kind === 'ack' ? { ...op, how: { kind: 'ack' } } : op),
    }),
    'an expectation that is not checked': planted({
      op: (op) => {
        if (op.kind !== 'record') return op
        const { expect: _expect, ...record } = op
        return record
      },
    }),
  }

  for (const [name, makeOther] of Object.entries(bugs)) {
    it(`catches ${name}`, async () => {
      // A seed of its own: that the bug is met is a fact about it, not chance.
      await expect(compareWithReference({ makeOther, runs: 2_000, seed: 11, shrinks: false })).rejects.toThrow(
        /Property failed/,
      )
    })
  }
})
