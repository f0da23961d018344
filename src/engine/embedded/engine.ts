/**
 * The engine of `file:`: an append-only journal on a disk, and an index of it in memory.
 *
 *     verb -> apply what is due -> decide and apply to the index -> seal one record -> wait for its batch -> answer
 *
 * Everything up to `seal` happens in one turn of the event loop, so verbs never interleave and the order of records is the
 * order of decisions. A record that cannot be written poisons the engine, so what was applied before it was durable never
 * needs to be taken back.
 */
import { SpindleError } from '../../model/errors.ts'
import { defaultLimits } from '../../model/limits.ts'
import type {
  AppendOutcome,
  Delivery,
  ExtendOutcome,
  MessageId,
  MessageView,
  Receipt,
  SettleOutcome,
} from '../../model/message.ts'
import { type Log, silentLog } from '../../runtime/log.ts'
import type {
  AppendOp,
  BrowsePage,
  BrowseRequest,
  Capabilities,
  CommitOptions,
  DirectEngine,
  Engine,
  LeaseRequest,
  Outcome,
  QueueMeasure,
  Settlement,
  StoredRecord,
  Unit,
} from '../engine.ts'
import { append } from './appends.ts'
import { browse, measureAll } from './browse.ts'
import { Core } from './core.ts'
import { applyDue, endHolder, Idle, isDue, nextDueMs } from './due.ts'
import type { Journal } from './journal/journal.ts'
import { Leased } from './leased.ts'
import { type Describe, EXTEND_BYTES, extend, lease } from './leases.ts'
import { type EmbeddedEngineParts, fill, openJournal } from './opening.ts'
import { Receipts } from './receipts.ts'
import { Room } from './room.ts'
import { isDurable, newNotes, reveal, revealUpTo, type UnitNotes } from './rows.ts'
import type { UnitTools } from './unit-tools.ts'
import { appendBytesOf, appends, runUnit, SETTLED, settleBy, settleBytesOf } from './units.ts'
import type { Upkeep } from './upkeep.ts'
import { deliveryOf, find } from './views.ts'
import { Watchers } from './watchers.ts'

/** Transitions that one verb applies at most before its own work, so that none pauses the process. */
const DUE_BUDGET = 20_000

/** What a commit waits for: record numbers, 0 for none. `early`: others may lease what it appends meanwhile. */
interface Wait {
  durable: number
  written: number
  readonly early: boolean
}

export class EmbeddedEngine implements Engine {
  readonly capabilities: Capabilities = { durable: true, callerTransactions: false, clock: 'process' }
  readonly direct: DirectEngine = {
    append: (op) => this.#append(op),
    lease: (request) => this.#lease(request, this.#leased),
    settle: (delivery, how) => this.#settle(delivery, how),
    kept: (value) => this.#kept(value),
  }
  readonly #parts: EmbeddedEngineParts
  readonly #log: Log
  readonly #core: Core
  readonly #receipts = new Receipts()
  readonly #idle = new Idle()
  readonly #tools: UnitTools
  readonly #watchers = new Watchers()
  #journal: Journal | undefined
  #room: Room | undefined
  #upkeep: Upkeep | undefined
  #state: 'new' | 'open' | 'closing' | 'closed' = 'new'
  #fault: SpindleError | undefined
  #closing: Promise<void> | undefined
  /** Commits that wait for room, in order. */
  #roomLine: Promise<unknown> = Promise.resolve()
  #inRoomLine = 0
  /** What the latest direct call waits for. */
  readonly #latest: Wait = { durable: 0, written: 0, early: false }
  readonly #delivery: Describe = (slot) => deliveryOf(this.#core, this.#receipts, slot)
  readonly #leased: Describe = (slot) => new Leased(this.#core, this.#receipts, slot)

