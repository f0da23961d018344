import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Deadlines } from '../../src/tasks/deadlines.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

describe('deadlines', () => {
  it('fire once each, at their instant, unless they are cancelled', async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('after' as const), durationMs: fc.constantFrom(10, 25, 70) }),
        fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(20) }),
        fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(40) }),
      ),
      { maxLength: 40 },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (commands) => {
        const clock = new VirtualClock()
        const deadlines = new Deadlines(clock)
        const set: { dueMs: number; firedMs: number[]; cancelled: boolean; cancel: () => void }[] = []
        for (const command of commands) {
          if (command.kind === 'advance') await clock.advance(command.ms)
          else if (command.kind === 'cancel') {
            const one = set[command.which]
            if (one === undefined) continue
            one.cancel()
            if (one.firedMs.length === 0) one.cancelled = true
          } else {
            const firedMs: number[] = []
            const deadline = deadlines.after(command.durationMs, () => firedMs.push(clock.monotonicMs()))
            const dueMs = clock.monotonicMs() + command.durationMs
            set.push({ dueMs, firedMs, cancelled: false, cancel: () => deadline.cancel() })
          }
        }
        await clock.advance(100)
        for (const { dueMs, firedMs, cancelled } of set) expect(firedMs).toEqual(cancelled ? [] : [dueMs])
        expect(clock.armedTimers).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  it('arm one timer for many of a duration', () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    for (let i = 0; i < 1_000; i++) deadlines.after(5_000, () => {})
    expect(clock.armedTimers).toBe(1)
    deadlines.clear()
    expect(clock.armedTimers).toBe(0)
  })

  it('may be set again while they fire', async () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    const firedMs: number[] = []
    const startedMs = clock.monotonicMs()
    const again = (): void => {
      firedMs.push(clock.monotonicMs() - startedMs)
      if (firedMs.length < 4) deadlines.after(10, again)
    }
    deadlines.after(10, again)
    await clock.advance(5)
    deadlines.after(10, () => firedMs.push(clock.monotonicMs() - startedMs))
    await clock.advance(100)
    expect(firedMs).toEqual([10, 15, 20, 30])
  })
})
