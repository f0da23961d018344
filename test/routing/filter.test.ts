import { isIP, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeContent } from '../../src/model/content.ts'
import type { Filter } from '../../src/routing/exchange.ts'
import { CidrSet } from '../../src/routing/filter/cidr.ts'
import { compileFilter } from '../../src/routing/filter/compile.ts'
import { judgeFilter } from '../../src/routing/filter/judge.ts'
import { RoutedMessage } from '../../src/routing/routed-message.ts'

type Policy = Filter['policy']

function passesBody(policy: Policy, body: unknown): boolean {
  expect(judgeFilter({ scope: 'body', policy })).toBeUndefined()
  return compileFilter({ scope: 'body', policy })(new RoutedMessage(encodeContent(body)))
}

function passesHeaders(policy: Policy, headers: Record<string, string | number | boolean | Uint8Array>): boolean {
  expect(judgeFilter({ scope: 'headers', policy })).toBeUndefined()
  return compileFilter({ scope: 'headers', policy })(new RoutedMessage(encodeContent('text', { headers })))
}

describe('a filter over the body', () => {
  const table: readonly [string, Policy, readonly unknown[], readonly unknown[]][] = [
    ['exact text', { a: ['x', 'y'] }, ['x', 'y'], ['X', 'xy', 1, null, true, {}]],
    ['exact numbers', { a: [3, -1.5] }, [3, 3.0, -1.5], ['3', 4]],
    ['booleans and null', { a: [true, null] }, [true, null], [false, 'true', 'null', 0]],
    ['prefix', { a: [{ prefix: 'ab' }] }, ['ab', 'abc'], ['a', 'b', 'Ab', 5]],
    [
      'several prefixes',
      { a: ['b', 'ba', 'bab', 'c', 'd'].map((prefix) => ({ prefix })) },
      ['bz', 'babx', 'c'],
      ['a', 'e'],
    ],
    ['empty prefix', { a: [{ prefix: '' }] }, ['', 'x'], [1, null]],
    ['suffix', { a: [{ suffix: '.png' }, { suffix: 'jpg' }] }, ['a.png', '.png', 'xjpg'], ['png', 'a.PNG']],
    ['equals-ignore-case', { a: [{ 'equals-ignore-case': 'TeA' }] }, ['tea', 'TEA'], ['te', 'teas']],
    ['wildcard', { a: [{ wildcard: 'a*c*e' }] }, ['ace', 'abcde', 'a*c*e', 'acce'], ['ac', 'aec', 'abde', 'ce']],
    ['escaped wildcard', { a: [{ wildcard: 'a\\**' }] }, ['a*', 'a*b'], ['ab', 'a']],
    ['overlapping parts', { a: [{ wildcard: 'aa*aa' }] }, ['aaaa', 'aabaa'], ['aaa', 'aa']],
    [
      'number ranges',
      { a: [{ numeric: ['>=', 0, '<', 10] }, { numeric: ['=', 42] }] },
      [0, 9.9, 42],
      [-1, 10, 41, '5'],
    ],
    ['open ranges', { a: [{ numeric: ['<', 5] }, { numeric: ['>', 5] }] }, [4.9, 5.1], [5]],
    ['ranges that join', { a: [{ numeric: ['<', 5] }, { numeric: ['>=', 5, '<=', 7] }] }, [4, 5, 7], [7.1]],
    [
      'cidr v4',
      { a: [{ cidr: '10.1.0.0/16' }, { cidr: '192.168.1.1/32' }] },
      ['10.1.2.3', '192.168.1.1'],
      ['10.2.0.0', '10.1.2', '10.1.2.300', '::ffff:10.1.2.3', 7],
    ],
    ['cidr of everything', { a: [{ cidr: '0.0.0.0/0' }] }, ['1.2.3.4', '255.255.255.255'], ['::1', '']],
    [
      'cidr v6',
      { a: [{ cidr: '2001:db8::/33' }] },
      ['2001:db8::1', '2001:DB8:7fff::'],
      ['2001:db8:8000::', '2001:db9::', '::1'],
    ],
    ['anything-but a value', { a: [{ 'anything-but': 'x' }] }, ['y', 5, null, true], ['x']],
    ['anything-but values', { a: [{ 'anything-but': ['x', 5] }] }, ['y', '5', 6], ['x', 5]],
    ['anything-but prefix', { a: [{ 'anything-but': { prefix: 'ab' } }] }, ['a', 7], ['abc']],
    ['anything-but prefixes', { a: [{ 'anything-but': { prefix: ['ab', 'c'] } }] }, ['a'], ['abc', 'c']],
    ['anything-but suffix', { a: [{ 'anything-but': { suffix: 'z' } }] }, ['a'], ['az']],
    ['anything-but wildcards', { a: [{ 'anything-but': { wildcard: ['*x*', 'y*'] } }] }, ['a', ''], ['axb', 'yy']],
    ['anything-but ignoring case', { a: [{ 'anything-but': { 'equals-ignore-case': ['A'] } }] }, ['b'], ['a', 'A']],
    ['any of several', { a: ['x', { prefix: 'ab' }, { numeric: ['>', 3] }] }, ['x', 'abz', 4], ['z', 3]],
  ]
  it.each(table)('%s', (_, policy, pass, fail) => {
    for (const value of pass) expect(passesBody(policy, { a: value }), JSON.stringify(value)).toBe(true)
    for (const value of fail) expect(passesBody(policy, { a: value }), JSON.stringify(value)).toBe(false)
    const present = pass.filter((value) => value !== undefined)
    if (present.length > 0) expect(passesBody(policy, { a: [{}, [...present].slice(0, 1)] })).toBe(true)
    expect(passesBody(policy, {})).toBe(false)
  })

  it('exists: of values, not of objects or empty lists', () => {
    for (const body of [{ a: 1 }, { a: null }, { a: ['x'] }]) {
      expect(passesBody({ a: [{ exists: true }] }, body)).toBe(true)
      expect(passesBody({ a: [{ exists: false }] }, body)).toBe(false)
    }
    for (const body of [{}, { a: {} }, { a: [] }, { a: [[], {}] }]) {
      expect(passesBody({ a: [{ exists: true }] }, body)).toBe(false)
      expect(passesBody({ a: [{ exists: false }] }, body)).toBe(true)
    }
  })

  it('needs every key, and one branch of $or', () => {
    const policy = { a: ['x'], $or: [{ b: [1], c: [2] }, { d: [{ exists: true }] }] }
    expect(passesBody(policy, { a: 'x', b: 1, c: 2 })).toBe(true)
    expect(passesBody(policy, { a: 'x', d: 0 })).toBe(true)
    expect(passesBody(policy, { a: 'x', b: 1 })).toBe(false)
    expect(passesBody(policy, { d: 0 })).toBe(false)
  })

  it('wants what it says of one object to be true of one and the same element of an array', () => {
    const policy = { items: { colour: ['red'], size: [{ numeric: ['>', 5] }] } }
    expect(passesBody(policy, { items: [{ colour: 'red', size: 9 }] })).toBe(true)
    expect(passesBody(policy, { items: [[{ colour: 'blue' }], [{ colour: 'red', size: 9 }]] })).toBe(true)
    expect(
      passesBody(policy, {
        items: [
          { colour: 'red', size: 1 },
          { colour: 'blue', size: 9 },
        ],
      }),
    ).toBe(false)
    expect(passesBody({ a: { b: [{ exists: false }] } }, {})).toBe(true)
  })

  it('passes nothing that is no JSON object, unless it asks nothing', () => {
    const test = compileFilter({ scope: 'body', policy: { a: [{ exists: false }] } })
    for (const body of ['', '[]', 'null', '5', '{"a"', '"a"']) {
      expect(test(new RoutedMessage({ head: new Uint8Array(0), body: Buffer.from(body) }))).toBe(false)
    }
    expect(passesBody({}, { a: 1 })).toBe(true)
  })

  it('passes a value that one of several lists of anything-but does not name', () => {
    const policy = { a: [{ 'anything-but': ['x', 'y'] }, { 'anything-but': ['y', 'z'] }] }
    for (const value of ['x', 'z', 'w']) expect(passesBody(policy, { a: value }), value).toBe(true)
    expect(passesBody(policy, { a: 'y' })).toBe(false)
  })

  it('takes names of the language for names', () => {
    const policy = JSON.parse('{"__proto__": ["x"], "constructor": [{"exists": false}]}') as Policy
    const body = '{"__proto__": "x"}'
    const message = new RoutedMessage({ head: new Uint8Array(0), body: Buffer.from(body) })
    expect(compileFilter({ scope: 'body', policy })(message)).toBe(true)
    expect(passesBody(policy, {})).toBe(false)
  })
})

