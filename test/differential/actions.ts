/** Random operations as data. Messages and receipts are named by how long ago they came, so that a plan fits any run. */
import fc from 'fast-check'
import type { MessageState } from '../../src/model/message.ts'
import { defaultPolicy, type QueuePolicy } from '../../src/model/policy.ts'

export const queueNames = [
  'plain',
  'ordered',
  'sticky',
  'fair',
  'short',
  'capped',
  'slow',
  'latest',
  'retry',
  'dlq',
  'events',
] as const
export type QueueName = (typeof queueNames)[number]
export const allStates: readonly MessageState[] = ['delayed', 'ready', 'leased', 'done', 'dead']

const toExchange = { kind: 'exchange', exchange: 'x', key: null } as const
const toDlq = { kind: 'deadLetter', queue: 'dlq' } as const

/** What each queue starts with, and others that it may be given. Short times, so that much happens at one instant. */
export const policies: Readonly<Record<QueueName, readonly [Partial<QueuePolicy>, ...Partial<QueuePolicy>[]]>> = {
  plain: [
    { leaseMs: 100, attemptsMax: 3, doneMax: 2, deadRetentionMs: 500 },
    { leaseMs: 50, attemptsMax: null, dedup: { kind: 'window', windowMs: 100 }, lateAck: false },
    { leaseMs: 100, attemptsMax: 2, onDeath: { kind: 'discard' }, ttlMs: 500, durability: 'relaxed' },
  ],
  ordered: [
    { groups: { kind: 'ordered' }, leaseMs: 100, attemptsMax: 2, onDeath: toDlq },
    { groups: { kind: 'ordered' }, leaseMs: 50, onLost: 'fail', ttlMs: 500, ttlMsMax: 200 },
    { groups: { kind: 'none' }, leaseMs: 50, priorityMax: 1 },
  ],
  sticky: [
    { groups: { kind: 'sticky' }, leaseMs: 100, attemptsMax: 3 },
    { groups: { kind: 'sticky' }, leaseMs: 50, onExpired: 'die', ttlMs: 500, onDeath: toDlq },
  ],
  fair: [
    { groups: { kind: 'fair', concurrency: 2 }, leaseMs: 100, attemptsMax: 3, onDeath: toDlq },
    { groups: { kind: 'fair', concurrency: null, rate: { tokens: 1, perMs: 40, burst: 2 } }, leaseMs: 50 },
    { groups: { kind: 'ordered', rate: { tokens: 1, perMs: 30, burst: 1 } }, leaseMs: 50, ttlMs: 500 },
  ],
  capped: [
    { lengthBytesMax: 24, overflow: 'rejectDeadLetter', onDeath: toExchange, deadRetentionMs: 100, leaseMs: 50 },
    { lengthMax: 2, lengthCounts: 'waiting', overflow: 'dropHead', onDeath: toDlq, leaseMs: 100 },
    { lengthBytesMax: 20, overflow: 'dropHead', groups: { kind: 'fair', concurrency: 1 }, leaseMs: 100 },
  ],
  slow: [
    { rate: { tokens: 1, perMs: 30, burst: 2 }, concurrency: 3, leaseMs: 100 },
    { rate: { tokens: 3, perMs: 10, burst: 1 }, leaseMs: 50 },
    { paused: true, onDeath: toExchange, onExpired: 'die', ttlMs: 100 },
  ],
  latest: [
    { dedup: { kind: 'replace' }, leaseMs: 100, groups: { kind: 'fair', concurrency: null } },
    { dedup: { kind: 'afterRunning' }, leaseMs: 50, attemptsMax: 2 },
    { dedup: { kind: 'window', windowMs: 50 }, leaseMs: 50 },
  ],
  short: [
    { lengthMax: 3, overflow: 'dropHead', onDeath: toDlq, failedEventsTo: ['events'], leaseMs: 100 },
    { lengthMax: 2, overflow: 'reject', dedup: { kind: 'queued' }, leaseMs: 100 },
  ],
  retry: [
    { attemptsMax: 2, leaseMs: 50, onDeath: toDlq, failedEventsTo: ['events', 'plain'], dedup: { kind: 'queued' } },
    { onLost: 'fail', leaseMs: 100, delayMs: 10, failedEventsTo: ['events'], ttlMs: 100, onExpired: 'die' },
  ],
  dlq: [
    { leaseMs: 100, ttlMs: 500 },
    { leaseMs: 100, ttlMs: 100, onExpired: 'die', onDeath: { kind: 'deadLetter', queue: 'retry' }, delayMs: 10 },
  ],
  events: [{ leaseMs: 100, deadRetentionMs: 100 }],
}

