/**
 * What a folder still says about its messages: an account that takes effects in order, misses some, and knows what it cannot know. It
 * shares no code with the index of the engine, whose replay stops at the first thing it cannot explain.
 */
import type { Death } from '../../../model/message.ts'
import type { QueueLifetime } from '../../engine.ts'
import { State } from '../index/slots.ts'
import type { QueueRules } from '../replay.ts'
import type { RowReader } from '../snapshot-rows.ts'
import type { Place, Told } from './effects.ts'

export type RemainsState = 'waiting' | 'leased' | 'done' | 'dead'

/** Instants are wall ms, 0: none. */
export interface Remains {
  readonly number: number
  queue: number
  sequence: number
  readonly priority: number
  enqueuedAt: number
  due: number
  expires: number
  readonly group: string | undefined
  readonly dedup: string | undefined
  history: readonly Death[]
  state: RemainsState
  attempts: number
  deliveries: number
  firstLeasedAt: number
  endedAt: number
  /** When a done or dead one goes; 0: never. */
  until: number
  content: Place
  note: Place | undefined
  kept: Place | undefined
  fromDead: boolean
  /** How many gaps in the account came before the last word on it. */
  gapsBefore: number
}

export interface RemainingQueue {
  readonly id: number
  readonly rules: { readonly name: string; readonly policy: QueueRules['policy']; readonly lifetime: QueueLifetime }
}

/** Numbers that were given, as far as can be told, in what is missing. `to` undefined: nobody can say how many. */
export interface NumberGap {
  readonly where: string
  readonly from: number
  to: number | undefined
}

export class Account {
  readonly messages = new Map<number, Remains>()
  readonly queues = new Map<number, RemainingQueue>()
  readonly records = new Map<string, { readonly value: Uint8Array; readonly version: number }>()
  /** Keys that hold beyond their message, by queue and key. */
  readonly dedups = new Map<
    string,
    { readonly queue: number; readonly key: string; readonly number: number; readonly until: number }
  >()
  /** Contents of messages about which nothing else is known, by number. */
  readonly strays = new Map<number, Place>()
  /** Messages whose queue is unknown. */
  readonly homeless = new Map<number, Remains>()
  readonly numberGaps: NumberGap[] = []
  epoch = 0
  next = 1
  tag: string | undefined
  gaps = 0
  #openGap: NumberGap | undefined