describe('a filter over the headers', () => {
  it('compares texts, numbers and booleans, and sees no bytes', () => {
    expect(passesHeaders({ a: ['x'], n: [{ numeric: ['>', 3] }] }, { a: 'x', n: 4 })).toBe(true)
    expect(passesHeaders({ a: [true] }, { a: true })).toBe(true)
    expect(passesHeaders({ a: [{ exists: true }] }, { a: Uint8Array.of(1) })).toBe(false)
    expect(passesHeaders({ a: ['["x"]'] }, { a: '["x"]' })).toBe(true)
    expect(passesHeaders({ a: ['x'] }, { a: '["x"]' })).toBe(false)
  })

  it('reads the attribute types of SNS: numbers as numbers, String.Array as a list', () => {
    const headers = { n: '1e2', list: '["rugby", 5, null]', broken: '[' }
    const attributeTypes = { n: 'Number', list: 'String.Array', broken: 'String.Array' }
    const passes = (policy: Policy): boolean =>
      compileFilter({ scope: 'headers', policy })(new RoutedMessage(encodeContent('', { headers, attributeTypes })))
    expect(passes({ n: [100] })).toBe(true)
    expect(passes({ n: ['1e2'] })).toBe(false)
    for (const value of ['rugby', 5, null]) expect(passes({ list: [value] })).toBe(true)
    expect(passes({ list: [{ 'anything-but': ['rugby'] }] })).toBe(true)
    expect(passes({ list: ['golf'] })).toBe(false)
    expect(passes({ broken: [{ exists: false }] })).toBe(true)
  })
})

