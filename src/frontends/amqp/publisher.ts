/**
 * From content frames to the store. Publishes of one socket chunk are gathered into runs (one channel, one target) and each run is one
 * call to the broker, so that they share its unit of work and its sync; the answer confirms them together.
 *
 * A run that a full disk refuses is not lost: it is tried again until it is stored, and meanwhile the connection is told
 * (connection.blocked) and not read.
 */
import type { PublishedMessage, QueuedMessage, Routing } from '../../broker/port.ts'
import { isFault } from '../../model/errors.ts'
import type { AppendOutcome, NewMessage } from '../../model/message.ts'
import type { Timer } from '../../runtime/clock.ts'
import type { Confirmed, Confirms } from './confirms.ts'
import { notFound, preconditionFailed } from './fault.ts'
import type { Hub } from './hub.ts'

/** Where a basic.publish goes: names that were checked. */
export type Target =
  /** By the default exchange: straight to the queue of that name. */
  | { readonly kind: 'queue'; readonly name: string }
  | {
      readonly kind: 'exchange'
      /** In the store. */
      readonly name: string
      readonly wireName: string
      readonly vhost: string
      readonly routing: Routing
      /** `x-delayed-message`: its header `x-delay` counts. */
      readonly delayed: boolean
    }

/** The channel as its publishes see it. */
export interface PublishingChannel {
  /** undefined: not in confirm mode. */
  readonly confirms: Confirms | undefined
  returned(message: NewMessage): void
  /** Confirms that became due are written. */
  confirmed(): void
  failed(fault: unknown): void
}

interface Run {
  readonly channel: PublishingChannel
  readonly target: Target
  readonly mandatory: boolean
  messages: PublishedMessage[]
  /** The queues of each message; set as soon as they are not all the target. */
  queues: (readonly string[])[] | undefined
  bytes: number
  confirm: Confirmed | undefined
}

const RETRY_MS = 500
/** Consumers need not wait for the sync: what a confirm promises is the publisher's alone. */
const EARLY = { early: true } as const
const NO_QUEUES: readonly string[] = []

export class Publisher {
  readonly #hub: Hub
  readonly #pressure: (state: 'flowing' | 'paused' | 'blocked') => void
  #open: Run | undefined
  /** Runs that the full disk refused, in order. */
  #refused: Run[] = []
  #retry: Timer | undefined
  #unstored = 0
  #unstoredBytes = 0
  #state: 'flowing' | 'paused' | 'blocked' = 'flowing'
  #waiters: (() => void)[] = []
  #closed = false

  constructor(parts: { hub: Hub; pressure: (state: 'flowing' | 'paused' | 'blocked') => void }) {
    this.#hub = parts.hub
    this.#pressure = parts.pressure
  }

