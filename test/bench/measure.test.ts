import { describe, expect, it } from 'vitest'
import { atLeast, atMost } from '../../bench/figures.ts'
import { drive, median, medianRun, rateOf } from '../../bench/measure.ts'
import { table } from '../../bench/report.ts'

describe('measuring', () => {
  it('counts what all callers moved, and stops when each has returned by itself', async () => {
    const rate = await drive({
      callers: 3,
      durationMs: Number.POSITIVE_INFINITY,
      caller: async (lap) => {
        for (let i = 0; i < 5; i++) expect(lap(2)).toBe(true)
      },
    })
    expect(rate.messages).toBe(30)
  })

  it('tells callers to stop when the time is over', async () => {
    const answers: boolean[] = []
    await drive({ callers: 1, durationMs: 0, caller: async (lap) => void answers.push(lap(1)) })
    expect(answers).toEqual([false])
  })

  it('takes percentiles of the sorted latencies', () => {
    const latencies = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(rateOf(500, 250, latencies)).toEqual({ perSecond: 2_000, p50Ms: 51, p99Ms: 100, messages: 500 })
    expect(rateOf(0, 100, [])).toEqual({ perSecond: 0, p50Ms: 0, p99Ms: 0, messages: 0 })
  })

  it('keeps a median run whole', () => {
    const runs = [30, 10, 20].map((perSecond) => rateOf(perSecond, 1_000, [perSecond]))
    expect(medianRun(runs)).toEqual({ perSecond: 20, p50Ms: 20, p99Ms: 20, messages: 20 })
    expect(median([9, 1, 5])).toBe(5)
    expect(() => medianRun([])).toThrow(RangeError)
  })
})

describe('verdicts', () => {
  it('are met at the figure itself and missed beyond it', () => {
    expect(atLeast('x', 80_000, 80_000, '/s')).toMatchObject({ met: true, figure: '>= 80,000 /s' })
    expect(atLeast('x', 79_999, 80_000, '/s').met).toBe(false)
    expect(atMost('x', 64, 64, 'B').met).toBe(true)
    expect(atMost('x', 64.1, 64, 'B')).toMatchObject({ met: false, measured: '64.1 B' })
    expect(atMost('x', Number.NaN, 64, 'B').met).toBe(false)
  })
})

describe('tables', () => {
  it('are Markdown, numbers to the right', () => {
    expect(table(['', 'n'], [['a', '1']])).toBe('|  | n |\n| --- | ---: |\n| a | 1 |')
  })
})