  /** Something is missing here: what it said about messages from before is not known. */
  gap(where: string): void {
    this.gaps++
    if (this.#openGap !== undefined) return
    this.#openGap = { where, from: this.next, to: undefined }
    this.numberGaps.push(this.#openGap)
  }

  /** A gap in which no number can have been given that is not known otherwise. */
  silentGap(): void {
    this.gaps++
  }

  /** May it have been settled in what is missing? */
  isUncertain(message: Remains): boolean {
    return message.gapsBefore < this.gaps
  }

  /** A row of a checkpoint. Where the section that names its group is damaged, the journal may have told it. */
  row(row: RowReader): void {
    const state =
      row.state === State.leased
        ? 'leased'
        : row.state === State.done
          ? 'done'
          : row.state === State.dead
            ? 'dead'
            : 'waiting'
    const ended = state === 'done' || state === 'dead'
    this.homeless.delete(row.number)
    this.messages.set(row.number, {
      number: row.number,
      queue: row.queue,
      sequence: row.sequence,
      priority: row.priority,
      enqueuedAt: row.enqueuedAt,
      due: ended || state === 'leased' ? 0 : row.due,
      expires: row.expires,
      group: row.group ?? (row.groupRef < 0 ? undefined : this.messages.get(row.number)?.group),
      dedup: row.dedup,
      history: row.history,
      state,
      attempts: row.attempts,
      deliveries: row.deliveries,
      firstLeasedAt: row.lease?.firstLeasedAt ?? 0,
      endedAt: row.ended,
      until: ended ? row.due : 0,
      content: { ...row.content },
      note: row.note,
      kept: row.kept,
      fromDead: row.fromDead,
      gapsBefore: this.gaps,
    })
    this.#given(row.number)
  }

  tell(told: Told): void {
    switch (told.kind) {
      case 'append':
        this.#append(told)
        return
      case 'lease':
        this.#on(told.number, (message) => {
          message.attempts++
          message.deliveries++
          if (message.firstLeasedAt === 0) message.firstLeasedAt = told.at
          message.fromDead = message.state === 'dead'
          message.state = 'leased'
          message.due = 0
        })
        return
      case 'extend':
        this.#on(told.number, () => {})
        return
      case 'remove':
        this.#remove(told.number)
        return
      case 'keep':
        this.#on(told.number, (message) => {
          end(message, 'done', told.at, told.until)
          message.kept = told.kept
        })
        return
      case 'return':
        this.#on(told.number, (message) => {
          message.state = 'waiting'
          message.attempts = told.attempts
          // A delivery that fell into a gap.
          if (message.deliveries < told.attempts) message.deliveries = told.attempts
          message.due = told.due
          message.fromDead = false
          message.note = told.note ?? message.note
        })
        return
      case 'die':
        this.#on(told.number, (message) => {
          end(message, 'dead', told.at, told.until)
          message.history = told.history
          message.note = told.note ?? message.note
        })
        return
      case 'move':
        this.#move(told)
        return
      case 'record':
        if (told.value === undefined) this.records.delete(told.key)
        else this.records.set(told.key, { value: told.value, version: told.version })
        return
      case 'putQueue': {
        const { name, policy, lifetime } = told.rules
        this.queues.set(told.queue, { id: told.queue, rules: { name, policy, lifetime } })
        return
      }
      case 'drop':
        this.queues.delete(told.queue)
        for (const message of this.messages.values()) if (message.queue === told.queue) this.#remove(message.number)
        for (const [id, { queue }] of this.dedups) if (queue === told.queue) this.dedups.delete(id)
        return
      case 'purge':
        for (const number of told.numbers) this.#remove(number)
        for (const [id, { queue }] of this.dedups) if (queue === told.queue) this.dedups.delete(id)
        return
      case 'open': {
        this.epoch = Math.max(this.epoch, told.epoch)
        this.#closeGap(told.next)
        this.next = Math.max(this.next, told.next)
        const identity = told.identity as { readonly tag?: unknown } | null
        if (typeof identity?.tag === 'string') this.tag = identity.tag
        return
      }
      case 'copy':
        if (told.which === 0 || told.which === 3) this.#content(told.number, told.place)
        else {
          this.#on(told.number, (message) => {
            if (told.which === 1) message.note = told.place
            else message.kept = told.place
          })
        }
        return
      case 'place':
        this.#content(told.number, told.place)
        return
      default:
        told satisfies never
    }
  }

  holdDedup(queue: number, held: { readonly key: string; readonly number: number; readonly until: number }): void {
    this.dedups.set(`${queue} ${held.key}`, { queue, ...held })
  }

  #append(told: Extract<Told, { kind: 'append' }>): void {
    const { queue, number, sequence, priority, enqueuedAt, due, expires, group, dedup, history, content } = told
    this.#closeGap(number)
    const message: Remains = {
      number,
      queue,
      sequence,
      priority,
      enqueuedAt,
      due,
      expires,
      group,
      dedup,
      history,
      state: 'waiting',
      attempts: 0,
      deliveries: 0,
      firstLeasedAt: 0,
      endedAt: 0,
      until: 0,
      content,
      note: undefined,
      kept: undefined,
      fromDead: false,
      gapsBefore: this.gaps,
    }
    const rules = this.queues.get(queue)?.rules
    if (rules === undefined) this.homeless.set(number, message)
    else this.messages.set(number, message)
    if (dedup !== undefined && rules?.policy.dedup.kind === 'window')
      this.holdDedup(queue, { key: dedup, number, until: enqueuedAt + rules.policy.dedup.windowMs })
    this.#given(number)
    this.#given(sequence)
  }

  #move(told: Extract<Told, { kind: 'move' }>): void {
    this.#closeGap(told.sequence)
    this.#given(told.sequence)
    const homeless = this.homeless.get(told.number)
    if (homeless !== undefined && this.queues.has(told.queue)) {
      this.homeless.delete(told.number)
      this.messages.set(told.number, homeless)
    }
    this.#on(told.number, (message) => {
      message.queue = told.queue
      message.sequence = told.sequence
      message.enqueuedAt = told.at
      message.due = told.due
      message.expires = told.expires
      message.history = told.history
      message.note = told.note ?? message.note
      message.state = 'waiting'
      message.attempts = 0
      message.deliveries = 0
      message.firstLeasedAt = 0
      message.fromDead = false
    })
  }

  #content(number: number, place: Place): void {
    const known = this.messages.get(number) ?? this.homeless.get(number)
    if (known === undefined) this.strays.set(number, place)
    else known.content = place
  }

  #on(number: number, change: (message: Remains) => void): void {
    const message = this.messages.get(number) ?? this.homeless.get(number)
    if (message === undefined) return
    message.gapsBefore = this.gaps
    change(message)
  }

  #remove(number: number): void {
    this.messages.delete(number)
    this.homeless.delete(number)
    this.strays.delete(number)
  }

  #given(number: number): void {
    this.next = Math.max(this.next, number + 1)
  }

  /** A number given after the gap bounds those that were given in it. */
  #closeGap(number: number): void {
    const gap = this.#openGap
    if (gap === undefined || number < gap.from) return
    gap.to = number
    this.#openGap = undefined
  }
}

function end(message: Remains, state: 'done' | 'dead', at: number, until: number): void {
  message.state = state
  message.endedAt = at
  message.until = until
  message.due = 0
  message.fromDead = false
}
