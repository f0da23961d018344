import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DueHeap, type HeapEntry } from '../../../src/tasks/schedules/due-heap.ts'
import { instantsAfter, judge, nextAfter, timingOf } from '../../../src/tasks/schedules/timing.ts'

const at = (iso: string): number => Date.parse(iso)
const iso = (instants: readonly number[]): string[] => instants.map((ms) => new Date(ms).toISOString().slice(0, 16))
const cron = (pattern: string, timezone = 'UTC') => timingOf({ cron: pattern, timezone }, 0, 'try')

describe('a cron pattern', () => {
  it('runs a time that the clocks skip at the moment they move', () => {
    expect(iso(instantsAfter(cron('30 2 * * *', 'Europe/Berlin'), at('2026-03-28T00:00Z'), 3))).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ])
  })

  it('runs a time that the clocks show twice once', () => {
    expect(iso(instantsAfter(cron('30 2 * * *', 'Europe/Berlin'), at('2026-10-24T12:00Z'), 2))).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ])
    expect(iso(instantsAfter(cron('30 1 * * *', 'America/New_York'), at('2026-10-31T12:00Z'), 2))).toEqual([
      '2026-11-01T05:30',
      '2026-11-02T06:30',
    ])
  })

  it('runs every hour that there is where the hour is a star', () => {
    expect(iso(instantsAfter(cron('0 * * * *', 'Europe/Berlin'), at('2026-10-24T23:30Z'), 4))).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
      '2026-10-25T03:00',
    ])
    expect(iso(instantsAfter(cron('*/30 * * * *', 'Europe/Berlin'), at('2026-03-29T00:00Z'), 3))).toEqual([
      '2026-03-29T00:30',
      '2026-03-29T01:00',
      '2026-03-29T01:30',
    ])
  })

  it('keeps the wall time of its zone through the year', () => {
    expect(iso(instantsAfter(cron('0 9 * * 1-5', 'America/New_York'), at('2026-03-06T00:00Z'), 2))).toEqual([
      '2026-03-06T14:00',
      '2026-03-09T13:00',
    ])
  })

  it('grows strictly, in any zone, from any instant', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu']
    const patterns = ['*/15 * * * *', '30 2 * * *', '0 0 1 * *', '15 1,2,3 * * *', '*/20 * * * * *']
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom(...patterns),
        fc.integer({ min: at('2026-01-01T00:00Z'), max: at('2027-01-01T00:00Z') }),
        (zone, pattern, fromMs) => {
          let last = fromMs
          for (const instant of instantsAfter(cron(pattern, zone), fromMs, 10)) {
            expect(instant).toBeGreaterThan(last)
            last = instant
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  it.each([
    [{ cron: '61 * * * *' }, /'61 \* \* \* \*' is no cron pattern: .*minute: 61/],
    [{ cron: 'often' }, /'often' is no cron pattern/],
    [{ cron: '0 0 30 2 *' }, /'0 0 30 2 \*' never comes/],
    [{ cron: 'x'.repeat(256) }, /at most 255 characters/],
    [{ cron: '* * * * *', timezone: 'Mars/Olympus' }, /'Mars\/Olympus' is no IANA time zone/],
    [{ everyMs: 0 }, /everyMs is 0 but must be a whole number from 1/],
    [{ everyMs: Number.POSITIVE_INFINITY }, /everyMs is Infinity/],
    [{ at: new Date(Number.NaN) }, /at is not a valid Date/],
    [{ cron: '* * * * *', everyMs: 5 }, /exactly one of cron, everyMs and at/],
    [{}, /exactly one of cron, everyMs and at/],
  ])('refuses %j', (when, why) => {
    expect(() => timingOf(when as never, 0, 'declare it')).toThrow(why)
  })
})

describe('instants that were missed', () => {
  const minutely = cron('* * * * *')
  const span = { dueMs: at('2026-01-01T00:00Z'), nowMs: at('2026-01-01T00:10:30Z') }

  it('fire by their policy', () => {
    expect(iso(judge(minutely, span, 'once').fire)).toEqual(['2026-01-01T00:10'])
    expect(iso(judge(minutely, span, { all: 3 }).fire)).toEqual([
      '2026-01-01T00:08',
      '2026-01-01T00:09',
      '2026-01-01T00:10',
    ])
    expect(judge(minutely, span, { all: 1_000 }).fire).toHaveLength(11)
    expect(judge(minutely, span, 'once').nextMs).toBe(at('2026-01-01T00:11Z'))
  })

  it('are skipped when they are more than a minute old', () => {
    const daily = cron('0 0 * * *')
    expect(judge(daily, span, 'skip').fire).toEqual([])
    expect(judge(daily, { ...span, nowMs: span.dueMs + 60_000 }, 'skip').fire).toEqual([span.dueMs])
    expect(iso(judge(minutely, span, 'skip').fire)).toEqual(['2026-01-01T00:10'])
  })

  it('cost no more after a year than after an hour', () => {
    const secondly = cron('* * * * * *')
    const year = { dueMs: at('2025-01-01T00:00Z'), nowMs: at('2026-01-01T00:00Z') }
    expect(judge(secondly, year, { all: 5 }).fire).toHaveLength(5)
    expect(judge({ kind: 'every', everyMs: 1, anchorMs: 0 }, year, { all: 2 }).fire).toEqual([
      year.nowMs - 1,
      year.nowMs,
    ])
  })

  it('include the due one although the pattern no longer says it', () => {
    const daily = cron('0 4 * * *')
    expect(judge(daily, span, 'once')).toEqual({ fire: [span.dueMs], nextMs: at('2026-01-01T04:00Z') })
  })

  it('of an interval stay on its grid', () => {
    const every = timingOf({ everyMs: 7_000 }, 1_000, 'try')
    expect(nextAfter(every, 1_000)).toBe(8_000)
    expect(judge(every, { dueMs: 8_000, nowMs: 30_000 }, { all: 2 })).toEqual({
      fire: [22_000, 29_000],
      nextMs: 36_000,
    })
  })
})

describe('the heap of what is due', () => {
  it('gives entries in order, whatever was moved and removed', () => {
    const moves = fc.array(
      fc.record({ entry: fc.nat(30), dueMs: fc.oneof(fc.nat(50), fc.constant(Number.POSITIVE_INFINITY)) }),
      { maxLength: 200 },
    )
    fc.assert(
      fc.property(moves, (all) => {
        const heap = new DueHeap<HeapEntry>()
        const entries = Array.from({ length: 31 }, (): HeapEntry => ({ dueMs: 0, place: -1 }))
        for (const { entry, dueMs } of all) heap.place(entries[entry] as HeapEntry, dueMs)
        const wanted = entries.filter(({ place }) => place >= 0).map(({ dueMs }) => dueMs)
        const got: number[] = []
        for (let first = heap.first; first !== undefined; first = heap.first) {
          got.push(first.dueMs)
          heap.remove(first)
        }
        expect(got).toEqual(wanted.sort((one, other) => one - other))
        expect(heap.size).toBe(0)
      }),
    )
  })
})
