/**
 * Judges what a store holds after a fault against the log of what it had acknowledged, as Jepsen's total-queue does: everything
 * acknowledged comes out, nothing else does, nothing twice. Knows no engine and shares no code with one; the log is kept outside of it.
 *
 * Instants are places in the log: a call that was invoked at or before an instant and not answered by then may or may not
 * have happened.
 */

export interface SendFact {
  readonly key: string
  readonly queue: string
  readonly body: string
  /** Resolved means written, not synced: a power cut may take it. */
  readonly relaxed: boolean
  readonly invokedAt: number
  /** Undefined: unknown. */
  answer?: { readonly at: number; readonly kind: 'stored' | 'not-stored' }
}

export interface EndFact {
  readonly key: string
  /** `ack`: the message is gone. `bury`: it is dead, here or in the dead-letter queue. `release`: it is back. */
  readonly how: 'ack' | 'bury' | 'release'
  readonly relaxed: boolean
  readonly invokedAt: number
  answer?: { readonly at: number; readonly kind: 'settled' | 'not-settled' }
}

export interface UnitFact {
  readonly adds: readonly SendFact[]
  readonly ends: readonly EndFact[]
}

export interface DeliveryFact {
  readonly key: string
  readonly at: number
}

export interface RecordFact {
  readonly key: string
  readonly value: string
  readonly invokedAt: number
  answeredAt?: number
}

export class FaultLog {
  readonly sends = new Map<string, SendFact>()
  readonly ends: EndFact[] = []
  readonly units: UnitFact[] = []
  readonly deliveries: DeliveryFact[] = []
  readonly records: RecordFact[] = []
  /** Deliveries that settle as they leave: gone once somebody may have them. Invocations, by queue. */
  readonly takes: { queue: string; invokedAt: number; answeredAt?: number }[] = []
  #now = 0

  /** The latest instant. */
  get now(): number {
    return this.#now
  }

  next(): number {
    return ++this.#now
  }

  send(fact: Omit<SendFact, 'invokedAt' | 'answer'>): SendFact {
    const send: SendFact = { ...fact, invokedAt: this.next() }
    this.sends.set(fact.key, send)
    return send
  }

  end(fact: Omit<EndFact, 'invokedAt' | 'answer'>): EndFact {
    const end: EndFact = { ...fact, invokedAt: this.next() }
    this.ends.push(end)
    return end
  }
}

export interface SeenMessage {
  readonly key: string
  readonly queue: string
  readonly state: string
  readonly sequence: number
  readonly deliveries: number
  readonly body: string
}

export interface Seen {
  readonly messages: readonly SeenMessage[]
  readonly records: ReadonlyMap<string, string>
}

/** What was done to the store: a power cut may take what was only written, a kill may not. */
export type Fault = 'power cut' | 'kill'

/** Every promise that is broken, in words; [] when all is well. */
export function judge(log: FaultLog, seen: Seen, at: number, fault: Fault): string[] {
  return [
    ...totalQueue(log, seen, at, fault),
    ...atomicUnits(log, seen, at),
    ...order(log, seen, at),
    ...deliveries(log, seen, at, fault),
    ...records(log, seen, at),
  ]
}

function totalQueue(log: FaultLog, seen: Seen, at: number, fault: Fault): string[] {
  const problems: string[] = []
  const present = new Map<string, SeenMessage>()
  for (const message of seen.messages) {
    if (present.has(message.key)) problems.push(`duplicated: ${message.key}`)
    present.set(message.key, message)
    const send = log.sends.get(message.key)
    if (send === undefined || send.invokedAt > at) problems.push(`unexpected: ${message.key} was never sent`)
    else if (send.body !== message.body) problems.push(`damaged: ${message.key} has another body`)
    else if (send.answer?.kind === 'not-stored' && send.answer.at <= at)
      problems.push(`unexpected: ${message.key} was refused and is there`)
  }
  const ended = new Map<string, EndFact[]>()
  for (const end of log.ends) if (end.invokedAt <= at) ended.set(end.key, [...(ended.get(end.key) ?? []), end])
  const takenFrom = new Set(
    log.takes.filter((take) => take.invokedAt <= at && !answered(take.answeredAt, at)).map((take) => take.queue),
  )
  for (const send of log.sends.values()) {
    const ends = ended.get(send.key) ?? []
    const held = (relaxed: boolean): boolean => !relaxed || fault === 'kill'
    const settled = ends.find((end) => isSettled(end, at) && held(end.relaxed) && end.how !== 'release')
    const mayBeGone = ends.some(
      (end) => end.how === 'ack' && !(end.answer?.kind === 'not-settled' && end.answer.at <= at),
    )
    const found = present.get(send.key)
    if (found === undefined) {
      const stored = send.answer?.kind === 'stored' && send.answer.at <= at && held(send.relaxed)
      if (stored && !mayBeGone && !takenFrom.has(send.queue)) problems.push(`lost: ${send.key} of ${send.queue}`)
    } else if (settled?.how === 'ack') {
      problems.push(`undone: ${send.key} was acked and is ${found.state} in ${found.queue}`)
    } else if (settled?.how === 'bury' && found.state !== 'dead' && found.queue === send.queue) {
      problems.push(`undone: ${send.key} was buried and is ${found.state} in ${found.queue}`)
    }
  }
  return problems
}