export function policyOf(queue: QueueName, variant: number): QueuePolicy {
  const variants = policies[queue]
  return { ...defaultPolicy, ...variants[variant % variants.length] }
}

export type SimplePlan =
  | {
      readonly kind: 'append'
      readonly queue: QueueName
      readonly priority: number
      readonly groupId: string | undefined
      readonly dedupId: string | undefined
      readonly delayMs: number | undefined
      readonly ttlMs: number | undefined
      /** Appended with the id of that earlier message. */
      readonly again: number | undefined
      readonly required: boolean
    }
  | {
      readonly kind: 'settle'
      readonly nth: number
      readonly how: 'ack' | 'keep' | 'release' | 'unspent' | 'bury'
      readonly ms: number
      readonly required: boolean
    }
  | {
      readonly kind: 'record'
      readonly key: string
      readonly remove: boolean
      readonly expect: number | undefined
      readonly required: boolean
    }
  | {
      readonly kind: 'putQueue'
      readonly queue: QueueName
      readonly variant: number
      readonly onlyNew: boolean
      readonly required: boolean
    }
  | { readonly kind: 'dropQueue'; readonly queue: QueueName; readonly ifEmpty: boolean; readonly required: boolean }
  | {
      readonly kind: 'purge'
      readonly queue: QueueName
      readonly states: readonly Exclude<MessageState, 'leased'>[] | undefined
    }

export type OpPlan =
  | SimplePlan
  | {
      readonly kind: 'count'
      readonly key: string
      readonly by: number
      readonly at: number
      readonly reached: readonly SimplePlan[]
    }

export type Action =
  | { readonly kind: 'commit'; readonly units: readonly (readonly OpPlan[])[] }
  | {
      readonly kind: 'lease'
      readonly queue: QueueName
      readonly max: number
      readonly term: 'queue' | 'short' | 'holder' | 'both'
      readonly from: 'ready' | 'delayed' | 'dead' | 'ids' | 'deadIds'
      readonly nths: readonly number[]
      readonly holder: string
      readonly consumer: string | undefined
      readonly settleOnDelivery: boolean
    }
  | { readonly kind: 'extend'; readonly nths: readonly number[]; readonly ms: number }
  | { readonly kind: 'renewHolder'; readonly holder: string; readonly ms: number }
  | { readonly kind: 'releaseHolder'; readonly holder: string; readonly spend: boolean }
  | {
      readonly kind: 'browse'
      readonly queue: QueueName
      readonly states: readonly MessageState[]
      readonly limit: number
    }
  | { readonly kind: 'scan'; readonly after: string | undefined; readonly limit: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'jumpWall'; readonly ms: number }
  | { readonly kind: 'tick'; readonly budget: number }
  | { readonly kind: 'reopen' }

/** Sticky ones twice: what can go wrong with a claim needs more steps than the rest. */
const queue = fc.constantFrom(...queueNames, 'sticky' as const)
/** The same few everywhere, so that instants meet. */
const ms = fc.constantFrom(1, 10, 50, 100, 500)
const nth = fc.nat({ max: 12 })
const required = fc.boolean()
const seldom = fc.integer({ min: 0, max: 9 }).map((n) => n === 0)
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 3 })
const seldomly = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.tuple(seldom, arbitrary).map(([yes, value]) => (yes ? value : undefined))

const append: fc.Arbitrary<SimplePlan> = fc.record({
  kind: fc.constant('append' as const),
  queue,
  priority: fc.constantFrom(0, 0, 0, 1, 255),
  groupId: fc.constantFrom('a', 'b', 'c', undefined, 'a', 'b'),
  dedupId: fc.constantFrom(undefined, 'd', 'e'),
  delayMs: fc.constantFrom(undefined, undefined, 0, 1, 50, 100),
  ttlMs: fc.constantFrom(undefined, undefined, undefined, 1, 100, 500),
  again: seldomly(nth),
  required,
})