  constructor(parts: EmbeddedEngineParts) {
    this.#parts = parts
    this.#log = parts.log ?? silentLog
    this.#core = new Core({ clock: parts.clock, limits: parts.limits ?? defaultLimits })
    this.#core.onHint = (queue) => this.#watchers.hint(queue)
    this.#tools = { core: this.#core, receipts: this.#receipts, idle: this.#idle }
  }

  /** Bytes of typed arrays that the index holds, for benchmarks. */
  get indexBytes(): number {
    return this.#core.index.bytes
  }

  async open(): Promise<void> {
    if (this.#state !== 'new') throw new SpindleError('closed', `open ${this.#parts.disk.label} a second time`)
    const core = this.#core
    const journal = await openJournal(this.#parts)
    this.#journal = journal
    this.#room = new Room(core, journal)
    journal.onWritten = (sealed) => this.#written(sealed)
    journal.onSynced = (sealed) => this.#synced(sealed)
    journal.onFailed = (error) => this.#poison(error)
    this.#upkeep = await fill(core, journal, this.#parts)
    for (const queue of core.byName.values()) if (queue.lifetime.kind === 'idle') this.#idle.firstMs = core.nowMs
    this.#state = 'open'
    this.#core.hintAllDead()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const wasOpen = this.#state === 'open'
    this.#state = 'closing'
    if (wasOpen && this.#fault === undefined) {
      await this.#roomLine.catch(() => {})
      await this.#upkeep?.finish()
      await this.#journal?.sync().catch(() => {})
    }
    this.#state = 'closed'
    await this.#upkeep?.stop()
    await this.#journal?.close()
    this.#core.ledger?.fail(new SpindleError('closed', `use ${this.#parts.disk.label}`))
  }

  commit(units: readonly Unit[], options?: CommitOptions): Promise<Outcome[][]> {
    const refusal = this.#begin('commit')
    if (refusal !== undefined) return Promise.reject(refusal)
    if (options?.within !== undefined) {
      return Promise.reject(new SpindleError('unsupported', 'commit within a transaction of the caller'))
    }
    let outcomes: Outcome[][] = []
    const wait: Wait = { durable: 0, written: 0, early: options?.early === true }
    try {
      for (const unit of units) {
        const mustWait = (this.#inRoomLine > 0 && appends(unit)) || !(this.#room as Room).hasFor(unit)
        if (mustWait) return this.#commitInLine(units, outcomes, wait)
        const done = this.#run(unit, wait, false)
        // The common call: a literal is as long as need be, where a first push makes room for seventeen.
        if (units.length === 1) outcomes = [done]
        else outcomes.push(done)
      }
    } catch (error) {
      return Promise.reject(this.#faultOf(error))
    }
    return this.#answer(wait, outcomes)
  }

  /** The rest of a commit for whose appends there was no room at once. */
  #commitInLine(units: readonly Unit[], outcomes: Outcome[][], wait: Wait): Promise<Outcome[][]> {
    const rest = async (): Promise<Outcome[][]> => {
      for (const unit of units.slice(outcomes.length)) {
        const room = this.#room as Room
        // Others take room while this waits, and what is due takes some: judged last, and again until the disk says no.
        let full = false
        for (;;) {
          if (this.#fault !== undefined) throw this.#fault
          this.#core.readClocks()
          this.#applyDue(DUE_BUDGET)
          if (full || room.hasFor(unit)) break
          full = !(await room.makeFor(unit))
        }
        if (full && !appends(unit)) throw this.#full('commit')
        outcomes.push(this.#run(unit, wait, full))
      }
      return outcomes
    }
    this.#inRoomLine++
    const turn = this.#roomLine.then(rest)
    this.#roomLine = turn.then(
      () => this.#inRoomLine--,
      () => this.#inRoomLine--,
    )
    return turn.then(
      () => this.#answer(wait, outcomes),
      (error: unknown) => Promise.reject(this.#faultOf(error)),
    )
  }

  /** Applies and seals one unit. */
  #run(unit: Unit, wait: Wait, diskFull: boolean): Outcome[] {
    const notes = newNotes()
    notes.diskFull = diskFull
    const outcomes = runUnit(this.#tools, unit, notes)
    this.#seal(notes, isDurable(unit.relaxed, notes), wait)
    return outcomes
  }

  #append(op: AppendOp): AppendOutcome | undefined {
    const refusal = this.#begin('commit')
    if (refusal !== undefined) throw refusal
    try {
      if (this.#inRoomLine > 0 || !(this.#journal as Journal).hasRoom(appendBytesOf(op.message), 'append'))
        return undefined
      const notes = newNotes()
      const outcome = append(this.#core, op, notes)
      this.#sealLatest(notes)
      return outcome
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  #settle(delivery: Pick<Delivery, 'receipt'>, how: Settlement): SettleOutcome | undefined {
    const refusal = this.#begin('commit')
    if (refusal !== undefined) throw refusal
    try {
      if (!(this.#journal as Journal).hasRoom(settleBytesOf(how), 'settle')) return undefined
      const notes = newNotes()
      const receipt = delivery instanceof Leased ? delivery : this.#receipts.parse(delivery.receipt)
      const outcome = settleBy(this.#core, receipt, how, notes)
      this.#sealLatest(notes)
      return outcome
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  #sealLatest(notes: UnitNotes): void {
    const latest = this.#latest
    latest.durable = 0
    latest.written = 0
    this.#seal(notes, isDurable(undefined, notes), latest)
  }

  #kept<T>(value: T): Promise<T> {
    const { durable, written } = this.#latest
    if (value !== SETTLED || written !== 0 || durable !== this.#journal?.sealed)
      return this.#answer(this.#latest, value)
    return this.#core.ledger.whenDurableAlike(durable, SETTLED) as Promise<T> // T is of SETTLED here
  }

  /** One record of what a unit did. */
  #seal(notes: UnitNotes, durable: boolean, wait: Wait): void {
    const core = this.#core
    const appends = notes.appended.length > 0
    const record = core.ledger.seal(durable ? 'durable' : 'relaxed', appends ? 'append' : 'settle')
    if (record === 0) {
      // It decided something all the same, perhaps from what is not durable yet.
      wait.durable = Math.max(wait.durable, core.ledger.lastDurable)
      return
    }
    if (durable) wait.durable = record
    else wait.written = record
    if (wait.early) {
      // Every answer to a lease waits for its own record, which is written after this one.
      for (const slot of notes.appended) reveal(core, slot)
      return
    }
    const reveals = durable ? core.durableReveals : core.writtenReveals
    for (const slot of notes.appended) reveals.add(record, slot)
  }

  #answer<T>(wait: Wait, value: T): Promise<T> {
    const { ledger } = this.#core
    if (wait.durable === 0) return ledger.whenWritten(wait.written, value)
    if (wait.written < wait.durable) return ledger.whenDurable(wait.durable, value)
    return ledger.whenDurable(wait.durable, undefined).then(() => ledger.whenWritten(wait.written, value))
  }

  lease(request: LeaseRequest): Promise<Delivery[]> {
    try {
      return this.#answer(this.#latest, this.#lease(request, this.#delivery))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #lease(request: LeaseRequest, describe: Describe): Delivery[] {
    const refusal = this.#begin('lease')
    if (refusal !== undefined) throw refusal
    const core = this.#core
    const { receiveMax } = core.limits
    if (!(request.max >= 1 && request.max <= receiveMax && Number.isInteger(request.max))) {
      const what = `lease from '${request.queue}': max is ${request.max} but must be 1 to ${receiveMax}`
      throw new SpindleError('invalid-argument', what)
    }
    const latest = this.#latest
    latest.durable = 0
    latest.written = 0
    const queue = core.byName.get(request.queue)
    if (queue === undefined) return []
    try {
      const max = (this.#room as Room).leasesMax(request.max)
      const deliveries = lease(core, queue, max === request.max ? request : { ...request, max }, describe)
      if (deliveries.length === 0) return deliveries
      if (request.settleOnDelivery === true) latest.durable = core.ledger.seal('durable', 'settle')
      else latest.written = core.ledger.seal('relaxed', 'settle')
      return deliveries
    } catch (error) {
      throw this.#faultOf(error)
    }
  }

  extend(receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]> {
    const refusal = this.#begin('extend')
    if (refusal !== undefined) return Promise.reject(refusal)
    const journal = this.#journal as Journal
    const bytes = receipts.length * EXTEND_BYTES
    if (!journal.hasRoom(bytes, 'settle')) {
      return journal.makeRoom(bytes, 'settle').then((made) => {
        if (!made) throw this.#full('extend')
        return this.extend(receipts, leaseMs)
      })
    }
    return this.#sealed('relaxed', extend(this.#core, this.#receipts, receipts, leaseMs))
  }

  renewHolder(holder: string, ttlMs: number): Promise<void> {
    const refusal = this.#journal?.exhausted === true ? this.#lapsed(holder) : this.#begin('renewHolder')
    if (refusal !== undefined) return Promise.reject(refusal)
    this.#core.holders.renew(holder, this.#core.nowMs + ttlMs)
    return Promise.resolve()
  }

  /** Renewing writes nothing: where not even what is due can be written any more, those who have not lapsed live on. */
  #lapsed(holder: string): SpindleError | undefined {
    const refusal = this.#unusable('renewHolder')
    if (refusal !== undefined) return refusal
    const core = this.#core
    core.readClocks()
    const known = core.holders.get(holder)
    return known !== undefined && known.untilMs <= core.nowMs ? this.#full('renewHolder') : undefined
  }

  releaseHolder(holder: string, options?: { readonly spend?: boolean }): Promise<void> {
    const refusal = this.#begin('releaseHolder')
    if (refusal !== undefined) return Promise.reject(refusal)
    const ended = this.#core.holders.get(holder)
    if (ended === undefined) return Promise.resolve()
    const { holders } = this.#core
    const room = this.#room as Room
    const endsMax = room.endsMax()
    if (endsMax === 0)
      return room
        .makeForEnds()
        .then((made) => (made ? this.releaseHolder(holder, options) : Promise.reject(this.#full('releaseHolder'))))
    const notes = newNotes()
    ended.spends = options?.spend !== false
    endHolder(this.#core, ended, endsMax, notes)
    const stored = this.#sealed('durable', undefined, notes)
    if (holders.get(holder) !== ended) return stored
    // The rest in records of their own: one of any size may find no room.
    const rest = stored.then(() => this.releaseHolder(holder, options))
    return rest.catch((fault: unknown) => {
      holders.stayDue(ended, this.#core.nowMs)
      throw fault
    })
  }

  browse(request: BrowseRequest): Promise<BrowsePage> {
    return this.#look('browse', () => browse(this.#core, request))
  }

  find(id: MessageId): Promise<MessageView | undefined> {
    return this.#look('find', () => find(this.#core, id))
  }

  measure(queues?: readonly string[]): Promise<QueueMeasure[]> {
    return this.#look('measure', () => measureAll(this.#core, queues))
  }

  read(key: string): Promise<StoredRecord | undefined> {
    return this.#look('read', () => {
      const record = this.#core.records.get(key)
      return record === undefined ? undefined : { key, value: record.value.slice(), version: record.version }
    })
  }

  scan(prefix: string, options: { readonly after?: string; readonly limit: number }): Promise<StoredRecord[]> {
    return this.#look('scan', () => this.#core.records.scan(prefix, options.after, options.limit))
  }

  tick(budget: number): Promise<{ readonly nextDueMs: number | null }> {
    const refusal = this.#ready('tick')
    if (refusal !== undefined) return Promise.reject(refusal)
    const core = this.#core
    core.readClocks()
    let record = 0
    try {
      record = this.#applyDue(budget)
      for (const queue of core.byName.values()) queue.dedup.sweep(core.nowMs, budget)
    } catch (error) {
      return Promise.reject(this.#faultOf(error))
    }
    return core.ledger.whenWritten(record, { nextDueMs: nextDueMs(core) })
  }

  watch(listener: (queue: string) => void): () => void {
    const end = this.#watchers.add(listener)
    if (this.#state === 'open') this.#core.hintAllDead()
    return end
  }

  /** A verb that only reads: answers once what it saw is durable. */
  #look<T>(verb: string, read: () => T): Promise<T> {
    // Where not even what is due can be written, it answers as of the last time it could.
    const refusal = this.#journal?.exhausted === true ? this.#unusable(verb) : this.#begin(verb)
    if (refusal !== undefined) return Promise.reject(refusal)
    this.#core.readClocks()
    try {
      return this.#core.ledger.whenDurable(0, read())
    } catch (error) {
      return Promise.reject(this.#faultOf(error))
    }
  }

  /** Why the verb cannot start; undefined: it may, and what is due has been applied. */
  #begin(verb: string): unknown {
    const refusal = this.#ready(verb)
    if (refusal !== undefined) return refusal
    this.#core.readClocks()
    try {
      this.#applyDue(DUE_BUDGET)
    } catch (error) {
      return this.#faultOf(error)
    }
    return undefined
  }

  #ready(verb: string): SpindleError | undefined {
    const refusal = this.#unusable(verb)
    if (refusal !== undefined) return refusal
    if (!(this.#journal as Journal).exhausted) return undefined
    return this.#full(verb)
  }

  #unusable(verb: string): SpindleError | undefined {
    if (this.#fault !== undefined) return this.#fault
    if (this.#state !== 'open') return new SpindleError('closed', `${verb} on ${this.#parts.disk.label}`)
    return undefined
  }

  #full(verb: string): SpindleError {
    return new SpindleError('disk-full', `${verb} on ${this.#parts.disk.label}, where the space held back is used up`)
  }

  #applyDue(budget: number): number {
    const core = this.#core
    if (!isDue(core, this.#idle)) return 0
    const notes = newNotes()
    applyDue(core, this.#idle, (this.#room as Room).dueMax(budget), notes)
    const record = core.ledger.seal('relaxed', 'settle')
    for (const slot of notes.appended) reveal(core, slot)
    return record
  }

  #sealed<T>(durability: 'durable' | 'relaxed', value: T, notes?: UnitNotes): Promise<T> {
    const core = this.#core
    try {
      const record = core.ledger.seal(durability, 'settle')
      for (const slot of notes?.appended ?? []) reveal(core, slot)
      return durability === 'durable' ? core.ledger.whenDurable(record, value) : core.ledger.whenWritten(record, value)
    } catch (error) {
      return Promise.reject(this.#faultOf(error))
    }
  }

  #written(sealed: number): void {
    revealUpTo(this.#core, this.#core.writtenReveals, sealed)
    this.#core.ledger.reachWritten(sealed)
  }

  #synced(sealed: number): void {
    revealUpTo(this.#core, this.#core.durableReveals, sealed)
    this.#core.ledger.reachSynced(sealed)
    this.#upkeep?.consider()
  }

  #poison(cause: unknown): void {
    if (this.#fault !== undefined) return
    this.#fault = new SpindleError('poisoned', `write to ${this.#parts.disk.label}`, { cause })
    this.#log.error('the journal could not be written; the store is poisoned until it is opened anew', { cause })
    this.#core.ledger.fail(this.#fault)
  }

  /** A verb that threw half way left the index ahead of the journal: nothing more can be promised. */
  #faultOf(error: unknown): unknown {
    if (this.#fault !== undefined) return this.#fault
    if (!this.#core.ledger.open) return error
    this.#poison(error)
    return this.#fault ?? new SpindleError('poisoned', `write to ${this.#parts.disk.label}`, { cause: error })
  }
}
