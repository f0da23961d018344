import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { born, decide, type Life, type LifeEvent, nextEvent, type Rules } from '../../src/model/lifecycle.ts'
import { defaultPolicy, type QueuePolicy } from '../../src/model/policy.ts'

const now = { monotonicMs: 1_000, wallMs: 5_000_000 }
const fresh = born({ delayMs: 0, ttlMs: null, history: [] }, now)

function rules(policy: Partial<QueuePolicy> = {}, queues: readonly string[] = ['q', 'dlq']): Rules {
  return { queue: 'q', policy: { ...defaultPolicy, ...policy }, exists: (queue) => queues.includes(queue) }
}

function lifeAfter(life: Life, event: LifeEvent, at: Rules = rules()): Life {
  const decision = decide(life, event, at, now)
  if (decision.kind === 'stale') throw new Error(`${event.kind} was stale`)
  return decision.life
}

const lease = { kind: 'lease', token: 1, endMs: 2_000, holder: undefined } as const
const ack = { kind: 'ack', token: 1, keep: undefined, retainMs: undefined } as const
const release = { kind: 'release', token: 1, delayMs: 0, spend: true, note: undefined } as const

describe('decide', () => {
  it('moves the dead with history and note, and tells of it', () => {
    const at = rules({ onDeath: { kind: 'deadLetter', queue: 'dlq' }, failedEventsTo: ['events'] })
    const note = Uint8Array.of(1)
    const decision = decide(lifeAfter(fresh, lease, at), { kind: 'bury', token: 1, reason: 'invalid', note }, at, now)
    const history = [{ queue: 'q', reason: 'invalid', count: 1, atMs: now.wallMs, attempts: 1 }]
    expect(decision).toMatchObject({
      kind: 'next',
      life: { state: { kind: 'gone' } },
      effects: [
        { kind: 'died', reason: 'invalid', attempts: 1 },
        { kind: 'move', queue: 'dlq', history, note },
        { kind: 'tell', queues: ['events'], reason: 'invalid', attempts: 1 },
      ],
    })
  })

  it('judges a lost lease by onLost, then attempts, then TTL', () => {
    const leased = lifeAfter({ ...fresh, expiresMs: 500 }, lease)
    const reason = (policy: Partial<QueuePolicy>) =>
      lifeAfter(leased, { kind: 'lost' }, rules({ onExpired: 'die', ...policy })).history[0]?.reason
    expect(reason({ onLost: 'fail', attemptsMax: 1 })).toBe('lost')
    expect(reason({ attemptsMax: 1 })).toBe('exhausted')
    expect(reason({ attemptsMax: 2 })).toBe('expired')
  })

  it('takes a late ack only with the token of the lease that lapsed', () => {
    const lapsed = lifeAfter(lifeAfter(fresh, lease), { kind: 'lost' })
    expect(decide(lapsed, { ...ack, token: 2 }, rules(), now).kind).toBe('stale')
    expect(decide(lapsed, ack, rules({ lateAck: false }), now).kind).toBe('stale')
    expect(lifeAfter(lapsed, ack).state.kind).toBe('gone')
    const leasedAgain = lifeAfter(lapsed, { ...lease, token: 2 })
    expect(decide(leasedAgain, ack, rules(), now).kind).toBe('stale')
  })

  it('lets what was leased from the dead be dead again, with its history as it was', () => {
    const dead = lifeAfter(lifeAfter(fresh, lease), { kind: 'bury', token: 1, reason: 'x', note: undefined })
    const leased = lifeAfter(dead, { ...lease, token: 2 })
    for (const event of [{ kind: 'lost' }, { kind: 'givenBack' }, { ...release, token: 2 }] as const) {
      expect(lifeAfter(leased, event)).toMatchObject({ state: { kind: 'dead' }, history: dead.history })
    }
  })

  const policies = fc.record({
    attemptsMax: fc.constantFrom(null, 1, 2),
    onLost: fc.constantFrom('redeliver', 'fail'),
    onDeath: fc.constantFrom(
      { kind: 'hold' } as const,
      { kind: 'discard' } as const,
      { kind: 'deadLetter', queue: 'dlq' } as const,
      { kind: 'deadLetter', queue: 'missing' } as const,
    ),
    onExpired: fc.constantFrom('drop', 'die'),
    lateAck: fc.boolean(),
    deadRetentionMs: fc.constantFrom(null, 10),
  }) satisfies fc.Arbitrary<Partial<QueuePolicy>>
  const token = fc.integer({ min: 1, max: 3 })
  const events: fc.Arbitrary<LifeEvent> = fc.oneof(
    fc.constantFrom<LifeEvent>(
      { kind: 'due' },
      { kind: 'expired' },
      { kind: 'lost' },
      { kind: 'givenBack' },
      { kind: 'overflow' },
      { kind: 'retentionEnded' },
    ),
    token.map((n): LifeEvent => ({ ...lease, token: n })),
    token.map((n): LifeEvent => ({ kind: 'extend', token: n, endMs: 9_000 })),
    fc.tuple(token, fc.boolean()).map(
      ([n, keep]): LifeEvent => ({
        ...ack,
        token: n,
        keep: keep ? new Uint8Array(1) : undefined,
      }),
    ),
    fc.tuple(token, fc.boolean(), fc.constantFrom(0, 5)).map(
      ([n, spend, delayMs]): LifeEvent => ({
        ...release,
        token: n,
        spend,
        delayMs,
      }),
    ),
    token.map((n): LifeEvent => ({ kind: 'bury', token: n, reason: 'x', note: undefined })),
  )

  it('keeps its invariants over any events', () => {
    fc.assert(
      fc.property(policies, fc.array(events, { maxLength: 40 }), fc.constantFrom(null, 0, 5), (policy, run, ttlMs) => {
        const at = rules(policy)
        let life = born({ delayMs: 0, ttlMs, history: [] }, now)
        for (const event of run) {
          const decision = decide(life, event, at, now)
          if (decision.kind === 'stale') continue
          const { life: next, effects } = decision
          if (next.attempts > life.attempts) expect(event.kind).toBe('lease')
          if (next.attempts < life.attempts) expect(['release', 'givenBack']).toContain(event.kind)
          expect(next.attempts).toBeLessThanOrEqual(next.deliveries)
          const died = effects.filter(({ kind }) => kind === 'died').length
          const deaths = (of: Life) => of.history.reduce((sum, { count }) => sum + count, 0)
          expect(died).toBeLessThanOrEqual(1)
          if (next.state.kind === 'dead') expect(deaths(next) - deaths(life)).toBe(died)
          expect(effects.some(({ kind }) => kind === 'move') && next.state.kind !== 'gone').toBe(false)
          if (life.state.kind === 'gone') throw new Error(`${event.kind} happened to a message that was gone`)
          life = next
        }
      }),
    )
  })

  it('accepts the event that it says time will bring', () => {
    fc.assert(
      fc.property(policies, fc.array(events, { maxLength: 20 }), fc.constantFrom(null, 5), (policy, run, ttlMs) => {
        const at = rules(policy)
        let life = born({ delayMs: 3, ttlMs, history: [] }, now)
        for (const event of run) {
          const decision = decide(life, event, at, now)
          if (decision.kind === 'next') life = decision.life
          const next = nextEvent(life)
          if (next !== undefined) expect(decide(life, next.event, at, now).kind).toBe('next')
        }
      }),
    )
  })
})
