import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Slots } from '../../src/engine/embedded/index/slots.ts'
import { type Turn, TurnHeap } from '../../src/engine/embedded/index/turn-heap.ts'

/** Messages as the heap looks at them: slot n has sequence n, and a priority by its number. */
const slots = {
  chunk: (slot: number) => ({ priority: { [slot & 0xffff]: slot % 3 } }),
  sequenceOf: (slot: number) => slot,
} as unknown as Slots

const group = (): Turn => ({ turn: 0, next: 0, place: 0, priority: 0, sequence: 0 })

it('has first whoever was unserved longest, whatever was put, moved and dropped', () => {
  const step = fc.record({
    which: fc.nat({ max: 39 }),
    turn: fc.nat({ max: 9 }),
    next: fc.nat({ max: 999 }),
    drop: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new TurnHeap(slots)
      const groups = Array.from({ length: 40 }, group)
      for (const { which, turn, next, drop } of steps) {
        const one = groups[which] as Turn
        if (drop) heap.drop(one)
        else heap.put(Object.assign(one, { turn, next }))
        const waiting = groups.filter(({ place }) => place > 0)
        expect(heap.all().length).toBe(waiting.length)
        const sooner = waiting.filter((other) => heap.first !== undefined && heap.isSooner(other, heap.first))
        expect(sooner).toEqual([])
        for (const [at, there] of heap.all().entries()) expect(there.place).toBe(at + 1)
      }
    }),
  )
})
