/**
 * The specification of a message's life: one pure function, which `engine/memory` runs as it stands and every other
 * engine is compared with.
 *
 * States
 *   delayed   waits for an instant: a delay, or backoff between attempts
 *   ready     may be leased; remembers the token of a lease that ran out in silence, for a late ack
 *   leased    hidden behind a token, until an instant, the end of a holder, or both
 *   done      acked with a kept value, until its retention ends
 *   dead      gave up and is held, until its retention ends
 *   gone      no longer in this queue; an effect says whether it went to another one
 *
 * Transitions
 *   delayed --due--> ready            delayed, ready --expired--> gone | death
 *   ready, delayed, dead --lease--> leased
 *   leased --ack--> gone | done       leased --bury--> death
 *   leased --release--> ready | delayed | death (exhausted, expired)
 *   leased --lost--> ready | death (lost, exhausted, expired)
 *   leased --givenBack--> ready       (its attempt was not spent)
 *   leased from dead --release, lost, givenBack--> dead, as if it had died now, with its history as it was
 *   ready --ack with the token of its lapsed lease--> gone | done   (queues with lateAck)
 *   delayed, ready --overflow--> death   done, dead --retentionEnded--> gone
 *   death: dead (hold, exchange), gone (discard, a closed cycle), or gone with the effect `move` (dead letter)
 *
 * Invariants
 *   1. A token is given once; a transition that names one happens only while it is the token of the state.
 *   2. attempts <= deliveries.
 *   3. Nothing but `lease` raises attempts; nothing but `release` with spend: false, and `givenBack`, lowers it.
 *   4. A death has one reason, adds exactly one to its history's counts, and tells each queue of `failedEventsTo` once.
 *   5. done, dead and gone remember no token: every receipt of them is stale.
 */
import { addDeath, closesCycle } from './deaths.ts'
import type { Death, DeathReason } from './message.ts'
import type { QueuePolicy } from './policy.ts'

/** Instants named `Ms` alone are monotonic milliseconds; those named `AtMs` are wall time. */
export interface Life {
  readonly state: LifeState
  /** Deliveries spent, the current one included. */
  readonly attempts: number
  /** Deliveries made. */
  readonly deliveries: number
  /** When its TTL ends; judged while it waits. undefined: never. */
  readonly expiresMs: number | undefined
  readonly history: readonly Death[]
  readonly note: Uint8Array | undefined
  readonly firstLeasedAtMs: number | undefined
}

export type LifeState =
  | { readonly kind: 'delayed'; readonly dueMs: number }
  | { readonly kind: 'ready'; readonly lapsedToken: number | undefined }
  | LeasedState
  | {
      readonly kind: 'done'
      readonly kept: Uint8Array
      readonly endedAtMs: number
      readonly untilMs: number | undefined
    }
  | { readonly kind: 'dead'; readonly endedAtMs: number; readonly untilMs: number | undefined }
  | { readonly kind: 'gone' }

export interface LeasedState {
  readonly kind: 'leased'
  readonly token: number
  /** undefined: it ends only with its holder. */
  readonly endMs: number | undefined
  readonly holder: string | undefined
  /** It was dead before, and is dead again when the lease ends without an ack. */
  readonly fromDead: boolean
}

export type LifeEvent =
  | { readonly kind: 'due' }
  | { readonly kind: 'expired' }
  | {
      readonly kind: 'lease'
      readonly token: number
      readonly endMs: number | undefined
      readonly holder: string | undefined
    }
  | { readonly kind: 'extend'; readonly token: number; readonly endMs: number }
  | {
      readonly kind: 'ack'
      readonly token: number
      readonly keep: Uint8Array | undefined
      readonly retainMs: number | undefined
    }
  | {
      readonly kind: 'release'
      readonly token: number
      readonly delayMs: number
      readonly spend: boolean
      readonly note: Uint8Array | undefined
    }
  | { readonly kind: 'bury'; readonly token: number; readonly reason: string; readonly note: Uint8Array | undefined }
  | { readonly kind: 'lost' }
  | { readonly kind: 'givenBack' }
  | { readonly kind: 'overflow' }
  | { readonly kind: 'retentionEnded' }

