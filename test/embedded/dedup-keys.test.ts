import { expect, it } from 'vitest'
import { DedupKeys } from '../../src/engine/embedded/index/dedup-keys.ts'

it('finds every key before and after it has so many that they are parted, and forgets those whose time is over', () => {
  const keys = new DedupKeys()
  const count = 10_000
  for (let i = 0; i < count; i++) {
    keys.set(`key ${i}`, { number: i, untilMs: i + 1 })
    if (i === 100) for (let j = 0; j <= i; j++) expect(keys.get(`key ${j}`, 0)?.number).toBe(j)
  }
  expect(keys.size).toBe(count)
  for (let i = 0; i < count; i++) expect(keys.get(`key ${i}`, 0)?.number).toBe(i)
  expect([...keys.shards()].reduce((sum, shard) => sum + shard.size, 0)).toBe(count)
  keys.set('key 9999', { number: 77, untilMs: count * 2 })
  expect(keys.size).toBe(count)
  keys.sweep(count / 2, count * 2)
  expect(keys.get('key 9999', 0)?.number).toBe(77)
  expect(keys.size).toBe(count / 2)
  keys.releaseQueued('key 9999', 77)
  expect(keys.size).toBe(count / 2)
  keys.set('queued', { number: 5, untilMs: Number.POSITIVE_INFINITY })
  keys.releaseQueued('queued', 5)
  expect(keys.get('queued', 0)).toBeUndefined()
  keys.clear()
  expect([keys.size, keys.get('key 9999', 0)]).toEqual([0, undefined])
})
