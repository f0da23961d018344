import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TopicTrie } from '../../src/routing/topic-trie.ts'
import { fastestMs } from './fastest.ts'

/** The rule as it is told: `*` one word, `#` any number of them. Tries every way. */
function fits(pattern: readonly string[], words: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return words.length === 0
  if (first === '#') return fits(rest, words) || (words.length > 0 && fits(pattern, words.slice(1)))
  return words.length > 0 && (first === '*' || first === words[0]) && fits(rest, words.slice(1))
}

const split = (text: string): string[] => (text === '' ? [] : text.split('.'))
const pattern = fc.array(fc.constantFrom('a', 'b', '', '*', '#'), { maxLength: 5 }).map((words) => words.join('.'))
const key = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 6 }).map((words) => words.join('.'))

describe('a trie of topic patterns', () => {
  it('finds what a matcher finds that tries every way, while patterns come and go', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ pattern, add: fc.boolean() }), { maxLength: 12 }),
        fc.array(key, { minLength: 1, maxLength: 4 }),
        (changes, keys) => {
          const trie = new TopicTrie<string>()
          const bound = new Set<string>()
          for (const change of changes) {
            if (change.add) {
              trie.add(change.pattern, change.pattern)
              bound.add(change.pattern)
            } else {
              trie.remove(change.pattern, change.pattern)
              bound.delete(change.pattern)
            }
            for (const one of keys) {
              const wanted = [...bound].filter((words) => fits(split(words), split(one)))
              expect([...trie.match(one)].sort()).toEqual(wanted.sort())
            }
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it.each([
    ['a.b', 'a.b', true],
    ['a.*', 'a', false],
    ['#', '', true],
    ['*', '', false],
    ['a.#', 'a', true],
    ['#.a', 'x.y.a', true],
    ['#.a.#', 'x.a.y', true],
    ['a..b', 'a.*.b', false],
    ['a.*.b', 'a..b', true],
    ['#.#.*', 'a', true],
    ['a.**', 'a.b', false],
  ])('%s and the key %s: %s', (words, one, expected) => {
    const trie = new TopicTrie<number>()
    trie.add(words, 1)
    expect(trie.match(one).length > 0).toBe(expected)
  })

  it('takes names of the language for words', () => {
    const trie = new TopicTrie<number>()
    trie.add('__proto__.constructor', 1)
    expect(trie.match('__proto__.constructor')).toEqual([1])
    expect(trie.match('constructor.toString')).toEqual([])
  })

  it('is not led astray by patterns that could fit in very many ways', () => {
    const trie = new TopicTrie<number>()
    for (let i = 0; i < 60; i++) trie.add(`${'#.a.'.repeat(30)}x${i}`, i)
    let keys = 0
    // Each key once: what is known costs nothing.
    const ms = fastestMs(() => {
      if (trie.match(`${'a.'.repeat(126)}y${keys++}`).length > 0) throw new Error('it takes none')
    }, 50)
    expect(ms).toBeLessThan(50)
  })

  it('routes fast among ten thousand patterns, and among keys it has not seen', () => {
    const trie = new TopicTrie<number>()
    for (let i = 0; i < 10_000; i++) trie.add(i % 10 === 0 ? `*.${i}.#` : `eu.${i}.*`, i)
    let round = 0
    const ms = fastestMs(() => {
      round++
      for (let i = 0; i < 1_000; i++) {
        if (trie.match(`eu.${(i * 7 + round) % 10_000}.paid`).length !== 1) throw new Error('it takes one')
      }
    }, 20)
    expect(ms).toBeLessThan(20) // for a thousand keys
  })
})