export type LifeEffect =
  | { readonly kind: 'died'; readonly reason: DeathReason; readonly attempts: number }
  /** Arrives in `queue` with the same id and note: attempts, deliveries and TTL start anew. */
  | {
      readonly kind: 'move'
      readonly queue: string
      readonly history: readonly Death[]
      readonly note: Uint8Array | undefined
    }
  /** One failed event to each of these queues. */
  | {
      readonly kind: 'tell'
      readonly queues: readonly string[]
      readonly reason: DeathReason
      readonly attempts: number
    }

export type Decision =
  /** The event does not fit the state (an old token, a transition that time overtook): nothing changes. */
  { readonly kind: 'stale' } | { readonly kind: 'next'; readonly life: Life; readonly effects: readonly LifeEffect[] }

/** What the place of a message adds to its own facts. */
export interface Rules {
  readonly queue: string
  readonly policy: QueuePolicy
  /** Is there a queue of this name to move the dead to? */
  readonly exists: (queue: string) => boolean
}

export interface Now {
  readonly monotonicMs: number
  readonly wallMs: number
}

const stale: Decision = { kind: 'stale' }

/** The first state of an append or a move. */
export function born(
  message: { readonly delayMs: number; readonly ttlMs: number | null; readonly history: readonly Death[] },
  now: Now,
): Life {
  return {
    state: waiting(message.delayMs, now),
    attempts: 0,
    deliveries: 0,
    expiresMs: message.ttlMs === null ? undefined : now.monotonicMs + message.ttlMs,
    history: message.history,
    note: undefined,
    firstLeasedAtMs: undefined,
  }
}

export function decide(life: Life, event: LifeEvent, rules: Rules, now: Now): Decision {
  const { state } = life
  switch (event.kind) {
    case 'due':
      return state.kind === 'delayed' ? next({ ...life, state: waiting(0, now) }) : stale
    case 'expired':
      return state.kind === 'delayed' || state.kind === 'ready' ? expire(life, rules, now) : stale
    case 'lease':
      return lease(life, event, now)
    case 'extend':
      return state.kind === 'leased' && state.token === event.token
        ? next({ ...life, state: { ...state, endMs: event.endMs } })
        : stale
    case 'ack':
      return mayAck(state, event.token, rules) ? ack(life, event, now) : stale
    case 'release':
      return state.kind === 'leased' && state.token === event.token ? release(life, state, event, rules, now) : stale
    case 'bury':
      return state.kind === 'leased' && state.token === event.token
        ? die(withNote(life, event.note), event.reason, rules, now)
        : stale
    case 'lost':
      return state.kind === 'leased' ? lose(life, state, rules, now) : stale
    case 'givenBack':
      return state.kind === 'leased' ? back(unspent(life), state, 0, rules, now) : stale
    case 'overflow':
      return state.kind === 'ready' || state.kind === 'delayed' ? die(life, 'overflow', rules, now) : stale
    case 'retentionEnded':
      return state.kind === 'done' || state.kind === 'dead' ? next(gone(life)) : stale
    default:
      return event satisfies never
  }
}

function lease(life: Life, event: Extract<LifeEvent, { kind: 'lease' }>, now: Now): Decision {
  const { state } = life
  if (state.kind !== 'ready' && state.kind !== 'delayed' && state.kind !== 'dead') return stale
  const { token, endMs, holder } = event
  return next({
    ...life,
    state: { kind: 'leased', token, endMs, holder, fromDead: state.kind === 'dead' },
    attempts: life.attempts + 1,
    deliveries: life.deliveries + 1,
    firstLeasedAtMs: life.firstLeasedAtMs ?? now.wallMs,
  })
}

function mayAck(state: LifeState, token: number, { policy }: Rules): boolean {
  if (state.kind === 'leased') return state.token === token
  return state.kind === 'ready' && state.lapsedToken === token && policy.lateAck
}

function ack(life: Life, { keep, retainMs }: Extract<LifeEvent, { kind: 'ack' }>, now: Now): Decision {
  if (keep === undefined) return next(gone(life))
  const untilMs = retainMs === undefined ? undefined : now.monotonicMs + retainMs
  return next({ ...life, state: { kind: 'done', kept: keep, endedAtMs: now.wallMs, untilMs } })
}

function release(
  life: Life,
  state: LeasedState,
  event: Extract<LifeEvent, { kind: 'release' }>,
  rules: Rules,
  now: Now,
): Decision {
  const noted = withNote(life, event.note)
  if (!event.spend) return back(unspent(noted), state, event.delayMs, rules, now)
  if (!state.fromDead && isExhausted(life, rules)) return die(noted, 'exhausted', rules, now)
  return back(noted, state, event.delayMs, rules, now)
}

