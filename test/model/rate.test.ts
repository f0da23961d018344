import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextTokenMs, type RatePolicy, rerated, spendTokens, tokensAt } from '../../src/model/rate.ts'

const rate: RatePolicy = { tokens: 3, perMs: 1_000, burst: 2 }

describe('a token bucket', () => {
  it('is full at first', () => {
    expect(tokensAt(rate, 0, 5_000)).toBe(2)
  })

  it('gives its burst, then one token each time that one takes', () => {
    const empty = spendTokens(rate, 0, 5_000, 2)
    expect(tokensAt(rate, empty, 5_000)).toBe(0)
    expect(nextTokenMs(rate, empty)).toBeCloseTo(5_333.333, 2)
    expect(tokensAt(rate, empty, 5_333)).toBe(0)
    expect(tokensAt(rate, empty, nextTokenMs(rate, empty))).toBe(1)
    expect(tokensAt(rate, empty, 60_000)).toBe(2)
  })

  it('keeps at most a whole burst to wait for when its rate changes', () => {
    const empty = spendTokens({ tokens: 1, perMs: 100_000, burst: 1 }, 0, 5_000, 1)
    expect(tokensAt(rate, rerated(rate, empty, 5_000), 5_000)).toBe(0)
    expect(tokensAt(rate, rerated(rate, empty, 5_000), 5_334)).toBe(1)
  })

  it('has a token at the instant that it names, and never gives more than burst and time allow', () => {
    const rates = fc.record({
      tokens: fc.double({ min: 0.001, max: 1e3, noNaN: true }),
      perMs: fc.double({ min: 1, max: 1e6, noNaN: true }),
      burst: fc.integer({ min: 1, max: 50 }),
    })
    fc.assert(
      fc.property(rates, fc.array(fc.nat({ max: 500 }), { maxLength: 40 }), (some, waits) => {
        let now = 1_000
        let full = 0
        let given = 0
        for (const wait of waits) {
          now += wait
          const tokens = tokensAt(some, full, now)
          full = spendTokens(some, full, now, tokens)
          given += tokens
          expect(tokensAt(some, full, nextTokenMs(some, full))).toBeGreaterThanOrEqual(1)
        }
        expect(given).toBeLessThanOrEqual(some.burst + ((now - 1_000) * some.tokens) / some.perMs + 1)
      }),
    )
  })
})
