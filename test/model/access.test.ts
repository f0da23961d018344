import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { identityOf, matchesGlob, parseGrant, validateGrants } from '../../src/model/access.ts'

const identity = (...grants: string[]) => identityOf({ name: 'ada', tags: [], grants: grants.map(parseGrant) })

describe('an identity', () => {
  it('may do nothing without a grant', () => {
    expect(identity().may('read', 'orders')).toBe(false)
  })

  it('may do what a grant says, on the names that its patterns match, and no more', () => {
    const ada = identity('read,write:orders-*,mail')
    expect(ada.may('read', 'orders-eu')).toBe(true)
    expect(ada.may('write', 'mail')).toBe(true)
    expect(ada.may('configure', 'mail')).toBe(false)
    expect(ada.may('read', 'orders')).toBe(false)
    expect(ada.may('read', 'mailbox')).toBe(false)
  })

  it('may do everything where it is an admin', () => {
    const ada = identity('admin:*')
    expect((['configure', 'write', 'read', 'admin'] as const).every((verb) => ada.may(verb, 'any'))).toBe(true)
    expect(identity('read:*').may('admin', 'any')).toBe(false)
  })

  it('takes names of other namespaces as they stand', () => {
    expect(identity('read:sqs:eu-west-1:*').may('read', 'sqs:eu-west-1:123456789012/orders')).toBe(true)
    expect(identity('read:*').may('read', '__proto__')).toBe(true)
    expect(identity('read:orders').may('read', '__proto__')).toBe(false)
  })
})

describe('a pattern', () => {
  it('matches as the regular expression of the same meaning', () => {
    const part = fc.stringMatching(/^[ab.*]{0,6}$/)
    fc.assert(
      fc.property(part, fc.stringMatching(/^[ab.]{0,8}$/), (pattern, text) => {
        const escaped = pattern.split('*').map((literal) => literal.replaceAll('.', '\\.'))
        expect(matchesGlob(pattern, text)).toBe(new RegExp(`^${escaped.join('.*')}$`).test(text))
      }),
    )
  })

  it('answers its worst input without backtracking', () => {
    expect(matchesGlob('*a'.repeat(127), 'a'.repeat(100_000))).toBe(true)
    expect(matchesGlob(`${'*a'.repeat(127)}b`, 'a'.repeat(100_000))).toBe(false)
  })
})

describe('a grant', () => {
  it.each([
    ['read', /grant 'read' must be VERBS:PATTERNS/],
    ['eat:*', /grant\[0\]\.verbs\[0\] must be one of configure, write, read, watch, admin/],
    ['read:', /grant\[0\]\.resources\[0\] name is "" but must not be empty/],
  ])('is refused as %j', (text, message) => {
    expect(() => parseGrant(text)).toThrow(message)
  })

  it('is refused when it is no grant', () => {
    for (const value of [null, 'read:*', [null], [{ verbs: 'read' }], [{ verbs: ['read'], resources: [7] }]]) {
      expect(() => validateGrants(value)).toThrow(/^grants/)
    }
  })
})
