import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Binding, ExchangeKind, HeadersMatch } from '../../src/routing/exchange.ts'
import { ExchangeTable } from '../../src/routing/exchange-table.ts'
import { compileHeadersMatch } from '../../src/routing/headers-match.ts'
import { route } from '../../src/routing/route.ts'
import { RoutedMessage } from '../../src/routing/routed-message.ts'
import { fastestMs } from './fastest.ts'

const content = { head: new Uint8Array(0), body: new Uint8Array(0) }
const names = ['e0', 'e1', 'e2', 'e3']
const kinds: readonly ExchangeKind[] = ['direct', 'fanout', 'topic', 'headers']

interface Plan {
  readonly kind: ExchangeKind
  readonly alternate: string | null
  readonly bindings: readonly {
    readonly to: string
    readonly exchange: boolean
    readonly key: string
    readonly colour: string | null
  }[]
}

const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constantFrom(...kinds),
  alternate: fc.constantFrom(null, ...names, 'nowhere'),
  bindings: fc.array(
    fc.record({
      to: fc.constantFrom(...names, 'q1', 'q2', 'q3', 'nowhere'),
      exchange: fc.boolean(),
      key: fc.constantFrom('a', 'b', 'a.b', '#', '*'),
      colour: fc.constantFrom(null, 'red', 'blue'),
    }),
    { maxLength: 5 },
  ),
})

function tables(plans: readonly Plan[]): Map<string, ExchangeTable> {
  return new Map(
    plans.map(({ kind, alternate, bindings }, i) => {
      const name = names[i] ?? ''
      const table = new ExchangeTable(name, { kind, alternate, autoDelete: false, attributes: {} })
      for (const [at, { to, exchange, key, colour }] of bindings.entries()) {
        const headers = { mode: 'all', values: { colour } } as const
        const target = { kind: exchange ? 'exchange' : 'queue', name: to } as const
        table.put({ exchange: name, id: `${at}`, target, key, ...(kind === 'headers' ? { headers } : {}) })
      }
      return [name, table]
    }),
  )
}

/** The rule as it is told, by walking every binding. */
function naive(plans: readonly Plan[], start: number, keys: readonly string[], colour: string): Set<string> {
  const queues = new Set<string>()
  const seen = new Set<string>()
  const visit = (name: string): void => {
    const found = plans[names.indexOf(name)]
    if (found === undefined || seen.has(name)) return
    seen.add(name)
    const taken = found.bindings.filter((binding) => {
      if (found.kind === 'fanout') return true
      if (found.kind === 'direct') return keys.includes(binding.key)
      if (found.kind === 'headers') return binding.colour === null || binding.colour === colour
      return keys.some(
        (key) => binding.key === '#' || binding.key === key || (binding.key === '*' && !key.includes('.')),
      )
    })
    for (const { to, exchange } of taken) {
      if (exchange) visit(to)
      else queues.add(to)
    }
    if (taken.length === 0 && found.alternate !== null) visit(found.alternate)
  }
  visit(names[start] ?? '')
  return queues
}

describe('routing', () => {
  it('finds each queue once, through exchanges in circles and alternates', () => {
    fc.assert(
      fc.property(
        fc.array(plan, { minLength: 1, maxLength: 4 }),
        fc.array(fc.constantFrom('a', 'b', 'a.b', 'c'), { minLength: 1, maxLength: 3 }),
        fc.constantFrom('red', 'green'),
        (plans, keys, colour) => {
          const byName = tables(plans)
          const from = byName.get('e0')
          if (from === undefined) return
          const [key = '', ...more] = keys
          const message = new RoutedMessage(content, { key, keys: more, headers: { colour } })
          const queues = route((name) => byName.get(name), from, message).map(({ target }) => target.name)
          expect(new Set(queues).size).toBe(queues.length)
          expect(new Set(queues)).toEqual(naive(plans, 0, keys, colour))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('finds each of very many queues once', () => {
    const table = new ExchangeTable('all', { kind: 'fanout', alternate: null, autoDelete: false, attributes: {} })
    for (let i = 0; i < 2_000; i++)
      table.put({ exchange: 'all', id: `${i}`, target: { kind: 'queue', name: `q${i % 1_000}` }, key: '' })
    const queues = route(() => undefined, table, new RoutedMessage(content)).map(({ target }) => target.name)
    expect(queues).toEqual(Array.from({ length: 1_000 }, (_, i) => `q${i}`))
  })

  it.each<ExchangeKind>(['direct', 'topic'])(
    'costs little beside an append (%s, one binding that takes it)',
    (kind) => {
      const table = new ExchangeTable('x', { kind, alternate: null, autoDelete: false, attributes: {} })
      for (let i = 0; i < 10_000; i++)
        table.put({ exchange: 'x', id: `${i}`, target: { kind: 'queue', name: `q${i}` }, key: `k.${i}` })
      const ms = fastestMs(() => {
        for (let i = 0; i < 1_000; i++) {
          const found: readonly Binding[] = route(() => undefined, table, new RoutedMessage(content, { key: `k.${i}` }))
          if (found.length !== 1) throw new Error('it takes one')
        }
      }, 3)
      expect(ms).toBeLessThan(3) // for a thousand: microseconds each
    },
  )

  it('leaves nothing behind of bindings that went', () => {
    const table = new ExchangeTable('x', { kind: 'direct', alternate: null, autoDelete: false, attributes: {} })
    const binding: Binding = { exchange: 'x', id: 'b', target: { kind: 'queue', name: 'q' }, key: 'a' }
    table.put(binding)
    table.put({ ...binding, key: 'b' })
    const taken = (key: string): number => route(() => undefined, table, new RoutedMessage(content, { key })).length
    expect([taken('a'), taken('b'), table.size]).toEqual([0, 1, 1])
    expect(table.remove('b')).toMatchObject({ key: 'b' })
    expect(table.remove('b')).toBeUndefined()
    expect([taken('b'), table.size]).toEqual([0, 0])
  })
})

describe('headers', () => {
  const values: HeadersMatch['values'] = { colour: 'red', size: 5, there: null, 'x-own': true, raw: Uint8Array.of(1) }
  const full = { colour: 'red', size: 5, there: '', 'x-own': true, raw: Uint8Array.of(1), other: 1 }
  it.each<[HeadersMatch['mode'], Record<string, string | number | boolean | Uint8Array>, boolean]>([
    ['all', full, true],
    ['all', { ...full, 'x-own': false }, true],
    ['all', { ...full, size: '5' }, false],
    ['all', { ...full, raw: Uint8Array.of(2) }, false],
    ['all-with-x', full, true],
    ['all-with-x', { ...full, 'x-own': false }, false],
    ['any', { there: 0 }, true],
    ['any', { 'x-own': true }, false],
    ['any-with-x', { 'x-own': true }, true],
    ['any-with-x', { colour: 'blue' }, false],
  ])('%s %o: %s', (mode, headers, expected) => {
    expect(compileHeadersMatch({ mode, values })(headers)).toBe(expected)
  })

  it('with nothing to compare: all takes everything, any nothing', () => {
    for (const mode of ['all', 'any'] as const) {
      expect(compileHeadersMatch({ mode, values: { 'x-match': mode } })({ a: 1 })).toBe(mode === 'all')
    }
  })
})