describe('addresses', () => {
  const within = (cidr: string, address: string): boolean => new CidrSet([cidr]).has(address)

  it('are read as node reads them', () => {
    const group = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16)),
      fc.constantFrom('', '0', '00000', 'g', '1.2.3.4', '1.2.3'),
    )
    const text = fc.oneof(
      fc.array(group, { minLength: 1, maxLength: 9 }).map((parts) => parts.join(':')),
      fc.ipV4(),
      fc.ipV6(),
      fc.array(fc.constantFrom('0', '1', '255', '256', '01', ''), { maxLength: 5 }).map((parts) => parts.join('.')),
    )
    fc.assert(
      fc.property(text, (address) => {
        expect(within(isIPv6(address) ? '::/0' : '0.0.0.0/0', address)).toBe(isIP(address) !== 0)
        if (isIP(address) !== 0) expect(within(`${address}/${isIPv6(address) ? 128 : 32}`, address)).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })

  it('are found in the outer of blocks within each other', () => {
    const set = new CidrSet(['10.1.2.0/24', '10.0.0.0/8', '10.200.0.0/16', '12.0.0.0/8'])
    for (const address of ['10.1.2.3', '10.201.0.1', '12.255.255.255']) expect(set.has(address)).toBe(true)
    for (const address of ['9.255.255.255', '11.0.0.0', '13.0.0.0']) expect(set.has(address)).toBe(false)
  })
})