  /** `moreQueues`: further ones that get it in the same unit (CC and BCC by the default exchange). */
  add(
    channel: PublishingChannel,
    target: Target,
    mandatory: boolean,
    message: PublishedMessage,
    moreQueues: readonly string[] = NO_QUEUES,
  ): void {
    let run = this.#open
    if (run === undefined || run.channel !== channel || run.mandatory !== mandatory || !joins(run, target)) {
      this.flush()
      run = { channel, target, mandatory, messages: [], queues: undefined, bytes: 0, confirm: undefined }
      this.#open = run
    }
    if (run.queues === undefined && (run.target.name !== target.name || moreQueues.length > 0)) {
      const queues = [run.target.name]
      run.queues = run.messages.map(() => queues)
    }
    run.messages.push(message)
    run.queues?.push(moreQueues.length === 0 ? [target.name] : [target.name, ...moreQueues])
    run.bytes += message.content.body.length
    if (run.messages.length >= this.#hub.parts.limits.batchMax) this.flush()
  }

  /** Hands the open run to the broker. */
  flush(): void {
    const run = this.#open
    if (run === undefined) return
    this.#open = undefined
    run.confirm = run.channel.confirms?.open(run.messages.length)
    this.#unstored += run.messages.length
    this.#unstoredBytes += run.bytes
    if (this.#refused.length > 0) this.#refused.push(run)
    else this.#store(run)
    this.#judge()
  }

  /** Resolves when everything published so far is stored or refused. */
  idle(): Promise<void> | undefined {
    this.flush()
    if (this.#unstored === 0) return undefined
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** What waits for the disk is given up: its connection is gone, and it was never confirmed. */
  close(): void {
    this.#closed = true
    this.#open = undefined
    this.#retry?.cancel()
    this.#refused = []
    for (const wake of this.#waiters.splice(0)) wake()
  }

  #store(run: Run): void {
    const { port } = this.#hub.parts
    const { target, messages, queues } = run
    if (target.kind === 'exchange') {
      port.publish(target.name, messages, EARLY).then(
        (outcomes) => this.#published(run, outcomes),
        (fault: unknown) => this.#failed(run, fault),
      )
    } else if (queues === undefined) {
      port.append(target.name, messages, EARLY).then(
        (outcomes) => this.#appended(run, outcomes),
        (fault: unknown) => this.#failed(run, fault),
      )
    } else {
      const units = messages.map((message, i) => unitOf(queues[i], message))
      port.deliver(units, EARLY).then(
        (outcomes) => this.#published(run, outcomes),
        (fault: unknown) => this.#failed(run, fault),
      )
    }
  }

  #appended(run: Run, outcomes: readonly AppendOutcome[]): void {
    for (let i = 0; i < outcomes.length; i++) {
      if ((outcomes[i] as AppendOutcome).kind === 'refused') {
        this.#published(
          run,
          outcomes.map((outcome) => [outcome]),
        )
        return
      }
    }
    this.#settled(run)
  }

  #published(run: Run, outcomes: readonly (readonly AppendOutcome[])[]): void {
    const full: number[] = []
    const refused: number[] = []
    let misfit: string | undefined
    for (let i = 0; i < outcomes.length; i++) {
      const unit = outcomes[i] as readonly AppendOutcome[]
      if (unit.length > 0 && unit.every(isDiskFull)) full.push(i)
      else if (unit.every(isNoQueue)) {
        if (run.mandatory) run.channel.returned(run.messages[i] as PublishedMessage)
      } else if (unit.some(isRefused)) {
        refused.push(i)
        misfit ??= unit.some(isMisfit) ? run.target.name : undefined
      }
    }
    if (misfit !== undefined && run.confirm === undefined) {
      // Nobody would hear of it: a queue that orders by group, say, takes nothing from AMQP.
      run.channel.failed(preconditionFailed(`'${misfit}' leads to a queue that takes no messages without a group`))
    }
    if (full.length > 0) {
      this.#wait(run, full)
      return
    }
    if (refused.length > 0 && run.confirm !== undefined) run.confirm.refused = refused
    this.#settled(run)
  }

  #settled(run: Run): void {
    this.#done(run)
    if (run.confirm !== undefined) run.confirm.settled = true
    if (!this.#closed) run.channel.confirmed()
  }

  #failed(run: Run, fault: unknown): void {
    this.#done(run)
    if (this.#closed) return
    if (isFault(fault, 'no-such-exchange') && run.target.kind === 'exchange') {
      this.#hub.exchanges.changed()
      run.channel.failed(notFound('exchange', run.target.wireName, run.target.vhost))
      return
    }
    run.channel.failed(fault)
  }

  #done(run: Run): void {
    this.#unstored -= run.messages.length
    this.#unstoredBytes -= run.bytes
    if (this.#unstored === 0) for (const wake of this.#waiters.splice(0)) wake()
    this.#judge()
  }

  /** The part of a run for which the disk had no room: the rest of it is stored, and is confirmed together with this part. */
  #wait(run: Run, full: readonly number[]): void {
    if (this.#closed) {
      this.#done(run)
      return
    }
    const { log, clock } = this.#hub.parts
    if (full.length < run.messages.length) {
      const { messages, queues } = run
      this.#unstored -= messages.length - full.length
      run.messages = full.map((place) => messages[place] as PublishedMessage)
      run.queues = queues && full.map((place) => queues[place] as readonly string[])
    }
    if (this.#refused.length === 0) {
      log.warn('the disk has no room: an AMQP publisher is held back until it has', { target: run.target.name })
    }
    this.#refused.push(run)
    this.#judge()
    this.#retry ??= clock.setTimer(RETRY_MS, () => {
      this.#retry = undefined
      const waiting = this.#refused
      this.#refused = []
      for (const refused of waiting) this.#store(refused)
    })
  }

  /** Tells whether the connection may be read. */
  #judge(): void {
    const { unstoredMax, unstoredBytesMax } = this.#hub.parts.amqpLimits
    const share = Math.max(this.#unstored / unstoredMax, this.#unstoredBytes / unstoredBytesMax)
    // Read again at half of it, so that a socket is not switched at every message.
    const holds = share >= 1 || (this.#state !== 'flowing' && share > 0.5)
    const isBlocked = this.#refused.length > 0 || (this.#state === 'blocked' && this.#unstored > 0)
    const state = isBlocked ? 'blocked' : holds ? 'paused' : 'flowing'
    if (state === this.#state) return
    this.#state = state
    if (!this.#closed) this.#pressure(state)
  }
}

function unitOf(queues: readonly string[] = NO_QUEUES, message: PublishedMessage): QueuedMessage[] {
  return queues.map((queue) => ({ queue, message }))
}

/** Queues by the default exchange share a run; an exchange has its own. */
function joins({ target }: Run, other: Target): boolean {
  if (target === other) return true
  if (target.kind !== other.kind) return false
  return target.kind === 'queue' || target.name === other.name
}

function isRefused({ kind }: AppendOutcome): boolean {
  return kind === 'refused'
}

function isMisfit(outcome: AppendOutcome): boolean {
  return outcome.kind === 'refused' && outcome.reason === 'group-required'
}

function isNoQueue(outcome: AppendOutcome): boolean {
  return outcome.kind === 'refused' && outcome.reason === 'no-such-queue'
}

function isDiskFull(outcome: AppendOutcome): boolean {
  return outcome.kind === 'refused' && outcome.reason === 'disk-full'
}
