import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DeadlineHeap } from '../../src/engine/embedded/index/deadline-heap.ts'
import { SLOT_MASK, Slots } from '../../src/engine/embedded/index/slots.ts'

it('gives deadlines by instant and then by sequence, whatever was set, moved and removed', () => {
  const command = fc.record({ slot: fc.integer({ min: 1, max: 40 }), at: fc.option(fc.integer({ min: 1, max: 12 })) })
  fc.assert(
    fc.property(fc.array(command, { maxLength: 300 }), (commands) => {
      const slots = new Slots()
      // Sequences run against slots, so that ties are not decided by accident.
      for (let slot = 1; slot <= 40; slot++) slots.chunk(slots.allocate()).number[slot & SLOT_MASK] = 100 - slot
      const heap = new DeadlineHeap(slots)
      const model = new Map<number, number>()
      for (const { slot, at } of commands) {
        if (at === null) {
          heap.delete(slot)
          model.delete(slot)
        } else {
          heap.set(slot, at)
          model.set(slot, at)
        }
        expect(heap.size).toBe(model.size)
        expect(heap.firstMs).toBe(Math.min(...model.values()))
      }
      const order = [...model].sort((a, b) => a[1] - b[1] || b[0] - a[0])
      for (const [slot, at] of order) {
        expect([heap.first, heap.firstMs, heap.get(slot)]).toEqual([slot, at, at])
        heap.delete(heap.first)
      }
      expect(heap.firstMs).toBe(Number.POSITIVE_INFINITY)
    }),
  )
})