/** A lease that ended in silence. The queue's choice to fail comes first: it names the cause. */
function lose(life: Life, state: LeasedState, rules: Rules, now: Now): Decision {
  if (state.fromDead) return next(held(life, rules, now))
  if (rules.policy.onLost === 'fail') return die(life, 'lost', rules, now)
  if (isExhausted(life, rules)) return die(life, 'exhausted', rules, now)
  if (isExpired(life, now)) return expire(life, rules, now)
  return next({ ...life, state: { kind: 'ready', lapsedToken: state.token } })
}

/** Given back by whoever had it: to its place, or to the dead it came from. */
function back(life: Life, state: LeasedState, delayMs: number, rules: Rules, now: Now): Decision {
  if (state.fromDead) return next(held(life, rules, now))
  if (isExpired(life, now)) return expire(life, rules, now)
  return next({ ...life, state: waiting(delayMs, now) })
}

function expire(life: Life, rules: Rules, now: Now): Decision {
  return rules.policy.onExpired === 'die' ? die(life, 'expired', rules, now) : next(gone(life))
}

function die(life: Life, reason: DeathReason, rules: Rules, now: Now): Decision {
  const { policy, queue } = rules
  const { attempts } = life
  const death = { queue, reason, atMs: now.wallMs, attempts }
  const history = addDeath(life.history, death)
  const effects: LifeEffect[] = [{ kind: 'died', reason, attempts }]
  let after = gone(life)
  const { onDeath } = policy
  const target = onDeath.kind === 'deadLetter' && rules.exists(onDeath.queue) ? onDeath.queue : undefined
  const leaves = onDeath.kind === 'exchange' || target !== undefined
  if (onDeath.kind !== 'discard' && !(leaves && closesCycle(life.history, death))) {
    if (target === undefined) after = held({ ...life, history }, rules, now)
    else effects.push({ kind: 'move', queue: target, history, note: life.note })
  }
  if (policy.failedEventsTo.length > 0) effects.push({ kind: 'tell', queues: policy.failedEventsTo, reason, attempts })
  return { kind: 'next', life: after, effects }
}

function held(life: Life, { policy }: Rules, now: Now): Life {
  const untilMs = policy.deadRetentionMs === null ? undefined : now.monotonicMs + policy.deadRetentionMs
  return { ...life, state: { kind: 'dead', endedAtMs: now.wallMs, untilMs } }
}

function gone(life: Life): Life {
  return { ...life, state: { kind: 'gone' } }
}

function waiting(delayMs: number, now: Now): LifeState {
  return delayMs > 0 ? { kind: 'delayed', dueMs: now.monotonicMs + delayMs } : { kind: 'ready', lapsedToken: undefined }
}

function isExhausted({ attempts }: Life, { policy }: Rules): boolean {
  return policy.attemptsMax !== null && attempts >= policy.attemptsMax
}

function isExpired({ expiresMs }: Life, now: Now): boolean {
  return expiresMs !== undefined && expiresMs <= now.monotonicMs
}

function unspent(life: Life): Life {
  return { ...life, attempts: Math.max(0, life.attempts - 1) }
}

function withNote(life: Life, note: Uint8Array | undefined): Life {
  return note === undefined ? life : { ...life, note }
}

function next(life: Life): Decision {
  return { kind: 'next', life, effects: [] }
}

/** The instant at which time alone changes the message, and the event that it then is; undefined: never. */
export function nextEvent({
  state,
  expiresMs,
}: Life): { readonly atMs: number; readonly event: LifeEvent } | undefined {
  switch (state.kind) {
    case 'delayed':
      if (expiresMs !== undefined && expiresMs <= state.dueMs) return { atMs: expiresMs, event: { kind: 'expired' } }
      return { atMs: state.dueMs, event: { kind: 'due' } }
    case 'ready':
      return expiresMs === undefined ? undefined : { atMs: expiresMs, event: { kind: 'expired' } }
    case 'leased':
      return state.endMs === undefined ? undefined : { atMs: state.endMs, event: { kind: 'lost' } }
    case 'done':
    case 'dead':
      return state.untilMs === undefined ? undefined : { atMs: state.untilMs, event: { kind: 'retentionEnded' } }
    case 'gone':
      return undefined
    default:
      return state satisfies never
  }
}
