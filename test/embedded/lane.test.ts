import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Lane } from '../../src/engine/embedded/index/lane.ts'
import { CHUNK_SLOTS, NONE, SLOT_MASK, Slots, State } from '../../src/engine/embedded/index/slots.ts'

it('serves by priority and sequence whatever comes, goes and comes back', () => {
  const action = fc.record({
    kind: fc.constantFrom('arrive', 'take', 'leave', 'return'),
    priority: fc.integer({ min: 0, max: 2 }),
    which: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const slots = new Slots()
      const lane = new Lane(slots, State.ready)
      const ready = new Set<number>()
      const away: number[] = []
      let number = 0
      const place = (slot: number): number =>
        (slots.chunk(slot).priority[slot & SLOT_MASK] as number) * -1_000 + slots.sequenceOf(slot)
      const enter = (slot: number): void => {
        slots.chunk(slot).state[slot & SLOT_MASK] = State.ready
        lane.add(slot)
        ready.add(slot)
      }
      for (const { kind, priority, which } of actions) {
        if (kind === 'arrive') {
          const slot = slots.allocate()
          slots.chunk(slot).number[slot & SLOT_MASK] = ++number
          slots.chunk(slot).priority[slot & SLOT_MASK] = priority
          enter(slot)
        } else if (kind === 'return' && away.length > 0) {
          enter(away.splice(which % away.length, 1)[0] as number)
        } else if (kind === 'leave' && ready.size > 0) {
          // Leased by its id: it leaves from wherever it stands, and stays linked.
          const slot = [...ready][which % ready.size] as number
          slots.chunk(slot).state[slot & SLOT_MASK] = State.leased
          lane.forget(slot)
          ready.delete(slot)
          away.push(slot)
        } else if (kind === 'take') {
          const expected = [...ready].sort((a, b) => place(a) - place(b))[0] ?? NONE
          expect(lane.first()).toBe(expected)
          if (expected === NONE) continue
          lane.take(expected)
          slots.chunk(expected).state[expected & SLOT_MASK] = State.leased
          ready.delete(expected)
          away.push(expected)
        }
      }
      const order = [...ready].sort((a, b) => place(a) - place(b))
      for (const slot of order) {
        expect(lane.first()).toBe(slot)
        lane.take(slot)
      }
      expect(lane.first()).toBe(NONE)
    }),
  )
})

it('frees the rows of messages that went from its middle, without anybody taking the head', () => {
  const slots = new Slots()
  const lane = new Lane(slots, State.ready)
  const head = slots.allocate()
  slots.chunk(head).state[head & SLOT_MASK] = State.ready
  slots.chunk(head).number[head & SLOT_MASK] = 1
  lane.add(head)
  for (let number = 2; number < 20 * CHUNK_SLOTS; number++) {
    const slot = slots.allocate()
    slots.chunk(slot).number[slot & SLOT_MASK] = number
    slots.chunk(slot).state[slot & SLOT_MASK] = State.ready
    lane.add(slot)
    slots.chunk(slot).state[slot & SLOT_MASK] = State.zombie
    lane.forget(slot)
  }
  expect(lane.first()).toBe(head)
  expect(slots.chunks.length).toBe(1)
})
