/** The reference and another engine side by side: each action is done to both, and all that can be seen is compared. */
import { expect } from 'vitest'
import {
  type Delivery,
  type Engine,
  HOLDER_TTL_MS_DEFAULT,
  type LeaseSource,
  type LeaseTerm,
  type Op,
  type Outcome,
  type QueueTotals,
  type SimpleOp,
} from '../../src/engine/engine.ts'
import type { Content, MessageView, Receipt } from '../../src/model/message.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import {
  type Action,
  allStates,
  type OpPlan,
  policyOf,
  type QueueName,
  queueNames,
  type SimplePlan,
} from './actions.ts'
import { Labels } from './labels.ts'

const encoder = new TextEncoder()
const SHORT_LEASE_MS = 10

type Side = 'reference' | 'other'

interface GivenReceipt {
  readonly reference: Receipt
  readonly other: Receipt
  /** Term of its clock, which a reopen starts anew; undefined: none. */
  readonly termMs: number | undefined
}

export class Pair {
  readonly clock: VirtualClock
  readonly #reference: Engine
  #other: Engine
  readonly #reopenOther: (() => Promise<Engine>) | undefined
  readonly #labels = new Labels()
  #receipts: GivenReceipt[] = []
  #bodies = 0
  /** Totals count from the latest open; those of the reference at that time. */
  readonly #totalsBefore = new Map<string, QueueTotals>()
  #reopened = false

  constructor(parts: {
    readonly reference: Engine
    readonly other: Engine
    readonly clock: VirtualClock
    readonly reopenOther?: () => Promise<Engine>
  }) {
    this.clock = parts.clock
    this.#reference = parts.reference
    this.#other = parts.other
    this.#reopenOther = parts.reopenOther
  }

  get other(): Engine {
    return this.#other
  }