/** A unit without an answer happened as a whole, or not at all. */
function atomicUnits(log: FaultLog, seen: Seen, at: number): string[] {
  const present = new Set(seen.messages.map((message) => message.key))
  const problems: string[] = []
  for (const unit of log.units) {
    const facts = [...unit.adds, ...unit.ends]
    if (facts.some((fact) => fact.invokedAt > at || (fact.answer !== undefined && fact.answer.at <= at))) continue
    const applied = [
      ...unit.adds.map((send) => present.has(send.key)),
      // A relaxed message may be gone by the cut itself, and another by another call: that says nothing about this ack.
      ...unit.ends
        .filter((end) => end.how === 'ack' && log.sends.get(end.key)?.relaxed !== true && !endedOtherwise(log, end, at))
        .map((end) => !present.has(end.key)),
    ]
    if (applied.includes(true) && applied.includes(false))
      problems.push(`torn: the unit of ${facts.map((fact) => fact.key).join(', ')} was applied in part`)
  }
  return problems
}

/** Sequences agree with real time: what was answered before another was sent comes before it. */
function order(log: FaultLog, seen: Seen, at: number): string[] {
  const problems: string[] = []
  let latest: SendFact | undefined
  for (const message of [...seen.messages].sort((a, b) => a.sequence - b.sequence)) {
    const send = log.sends.get(message.key)
    if (send === undefined || send.queue !== message.queue) continue
    const answer = send.answer !== undefined && send.answer.at <= at ? send.answer.at : Number.POSITIVE_INFINITY
    if (latest !== undefined && answer < latest.invokedAt)
      problems.push(`out of order: ${message.key} comes after ${latest.key}, which was sent later`)
    if (latest === undefined || send.invokedAt > latest.invokedAt) latest = send
  }
  return problems
}

/** A process that died has spent its attempts; nobody has spent more. */
function deliveries(log: FaultLog, seen: Seen, at: number, fault: Fault): string[] {
  const made = new Map<string, number>()
  for (const delivery of log.deliveries)
    if (delivery.at <= at) made.set(delivery.key, (made.get(delivery.key) ?? 0) + 1)
  const problems: string[] = []
  for (const message of seen.messages) {
    if (log.sends.get(message.key)?.queue !== message.queue) continue
    const known = made.get(message.key) ?? 0
    if (fault === 'kill' && message.deliveries < known)
      problems.push(`forgotten: ${message.key} was delivered ${known} times and counts ${message.deliveries}`)
  }
  return problems
}

function records(log: FaultLog, seen: Seen, at: number): string[] {
  const problems: string[] = []
  for (const key of new Set(log.records.map((record) => record.key))) {
    const writes = log.records.filter((record) => record.key === key && record.invokedAt <= at)
    const last = writes.findLastIndex((write) => answered(write.answeredAt, at))
    const allowed = writes.slice(Math.max(0, last)).map((write) => write.value)
    const value = seen.records.get(key)
    if (value === undefined ? last >= 0 : !allowed.includes(value))
      problems.push(`record ${key} is ${value}, not one of ${allowed.join(', ')}`)
  }
  return problems
}

function endedOtherwise(log: FaultLog, end: EndFact, at: number): boolean {
  const { queue } = log.sends.get(end.key) ?? {}
  return (
    log.ends.some((other) => other !== end && other.key === end.key && other.how === 'ack' && other.invokedAt <= at) ||
    log.takes.some((take) => take.queue === queue && take.invokedAt <= at && !answered(take.answeredAt, at))
  )
}

function isSettled(end: EndFact, at: number): boolean {
  return end.answer?.kind === 'settled' && end.answer.at <= at
}

function answered(answeredAt: number | undefined, at: number): boolean {
  return answeredAt !== undefined && answeredAt <= at
}
