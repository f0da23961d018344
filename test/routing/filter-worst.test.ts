import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Filter } from '../../src/routing/exchange.ts'
import { compileFilter } from '../../src/routing/filter/compile.ts'
import { judgeFilter } from '../../src/routing/filter/judge.ts'
import { compileWildcard, parseWildcard } from '../../src/routing/filter/wildcard.ts'
import { RoutedMessage } from '../../src/routing/routed-message.ts'
import { fastestMs } from './fastest.ts'

const BODY_BYTES = 262_144
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
/** As many elements as the largest body of SNS holds. */
const filled = (element: (i: number) => unknown, count: number): unknown => ({ a: many(count, element) })

/** The body is parsed before the clock starts: that is paid once a message, however many filters there are. */
function bestMs(policy: Filter['policy'], body: unknown, enoughMs: number): number {
  expect(judgeFilter({ scope: 'body', policy })).toBeUndefined()
  const test = compileFilter({ scope: 'body', policy })
  const message = new RoutedMessage({ head: new Uint8Array(0), body: Buffer.from(JSON.stringify(body)) })
  expect(message.body).toEqual(body)
  return fastestMs(() => {
    if (test(message)) throw new Error('it passes nothing')
  }, enoughMs)
}

describe('the worst input of a filter takes less than 5 ms', () => {
  it.each<[string, Filter['policy'], unknown]>([
    ['exact values', { a: many(150, (i) => `x${i}`) }, filled((i) => `y${i % 1_000}`, 37_000)],
    [
      'number ranges',
      { a: many(150, (i) => ({ numeric: ['>', i * 2, '<', i * 2 + 1] })) },
      filled((i) => (i % 4) * 2, 120_000),
    ],
    ['prefixes', { a: many(150, (i) => ({ prefix: `${'b'.repeat(i)}x` })) }, filled(() => 'b'.repeat(150), 1_700)],
    ['suffixes', { a: many(150, (i) => ({ suffix: `x${'b'.repeat(i)}` })) }, filled(() => 'b'.repeat(150), 1_700)],
    [
      'ignoring case',
      { a: many(150, (i) => ({ 'equals-ignore-case': `X${i}` })) },
      filled(() => 'B'.repeat(30), 7_900),
    ],
    ['addresses', { a: many(150, (i) => ({ cidr: `10.0.${i}.0/24` })) }, filled((i) => `11.0.0.${i % 256}`, 18_000)],
    ['anything-but', { a: many(150, () => ({ 'anything-but': ['x', 'y', 'z'] })) }, filled(() => 'x', 65_000)],
    ['objects in an array', { a: { b: many(37, (i) => i), c: [-1] } }, filled((i) => ({ b: i % 37, c: 1 }), 17_000)],
  ])('%s', (_, policy, body) => {
    expect(bestMs(policy, body, 5)).toBeLessThan(5)
  })
})

describe('the worst input of wildcards', () => {
  const long = 'a'.repeat(BODY_BYTES - 20)
  /** As many patterns as the limit on wildcards lets through, each looked for in the longest text there is: a pass over it for each. */
  it.each([40, 5_000])('costs no more than a few passes over the text (parts of %i characters)', (chars) => {
    const policy = { a: many(11, (i) => ({ wildcard: `*${'a'.repeat(chars + i)}b*a*` })) }
    expect(bestMs(policy, { a: long }, 30)).toBeLessThan(30)
  })
})

it('reads forty thousand addresses of version 6 in the time of a few passes over the text', () => {
  const policy = { a: many(150, (i) => ({ cidr: `10:${i}::/32` })) }
  expect(
    bestMs(
      policy,
      filled((i) => `::${i % 10}`, 40_000),
      15,
    ),
  ).toBeLessThan(15)
})

describe('wildcards', () => {
  /** Tries every way. */
  const naive = (parts: readonly string[], text: string): boolean => {
    const [first = '', ...others] = parts
    if (others.length === 0) return text === first
    if (!text.startsWith(first)) return false
    const rest = text.slice(first.length)
    return many(rest.length + 1, (i) => i).some((i) => naive(others, rest.slice(i)))
  }

  it('match as a matcher that tries every way', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 })
    const part = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 })
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), text, (parts, value) => {
        expect(compileWildcard(parts)(value)).toBe(naive(parts, value))
      }),
      { numRuns: 2_000 },
    )
  })

  it('find long parts as short ones are found', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 200, maxLength: 400 })
    const part = fc.string({ unit: fc.constantFrom('a', 'a', 'a', 'b'), minLength: 65, maxLength: 80 })
    fc.assert(
      fc.property(text, part, fc.boolean(), (around, needle, there) => {
        const value = there ? around + needle + around : around
        expect(compileWildcard(['', needle, ''])(value)).toBe(value.includes(needle))
      }),
      { numRuns: 500 },
    )
  })

  it('come back from what escapes them', () => {
    fc.assert(
      fc.property(fc.string(), (literal) => {
        const parsed = parseWildcard(literal.replace(/[\\*]/g, '\\$&'))
        expect(parsed).toEqual({ kind: 'parts', parts: [literal] })
      }),
    )
  })
})

describe('hostile policies and bodies', () => {
  const operators = [
    'prefix',
    'suffix',
    'anything-but',
    'numeric',
    'exists',
    'cidr',
    'wildcard',
    'equals-ignore-case',
    'x',
  ]
  const scalar = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom('<', '>=', '10.0.0.0/8', '*a*', '::/0'),
  )
  const condition = fc.oneof(
    scalar,
    fc.dictionary(
      fc.constantFrom(...operators),
      fc.oneof(
        scalar,
        fc.array(scalar, { maxLength: 4 }),
        fc.dictionary(fc.constantFrom(...operators), fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })), {
          maxKeys: 2,
        }),
      ),
      { maxKeys: 2 },
    ),
  )
  const key = fc.constantFrom('a', 'b', '$or', '__proto__', 'constructor')
  const { policy } = fc.letrec<{ policy: Record<string, unknown> }>((tie) => ({
    policy: fc.dictionary(
      key,
      fc.oneof(
        { maxDepth: 3 },
        fc.array(fc.oneof({ weight: 3, arbitrary: condition }, { weight: 1, arbitrary: tie('policy') }), {
          maxLength: 4,
        }),
        tie('policy'),
        scalar,
      ),
      { maxKeys: 3 },
    ),
  }))

  it('are judged, and those that pass are tested, without a fault', () => {
    let fine = 0
    fc.assert(
      fc.property(
        policy,
        fc.constantFrom<Filter['scope']>('body', 'headers'),
        fc.json({ maxDepth: 4 }),
        (rules, scope, json) => {
          if (judgeFilter({ scope, policy: rules }) !== undefined) return
          fine++
          const test = compileFilter({ scope, policy: rules })
          const body = `{"a":${json},"b":[${json},{"a":${json}}]}`
          const headers = { a: 'x', b: 5, __proto__: 'y' }
          expect(
            typeof test(new RoutedMessage({ head: new Uint8Array(0), body: Buffer.from(body) }, { headers })),
          ).toBe('boolean')
        },
      ),
      { numRuns: 5_000 },
    )
    expect(fine).toBeGreaterThan(200)
  })
})