  async start(): Promise<void> {
    await this.#commit([
      queueNames.map((queue) => ({ kind: 'putQueue', queue, variant: 0, onlyNew: false, required: false })),
    ])
  }

  /** Throws where the engines differ. */
  async perform(action: Action): Promise<void> {
    switch (action.kind) {
      case 'commit':
        await this.#commit(action.units)
        break
      case 'lease':
        await this.#lease(action)
        break
      case 'extend': {
        const receipts = action.nths.flatMap((nth) => this.#receipt(nth) ?? [])
        await this.#both((engine, side) =>
          engine.extend(
            receipts.map((receipt) => receipt[side]),
            action.ms,
          ),
        ).then((outcomes) => {
          expect(outcomes.other, 'outcomes of extend').toEqual(outcomes.reference)
          this.#retermed(
            receipts,
            outcomes.reference.map(({ kind }) => kind === 'extended'),
            action.ms,
          )
        })
        break
      }
      case 'renewHolder':
        await this.#both((engine) => engine.renewHolder(action.holder, action.ms))
        break
      case 'releaseHolder':
        await this.#both((engine) => engine.releaseHolder(action.holder, { spend: action.spend }))
        break
      case 'browse':
        await this.#pages(action)
        break
      case 'scan': {
        const { after, limit } = action
        const options = { limit, ...(after === undefined ? {} : { after }) }
        const found = await this.#both((engine) => engine.scan('', options))
        expect(found.other.map(plainRecord), 'scan').toEqual(found.reference.map(plainRecord))
        break
      }
      case 'advance':
        await this.clock.advance(action.ms)
        break
      case 'jumpWall':
        this.clock.jumpWall(action.ms)
        break
      case 'tick': {
        const { reference, other } = await this.#both((engine) => engine.tick(action.budget))
        if (!this.#reopened) expect(other, 'tick').toEqual(reference)
        break
      }
      case 'reopen':
        await this.#reopen()
        break
      default:
        action satisfies never
    }
    await this.#compare()
  }

  async #both<T>(call: (engine: Engine, side: Side) => Promise<T>): Promise<Record<Side, T>> {
    return { reference: await call(this.#reference, 'reference'), other: await call(this.#other, 'other') }
  }

  async #commit(units: readonly (readonly OpPlan[])[]): Promise<void> {
    // Bodies are drawn once, so that both engines get the same ones.
    const drawn = units.map((plans) => plans.map((plan) => ({ plan, content: this.#content() })))
    const { reference, other } = await this.#both((engine, side) =>
      engine.commit(drawn.map((ops) => ({ ops: ops.map(({ plan, content }) => this.#op(plan, content, side)) }))),
    )
    reference.forEach((outcomes, u) => {
      const aborted = outcomes.some(({ kind }) => kind === 'aborted')
      outcomes.forEach((outcome, i) => {
        this.#pairOutcome(outcome, other[u]?.[i], aborted)
      })
    })
    expect(other.map(this.#plainOutcomes), 'outcomes of commit').toEqual(reference.map(this.#plainOutcomes))
    for (const queue of new Set(units.flat().flatMap(droppedBy))) await this.#recount(queue)
  }

  /** A queue that was dropped, and perhaps made again in the same unit, counts from nothing in both. */
  async #recount(queue: QueueName): Promise<void> {
    const { reference, other } = await this.#both((engine) => engine.measure([queue]))
    const [ours, theirs] = [reference[0], other[0]]
    if (ours === undefined || theirs === undefined) this.#totalsBefore.delete(queue)
    else this.#totalsBefore.set(queue, difference(ours.totals, theirs.totals))
  }

  #pairOutcome(reference: Outcome, other: Outcome | undefined, aborted: boolean): void {
    if (reference.kind === 'stored' && other?.kind === 'stored') this.#labels.pair(reference.id, other.id)
    if (reference.kind === 'duplicate' && other?.kind === 'duplicate') {
      // What an aborted unit appended first never was: neither engine's id names anything.
      const never = aborted && !this.#labels.knows(reference.of) && !this.#labels.knows(other.of)
      if (!never) this.#labels.pair(reference.of, other.of)
    }
  }

  readonly #plainOutcomes = (outcomes: readonly Outcome[]): unknown[] =>
    outcomes.map((outcome) => {
      if (outcome.kind === 'stored') return { kind: outcome.kind, id: this.#labels.label(outcome.id) }
      if (outcome.kind === 'duplicate') {
        return {
          kind: outcome.kind,
          of: this.#labels.knows(outcome.of) ? this.#labels.label(outcome.of) : 'its own unit',
        }
      }
      return outcome
    })

  #content(): Content {
    return { body: encoder.encode(`body ${++this.#bodies}`), head: Uint8Array.of(0) }
  }

  #op(plan: OpPlan, content: Content, side: Side): Op {
    if (plan.kind !== 'count') return this.#simpleOp(plan, content, side)
    const { key, by, at, reached } = plan
    return { kind: 'count', key, by, at, whenReached: reached.map((then) => this.#simpleOp(then, content, side)) }
  }

  #simpleOp(plan: SimplePlan, content: Content, side: Side): SimpleOp {
    switch (plan.kind) {
      case 'append': {
        const { queue, priority, groupId, dedupId, delayMs, ttlMs, required } = plan
        const id = plan.again === undefined ? undefined : this.#recent(plan.again)?.[side]
        const given = { groupId, dedupId, delayMs, ttlMs, id }
        const message = { content, priority, ...withoutUndefined(given) }
        // A required one is refused there where what it needs depends on what its unit did before.
        return { kind: 'append', queue, message, required: required && queue !== 'capped' }
      }
      case 'settle': {
        const receipt = this.#receipt(plan.nth)?.[side] ?? ('none' as Receipt)
        return { kind: 'settle', receipt, how: settlement(plan.how, plan.ms, this.#bodies), required: plan.required }
      }
      case 'record': {
        const value = plan.remove ? null : content.body
        const expected = plan.expect === undefined ? {} : { expect: plan.expect }
        return { kind: 'record', key: plan.key, value, ...expected, required: plan.required }
      }
      case 'putQueue': {
        const { queue, variant, required } = plan
        const onlyNew = plan.onlyNew ? ({ expect: 'absent' } as const) : {}
        return { kind: 'putQueue', queue, policy: policyOf(queue, variant), ...onlyNew, required }
      }
      case 'dropQueue':
        return { kind: 'dropQueue', queue: plan.queue, ifEmpty: plan.ifEmpty, required: plan.required }
      case 'purge':
        return { kind: 'purge', queue: plan.queue, ...(plan.states === undefined ? {} : { states: plan.states }) }
      default:
        return plan satisfies never
    }
  }

  async #lease(action: Extract<Action, { kind: 'lease' }>): Promise<void> {
    const { queue, max, settleOnDelivery, consumer } = action
    const lease = termOf(action)
    const { reference, other } = await this.#both((engine, side) =>
      engine.lease({
        queue,
        max,
        lease,
        from: this.#source(action, side),
        settleOnDelivery,
        ...(consumer === undefined ? {} : { consumer }),
      }),
    )
    this.#expectSameViews(other, reference, `deliveries from ${queue}`)
    const [measured] = await this.#reference.measure([queue])
    const queueLeaseMs = measured?.policy.leaseMs
    const termMs = lease.kind === 'clock' ? (lease.leaseMs ?? queueLeaseMs) : undefined
    reference.forEach(({ receipt }, i) => {
      const twin = (other[i] as Delivery).receipt
      this.#receipts.push({ reference: receipt, other: twin, termMs })
    })
  }

  #source({ from, nths }: Extract<Action, { kind: 'lease' }>, side: Side): LeaseSource {
    const ids = nths.flatMap((nth) => this.#recent(nth)?.[side] ?? [])
    if (from === 'ids') return { kind: 'ids', ids }
    if (from === 'deadIds') return { kind: 'dead', ids }
    return { kind: from }
  }

  async #pages({ queue, states, limit }: Extract<Action, { kind: 'browse' }>): Promise<void> {
    const pages = await this.#both(async (engine) => {
      const views: MessageView[][] = []
      for (let cursor: string | undefined; ; ) {
        const page = await engine.browse({ queue, states, limit, ...(cursor === undefined ? {} : { cursor }) })
        views.push(page.messages)
        cursor = page.cursor
        if (cursor === undefined) return views
      }
    })
    expect(pages.other.map(({ length }) => length).filter(Boolean), 'lengths of pages').toEqual(
      pages.reference.map(({ length }) => length).filter(Boolean),
    )
    this.#expectSameViews(pages.other.flat(), pages.reference.flat(), `pages of ${queue}`)
  }

  /**
   * The reference cannot reopen; what a reopen changes is done to it by its own verbs: clock leases run their full term
   * again, holders live for a while, groups forget turns and claims, buckets are full.
   */
  async #reopen(): Promise<void> {
    if (this.#reopenOther === undefined) return
    this.#other = await this.#reopenOther()
    this.#reopened = true
    const reference = this.#reference
    for (const holder of ['h', 'i']) await reference.renewHolder(holder, HOLDER_TTL_MS_DEFAULT)
    for (const { reference: receipt, termMs } of this.#receipts) {
      if (termMs !== undefined) await reference.extend([receipt], termMs)
    }
    for (const { queue, policy, totals } of await reference.measure()) {
      this.#totalsBefore.set(queue, totals)
      if (policy.groups.kind === 'none' && policy.rate === null) continue
      const put = { kind: 'putQueue', queue } as const
      await reference.commit([
        {
          ops: [
            { ...put, policy: { ...policy, groups: { kind: 'none' }, rate: null } },
            { ...put, policy },
          ],
        },
      ])
    }
  }

  /** Everything that can be seen without changing it. */
  async #compare(): Promise<void> {
    const measures = await this.#both((engine) => engine.measure())
    const byName = (a: { queue: string }, b: { queue: string }): number => (a.queue < b.queue ? -1 : 1)
    const reference = measures.reference.sort(byName).map((measure) => ({
      ...measure,
      totals: difference(measure.totals, this.#totalsBefore.get(measure.queue)),
    }))
    for (const name of this.#totalsBefore.keys()) {
      if (!reference.some(({ queue }) => queue === name)) this.#totalsBefore.delete(name)
    }
    for (const { queue } of reference) {
      const pages = await this.#both((engine) => engine.browse({ queue, states: allStates, limit: 1_000 }))
      this.#expectSameViews(pages.other.messages, pages.reference.messages, `messages in ${queue}`)
    }
    expect(measures.other.sort(byName), 'measures').toEqual(reference)
    const last = this.#recent(0)
    if (last !== undefined) {
      const found = await this.#both((engine, side) => engine.find(last[side]))
      expect(found.other && this.#labels.normal(found.other), 'find').toEqual(
        found.reference && this.#labels.normal(found.reference),
      )
    }
  }

  #expectSameViews(other: readonly MessageView[], reference: readonly MessageView[], what: string): void {
    expect(other.length, `number of ${what}`).toBe(reference.length)
    reference.forEach(({ id }, i) => {
      this.#labels.pair(id, (other[i] as MessageView).id)
    })
    const normal = (view: MessageView): unknown => this.#labels.normal(view)
    expect(other.map(normal), what).toEqual(reference.map(normal))
  }

  /** The nth latest receipt; old ones stay, to be refused. */
  #receipt(nth: number): GivenReceipt | undefined {
    return this.#receipts.at(-1 - nth)
  }

  #recent(nth: number): Labels['pairs'][number] | undefined {
    return this.#labels.pairs.at(-1 - nth)
  }

  #retermed(receipts: readonly GivenReceipt[], extended: readonly boolean[], termMs: number): void {
    const changed = new Set(receipts.filter((_, i) => extended[i]))
    this.#receipts = this.#receipts.map((receipt) => (changed.has(receipt) ? { ...receipt, termMs } : receipt))
  }
}

