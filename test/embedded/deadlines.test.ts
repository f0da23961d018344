import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Deadlines } from '../../src/engine/embedded/index/deadlines.ts'
import { SLOT_MASK, Slots } from '../../src/engine/embedded/index/slots.ts'

it('gives deadlines by instant and then by sequence, whatever was set, moved and removed', () => {
  const command = fc.record({ slot: fc.integer({ min: 1, max: 40 }), at: fc.option(fc.integer({ min: 1, max: 12 })) })
  fc.assert(
    fc.property(fc.array(command, { maxLength: 300 }), (commands) => {
      const slots = new Slots()
      // Sequences run against slots, so that ties are not decided by accident.
      for (let slot = 1; slot <= 40; slot++) slots.chunk(slots.allocate()).number[slot & SLOT_MASK] = 100 - slot
      const deadlines = new Deadlines(slots)
      const model = new Map<number, number>()
      for (const { slot, at } of commands) {
        if (at === null) {
          deadlines.delete(slot)
          model.delete(slot)
        } else {
          deadlines.set(slot, at)
          model.set(slot, at)
        }
        expect(deadlines.size).toBe(model.size)
        expect(deadlines.firstMs).toBe(Math.min(...model.values()))
      }
      const order = [...model].sort((a, b) => a[1] - b[1] || b[0] - a[0])
      for (const [slot, at] of order) {
        expect([deadlines.first, deadlines.firstMs, deadlines.get(slot)]).toEqual([slot, at, at])
        deadlines.delete(deadlines.first)
      }
      expect(deadlines.firstMs).toBe(Number.POSITIVE_INFINITY)
    }),
  )
})

it('keeps the deadlines of many leases in little memory while one of them lasts', () => {
  const slots = new Slots()
  for (let slot = 1; slot <= 20_000; slot++) slots.chunk(slots.allocate()).number[slot & SLOT_MASK] = slot
  const deadlines = new Deadlines(slots)
  deadlines.set(20_000, 1)
  const before = deadlines.bytes
  for (let turn = 0; turn < 20; turn++) {
    for (let slot = 1; slot <= 10_000; slot++) deadlines.set(slot, 2 + turn * 10_000 + slot)
    for (let slot = 1; slot <= 10_000; slot++) deadlines.delete(slot)
  }
  expect(deadlines.size).toBe(1)
  expect([deadlines.first, deadlines.firstMs, deadlines.get(20_000)]).toEqual([20_000, 1, 1])
  expect(deadlines.bytes - before).toBeLessThan(10 * 12 * 4_096)
})

it('answers rightly for a run of many blocks whose entries go in any order', () => {
  const slots = new Slots()
  const count = 30_000
  for (let slot = 1; slot <= count; slot++) slots.chunk(slots.allocate()).number[slot & SLOT_MASK] = slot
  const deadlines = new Deadlines(slots)
  for (let slot = 1; slot <= count; slot++) deadlines.set(slot, slot)
  // Every slot once, far apart; 7,919 is a prime.
  const left = new Set(Array.from({ length: count }, (_, i) => i + 1))
  for (let i = 0, slot = 1; i < count - 100; i++, slot = ((slot + 7_918) % count) + 1) {
    deadlines.delete(slot)
    left.delete(slot)
  }
  const order: number[] = []
  while (deadlines.size > 0) {
    order.push(deadlines.first)
    deadlines.delete(deadlines.first)
  }
  expect(order).toEqual([...left].sort((a, b) => a - b))
})