const settle: fc.Arbitrary<SimplePlan> = fc.record({
  kind: fc.constant('settle' as const),
  nth,
  how: fc.constantFrom('ack', 'ack', 'keep', 'release', 'unspent', 'bury'),
  ms: fc.constantFrom(0, 0, 10, 50, 100),
  required,
})

const record: fc.Arbitrary<SimplePlan> = fc.record({
  kind: fc.constant('record' as const),
  key: fc.constantFrom('r/1', 'r/2', 'c/1'),
  remove: seldom,
  expect: maybe(fc.nat({ max: 2 })),
  required,
})

const manage: fc.Arbitrary<SimplePlan> = fc.oneof(
  fc.record({
    kind: fc.constant('putQueue' as const),
    queue,
    variant: fc.nat({ max: 2 }),
    onlyNew: seldom,
    required,
  }),
  fc.record({ kind: fc.constant('dropQueue' as const), queue, ifEmpty: fc.boolean(), required }),
  fc.record({
    kind: fc.constant('purge' as const),
    queue,
    states: maybe(fc.subarray(['delayed', 'ready', 'done', 'dead'] as const)),
  }),
)

const simple = fc.oneof(
  { weight: 6, arbitrary: append },
  { weight: 6, arbitrary: settle },
  { weight: 2, arbitrary: record },
  { weight: 1, arbitrary: manage },
)

const op: fc.Arbitrary<OpPlan> = fc.oneof(
  { weight: 12, arbitrary: simple },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('count' as const),
      key: fc.constantFrom('c/1', 'c/2'),
      by: fc.integer({ min: 1, max: 2 }),
      at: fc.integer({ min: 1, max: 4 }),
      reached: fc.array(simple, { maxLength: 2 }),
    }),
  },
)

const lone = fc.oneof({ weight: 3, arbitrary: append }, { weight: 3, arbitrary: settle }).map((plan) => [[plan]])
const units = fc.array(fc.array(op, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })

const lease: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant('lease' as const),
  queue,
  max: fc.integer({ min: 1, max: 4 }),
  term: fc.constantFrom('queue', 'queue', 'short', 'holder', 'both'),
  from: fc.constantFrom('ready', 'ready', 'ready', 'ready', 'delayed', 'dead', 'ids', 'deadIds'),
  nths: fc.array(nth, { minLength: 1, maxLength: 4 }),
  holder: fc.constantFrom('h', 'i'),
  consumer: fc.constantFrom(undefined, 'x', 'y'),
  settleOnDelivery: seldom,
})

const holder = fc.constantFrom('h', 'i')

/** Weighted so that queues fill, drain and meet their deadlines in a run of some eighty actions. */
export const everyAction: readonly fc.Arbitrary<Action>[] = [
  lone.map((plans): Action => ({ kind: 'commit', units: plans })),
  lone.map((plans): Action => ({ kind: 'commit', units: plans })),
  append.map((plan): Action => ({ kind: 'commit', units: [[plan]] })),
  units.map((plans): Action => ({ kind: 'commit', units: plans })),
  lease,
  lease,
  lease,
  fc.record({ kind: fc.constant('extend' as const), nths: fc.array(nth, { maxLength: 3 }), ms }),
  fc.record({ kind: fc.constant('renewHolder' as const), holder, ms }),
  fc.record({ kind: fc.constant('releaseHolder' as const), holder, spend: fc.boolean() }),
  fc.record({
    kind: fc.constant('browse' as const),
    queue,
    states: fc.shuffledSubarray([...allStates]),
    limit: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    kind: fc.constant('scan' as const),
    after: maybe(fc.constantFrom('a', 'c/1', 'r/1', 'z')),
    limit: fc.integer({ min: 1, max: 3 }),
  }),
  ms.map((by): Action => ({ kind: 'advance', ms: by })),
  ms.map((by): Action => ({ kind: 'advance', ms: by })),
  fc.record({ kind: fc.constant('tick' as const), budget: fc.constant(1_000) }),
]

export const jumpWallAction: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant('jumpWall' as const),
  ms: fc.constantFrom(-86_400_000, 3_600_000),
})

export const reopenAction: fc.Arbitrary<Action> = fc.constant({ kind: 'reopen' })
