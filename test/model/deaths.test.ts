import { describe, expect, it } from 'vitest'
import { addDeath, closesCycle, returnsIdle } from '../../src/model/deaths.ts'
import { HISTORY_MAX } from '../../src/model/limits.ts'
import type { Death } from '../../src/model/message.ts'

const death = (queue: string, reason: string, attempts = 0) => ({ queue, reason, attempts, atMs: 1 })

describe('the history of deaths', () => {
  it('merges like deaths and puts the latest last', () => {
    let history: readonly Death[] = []
    for (const one of [death('a', 'x'), death('b', 'x'), death('a', 'y'), { ...death('a', 'x', 3), atMs: 9 }]) {
      history = addDeath(history, one)
    }
    expect(history).toEqual([
      { queue: 'b', reason: 'x', count: 1, atMs: 1, attempts: 0 },
      { queue: 'a', reason: 'y', count: 1, atMs: 1, attempts: 0 },
      { queue: 'a', reason: 'x', count: 2, atMs: 9, attempts: 3 },
    ])
  })

  it('drops the oldest beyond its limit', () => {
    let history: readonly Death[] = []
    for (let i = 0; i < HISTORY_MAX + 3; i++) history = addDeath(history, death(`q${i}`, 'x'))
    expect(history).toHaveLength(HISTORY_MAX)
    expect(history[0]?.queue).toBe('q3')
  })

  it('closes a cycle only when nobody tried the message since', () => {
    const once = addDeath(addDeath([], death('a', 'expired')), death('b', 'overflow'))
    expect(closesCycle(once, death('a', 'expired'))).toBe(true)
    expect(closesCycle(once, death('a', 'expired', 1))).toBe(false)
    expect(closesCycle(once, death('c', 'expired'))).toBe(false)
    expect(closesCycle(once, death('a', 'buried'))).toBe(false)
    expect(closesCycle(addDeath(once, death('c', 'buried', 1)), death('a', 'expired'))).toBe(false)
  })
})

describe('routing the dead', () => {
  const death = (queue: string, reason: string, attempts = 0): Death => ({ queue, reason, count: 1, atMs: 1, attempts })

  it.each([
    ['a queue it never died in', [death('a', 'expired')], 'b', false],
    ['where it just expired untried', [death('a', 'expired')], 'a', true],
    ['where it overflowed, by way of an expiry', [death('a', 'overflow'), death('b', 'expired')], 'a', true],
    ['where somebody said no', [death('a', 'rejected', 1)], 'a', false],
    [
      'when somebody said no since',
      [death('a', 'expired'), death('b', 'rejected', 1), death('c', 'expired')],
      'a',
      false,
    ],
    ['when somebody said no before', [death('b', 'rejected', 1), death('a', 'expired')], 'a', true],
    ['where it expired after a try', [death('a', 'expired', 1)], 'a', false],
  ])('%s: %#', (_, history, queue, returns) => {
    expect(returnsIdle(history, queue)).toBe(returns)
  })

  it('remembers how a message had been published when it first died so', () => {
    const first = { ...death('a', 'expired'), exchange: 'x', keys: ['k'] }
    const [again] = addDeath([first], { queue: 'a', reason: 'expired', atMs: 9, attempts: 2 })
    expect(again).toEqual({ ...first, count: 2, atMs: 9, attempts: 2 })
  })
})