function droppedBy(plan: OpPlan): QueueName[] {
  if (plan.kind === 'count') return plan.reached.flatMap(droppedBy)
  return plan.kind === 'dropQueue' ? [plan.queue] : []
}

function termOf({ term, holder }: Extract<Action, { kind: 'lease' }>): LeaseTerm {
  switch (term) {
    case 'queue':
      return { kind: 'clock' }
    case 'short':
      return { kind: 'clock', leaseMs: SHORT_LEASE_MS }
    case 'holder':
      return { kind: 'holder', holder }
    case 'both':
      return { kind: 'clock', holder }
    default:
      return term satisfies never
  }
}

function settlement(
  how: Extract<SimplePlan, { kind: 'settle' }>['how'],
  ms: number,
  serial: number,
): Extract<Op, { kind: 'settle' }>['how'] {
  const note = ms === 0 ? {} : { note: encoder.encode(`note ${serial}`) }
  switch (how) {
    case 'ack':
      return { kind: 'ack' }
    case 'keep':
      return { kind: 'ack', keep: encoder.encode(`kept ${serial}`), ...(ms === 0 ? {} : { retainMs: ms }) }
    case 'release':
      return { kind: 'release', delayMs: ms, ...note }
    case 'unspent':
      return { kind: 'release', delayMs: ms, spend: false, ...note }
    case 'bury':
      return { kind: 'bury', reason: ms === 0 ? 'buried' : 'invalid', ...note }
    default:
      return how satisfies never
  }
}

function plainRecord({ key, value, version }: { key: string; value: Uint8Array; version: number }): unknown {
  return { key, version, value: new TextDecoder().decode(value) }
}

function difference(totals: QueueTotals, before: QueueTotals | undefined): QueueTotals {
  const entries = Object.entries(totals) as [keyof QueueTotals, number][]
  return Object.fromEntries(
    entries.map(([key, count]) => [key, count - (before?.[key] ?? 0)]),
  ) as unknown as QueueTotals
}

function withoutUndefined<T extends object>(object: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>
  }
}
