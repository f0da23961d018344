import { readFileSync } from 'node:fs'
import process from 'node:process'
import { describe, expect, it } from 'vitest'
import { costPerMillion, figuresTable } from '../../bench/sharding/scenarios.ts'
import { SHARD_RATE, Shards, type Stream } from '../../bench/sharding/shards.ts'

const streams = (ordered: boolean, rate: number): Stream[] =>
  Array.from({ length: 50 }, (_, n) => ({ name: `q${n}`, rate: rate / 50, places: 16, ordered }))

describe('the simulation of shards', () => {
  it('loses and doubles nothing, through a lost shard and a move of slots', () => {
    for (const ordered of [false, true]) {
      const shards = new Shards({ shards: 4, streams: streams(ordered, 4 * SHARD_RATE * 0.7), seed: 3 })
      shards.run(5).setDown(1, true).run(5)
      expect(shards.conserves()).toBe(true)
      shards.grow(1).run(3)
      expect(shards.conserves()).toBe(true)
      shards.setDown(1, false).run(60)
      expect(shards.conserves()).toBe(true)
      expect(shards.backlog).toBeLessThan(SHARD_RATE)
    }
  })

  it('serves no more than its shards can, and all of what is less', () => {
    const over = new Shards({ shards: 2, streams: streams(false, 3 * SHARD_RATE), seed: 1 }).run(10).figures(10)
    expect(over.servedPerS).toBeLessThanOrEqual(2 * SHARD_RATE + 1)
    const under = new Shards({ shards: 2, streams: streams(false, SHARD_RATE / 2), seed: 1 }).run(10).figures(10)
    expect(under.servedPerS).toBeCloseTo(SHARD_RATE / 2, 0)
    expect(under.waitMaxMs).toBe(0)
  })

  it('evens the load out when shards are added', () => {
    const shards = new Shards({ shards: 2, streams: streams(false, SHARD_RATE), seed: 1 })
    const { imbalance } = shards.grow(2).run(1).figures(1)
    expect(imbalance).toBeLessThan(1.1)
  })

  it('knows what a message costs', () => {
    expect(costPerMillion({ perHour: 0.36, load: 1 })).toBeCloseTo(0.01)
  })
})

/** When it fails after a change: `npm run simulate:sharding`. Eight seconds of a core: for the long run. */
it('has put its figures into the page', ({ skip }) => {
  if (process.env['SPINDLE_TEST_LONG'] !== '1') skip('eight seconds of a core: only in the long run, npm run test:long')
  const page = readFileSync(new URL('../../docs/decisions/sharding.md', import.meta.url), 'utf8')
  expect(page).toContain(figuresTable())
})
