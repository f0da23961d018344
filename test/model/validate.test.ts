import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SpindleError } from '../../src/model/errors.ts'
import { DURATION_MS_MAX } from '../../src/model/limits.ts'
import { defaultPolicy } from '../../src/model/policy.ts'
import { validateName, validatePolicy } from '../../src/model/validate.ts'

describe('validateName', () => {
  it('takes what UTF-8 can carry within the limit', () => {
    for (const name of ['a', 'orders.eu-1', 'ä€😀 x', '__proto__', 'x'.repeat(255)]) validateName('queue', name)
  })

  it.each([
    ['', 'not be empty'],
    ['x'.repeat(256), 'at most 255 bytes'],
    ['€'.repeat(86), 'at most 255 bytes'],
    ['a\nb', 'no control characters'],
    ['a\ud800', 'well-formed'],
    [7, 'be a string'],
  ])('refuses %j', (name, why) => {
    expect(() => validateName('queue', name)).toThrow(why)
  })
})

describe('validatePolicy', () => {
  it('fills in defaults', () => {
    expect(validatePolicy({})).toEqual(defaultPolicy)
    expect(validatePolicy({ leaseMs: 5, ttlMs: null })).toEqual({ ...defaultPolicy, leaseMs: 5 })
  })

  it.each([
    [{ leaseMs: 0 }, 'policy.leaseMs is 0 but must be 1 to'],
    [{ leaseMs: Number.NaN }, 'policy.leaseMs is NaN'],
    [{ delayMs: DURATION_MS_MAX + 1 }, 'policy.delayMs'],
    [{ ttlMs: '5' }, 'policy.ttlMs is "5"'],
    [{ attemptsMax: 1.5 }, 'policy.attemptsMax is 1.5'],
    [{ onLost: 'retry' }, 'must be one of redeliver, fail'],
    [{ onDeath: { kind: 'deadLetter' } }, 'policy.onDeath.queue'],
    [{ onDeath: { kind: 'move' } }, 'hold, discard, deadLetter'],
    [{ groups: 'ordered' }, 'policy.groups'],
    [{ dedup: { kind: 'window', windowMs: 0 } }, 'policy.dedup.windowMs is 0'],
    [{ lateAck: 1 }, 'policy.lateAck is 1'],
    [{ onDeath: { kind: 'exchange', exchange: 'x' } }, 'policy.onDeath.key'],
    [{ onDeath: { kind: 'exchange', exchange: 7, key: null } }, 'policy.onDeath.exchange'],
    [{ groups: { kind: 'fair' } }, 'policy.groups.concurrency'],
    [{ groups: { kind: 'fair', concurrency: 0 } }, 'policy.groups.concurrency is 0'],
    [{ groups: { kind: 'ordered', rate: { tokens: 1, perMs: 0, burst: 1 } } }, 'policy.groups.rate.perMs is 0'],
    [{ rate: { tokens: 0, perMs: 1_000, burst: 1 } }, 'policy.rate.tokens is 0'],
    [{ rate: { tokens: 1, perMs: 1_000, burst: 0.5 } }, 'policy.rate.burst is 0.5'],
    [{ rate: { tokens: 1, perMs: 1_000, burst: 1, bursts: 2 } }, 'policy.rate.bursts'],
    [{ concurrency: 0 }, 'policy.concurrency is 0'],
    [{ lengthBytesMax: -1 }, 'policy.lengthBytesMax is -1'],
    [{ lengthCounts: 'ready' }, 'policy.lengthCounts'],
    [{ paused: 'yes' }, 'policy.paused'],
    [{ failedEventsTo: 'q' }, 'policy.failedEventsTo'],
    [{ failedEventsTo: [''] }, 'policy.failedEventsTo'],
    [{ leaseMS: 5 }, 'policy.leaseMS'],
    [null, 'policy is null'],
  ])('refuses %j and names the field', (fields, message) => {
    expect(() => validatePolicy(fields as object)).toThrow(message)
  })

  it('throws nothing but invalid-argument, whatever it is given', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...Object.keys(defaultPolicy), 'x'), fc.anything()), (fields) => {
        try {
          validatePolicy(fields)
        } catch (fault) {
          if (!(fault instanceof SpindleError)) throw fault
          expect(fault.code).toBe('invalid-argument')
        }
      }),
    )
  })
})