describe('judging a filter policy', () => {
  const body = 'body' as const
  const headers = 'headers' as const
  const many = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
  it.each([
    [body, 'text', 'FilterPolicy: Filter policy must be a JSON object'],
    [body, null, 'FilterPolicy: Filter policy must be a JSON object'],
    [
      body,
      Object.fromEntries(many(6).map((i) => [`k${i}`, [1]])),
      'FilterPolicy: Filter policy can not have more than 5 keys',
    ],
    [headers, { a: many(151) }, 'FilterPolicy: Filter policy is too complex'],
    [headers, { a: many(16), b: many(10) }, 'FilterPolicy: Filter policy is too complex'],
    [body, { a: { b: many(76) } }, 'FilterPolicy: Filter policy is too complex'],
    [body, { $or: [{ a: many(100) }, { b: many(51) }] }, 'FilterPolicy: Filter policy is too complex'],
    [body, { a: ['x'.repeat(262_144)] }, 'FilterPolicy: Filter policy is too long'],
    [headers, { a: [] }, 'FilterPolicy: Empty arrays are not allowed'],
    [headers, { a: { b: ['x'] } }, 'Filter policy scope MessageAttributes does not support nested filter policy'],
    [headers, { a: 'x' }, 'FilterPolicy: "a" must be an object or an array'],
    [headers, { a: [['x']] }, 'FilterPolicy: Match value must be String, number, true, false, or null'],
    [headers, { a: [{}] }, 'FilterPolicy: Match expression name not found'],
    [headers, { a: [{ prefix: 'a', suffix: 'b' }] }, 'FilterPolicy: Only one key allowed in match expression'],
    [headers, { a: [{ regex: '.*' }] }, 'FilterPolicy: Unrecognized match type regex'],
    [headers, { a: [{ prefix: 1 }] }, 'FilterPolicy: prefix match pattern must be a string'],
    [headers, { a: [{ exists: 'yes' }] }, 'FilterPolicy: exists match pattern must be either true or false.'],
    [headers, { a: [{ numeric: {} }] }, 'FilterPolicy: Value of numeric must be an array.'],
    [headers, { a: [{ numeric: [] }] }, 'FilterPolicy: Invalid member in numeric match: ]'],
    [headers, { a: [{ numeric: [5] }] }, 'FilterPolicy: Invalid member in numeric match: 5'],
    [headers, { a: [{ numeric: ['~', 5] }] }, 'FilterPolicy: Unrecognized numeric range operator: ~'],
    [headers, { a: [{ numeric: ['=', '5'] }] }, 'FilterPolicy: Value of equals must be numeric'],
    [headers, { a: [{ numeric: ['<', 5, '>', 7] }] }, 'FilterPolicy: Too many elements in numeric expression'],
    [headers, { a: [{ numeric: ['>', 5, 6] }] }, 'FilterPolicy: Bad value in numeric range: 6'],
    [headers, { a: [{ numeric: ['>', 5, '>', 7] }] }, 'FilterPolicy: Bad numeric range operator: >'],
    [headers, { a: [{ numeric: ['>', 5, '<', '7'] }] }, 'FilterPolicy: Value of < must be numeric'],
    [headers, { a: [{ numeric: ['>', 5, '<', 4] }] }, 'FilterPolicy: Bottom must be less than top'],
    [headers, { a: [{ numeric: ['>', 5, '<', 9, '<'] }] }, 'FilterPolicy: Too many terms in numeric range expression'],
    [headers, { a: [{ cidr: 7 }] }, 'FilterPolicy: prefix match pattern must be a string'],
    [headers, { a: [{ cidr: '10.0.0.0' }] }, "FilterPolicy: Malformed CIDR, one '/' required"],
    [headers, { a: [{ cidr: '10.0.0.0/x' }] }, 'FilterPolicy: Malformed CIDR, mask bits must be an integer'],
    [headers, { a: [{ cidr: '10.0.0.256/8' }] }, 'FilterPolicy: Nonstandard IP address: 10.0.0.256'],
    [headers, { a: [{ cidr: '10.0.0.1/33' }] }, 'FilterPolicy: Nonstandard IP address: 10.0.0.1'],
    [
      headers,
      { a: [{ 'anything-but': true }] },
      'FilterPolicy: Value of anything-but must be an array or single string/number value.',
    ],
    [
      headers,
      { a: [{ 'anything-but': [null] }] },
      'FilterPolicy: Inside anything but list, start|null|boolean is not supported.',
    ],
    [headers, { a: [{ 'anything-but': { cidr: 'x' } }] }, 'FilterPolicy: Unsupported anything-but pattern: cidr'],
    [headers, { a: [{ 'anything-but': { prefix: '' } }] }, 'FilterPolicy: Null prefix/suffix not allowed'],
    [headers, { a: [{ wildcard: 'a**' }] }, 'FilterPolicy: Consecutive wildcard characters at pos 2'],
    [headers, { a: [{ wildcard: 'a\\b' }] }, 'FilterPolicy: Invalid escape character at pos 2'],
    [
      headers,
      { a: [{ wildcard: '*a*b*c*' }] },
      'FilterPolicy: Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character',
    ],
  ])('%s %#', (scope, policy, text) => {
    expect(judgeFilter({ scope, policy })).toEqual({ code: 'InvalidParameter', text })
  })

  it('survives any depth', () => {
    const deep = (open: string, leaf: string, close: string): unknown =>
      JSON.parse(open.repeat(20_000) + leaf + close.repeat(20_000))
    for (const policy of [deep('{"a":', '[1]', '}'), deep('{"$or":[', '{"a":[1]}', ']}')]) {
      expect(judgeFilter({ scope: body, policy })?.text).toBe('FilterPolicy: Filter policy is too complex')
    }
    const message = { head: new Uint8Array(0), body: Buffer.from(`{"a":${'['.repeat(50_000)}7${']'.repeat(50_000)}}`) }
    expect(compileFilter({ scope: 'body', policy: { a: [7] } })(new RoutedMessage(message))).toBe(true)
  })

  it('takes what is just within the limits', () => {
    expect(judgeFilter({ scope: headers, policy: { a: many(150) } })).toBeUndefined()
    expect(judgeFilter({ scope: headers, policy: { a: many(15), b: many(10) } })).toBeUndefined()
    expect(judgeFilter({ scope: body, policy: { a: { b: many(75) } } })).toBeUndefined()
    // The example of the developer guide: 3 levels x 4 values x 2 levels x 3 values = 72.
    const guide = { key_a: { key_b: { key_c: ['1', '2', '3', '4'] } }, key_d: { key_e: ['1', '2', '3'] } }
    expect(judgeFilter({ scope: body, policy: guide })).toBeUndefined()
    expect(judgeFilter({ scope: body, policy: { ...guide, more: [1, 2] } })).toBeUndefined()
    expect(judgeFilter({ scope: body, policy: { ...guide, more: [1, 2, 3] } })).toMatchObject({
      code: 'InvalidParameter',
    })
  })
})
