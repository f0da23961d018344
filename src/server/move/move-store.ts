/**
 * Moves a whole store into a new one, over their ports.
 *
 *   settings (queues held still, exchanges, bindings, records) -> copying -> policies in force -> emptying -> moved
 *
 * Invariants: a batch and the place up to which it goes are one unit of the destination, so nothing is copied twice and nothing left out,
 * wherever it is killed; nothing leaves the source before everything is durable in the destination; queues of the
 * destination hand nothing out before. Ids stay: the destination was founded as the source's successor.
 */
import type { MeasuredQueue, Port } from '../../broker/port.ts'
import { SpindleError } from '../../model/errors.ts'
import type { MessageId } from '../../model/message.ts'
import { TAG_LENGTH } from '../../model/message-id.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import type { Clock } from '../../runtime/clock.ts'
import { MOVE_KEY, type MoveProgress, progressStep, readProgress, STAGES, type Stage } from './move-progress.ts'
import { MOVE_HOLDER, newMessageOf, restore } from './restore.ts'
import { batchesOf } from './source-messages.ts'

/** Where a message is sent and thrown away, to learn the next id. */
const PROBE_QUEUE = 'spindle.move'
const PAGE = 500
/** What the catalog or the process itself writes: declared through the port, or no news elsewhere. */
const NOT_COPIED = [
  'spindle/exchange/',
  'spindle/binding/',
  'spindle/topic/',
  'spindle/readiness',
  'spindle/amqp/process/',
  MOVE_KEY,
]

export interface MoveParts {
  readonly source: Port
  readonly destination: Port
  readonly clock: Clock
  /** Keeps the source as it is. Default: it is emptied, so that nothing is worked twice. */
  readonly keepSource?: boolean
  /** Told after each batch. */
  readonly told?: (progress: { readonly moved: number; readonly total: number; readonly queue: string }) => void
}

/** The id that the next message of a store would get; its successor gives those behind it. */
export async function nextIdOf(port: Port): Promise<MessageId> {
  await port.declareQueue(PROBE_QUEUE, {}, { lifetime: { kind: 'idle', idleMs: 60_000 } })
  const empty = new Uint8Array(0)
  const [outcome] = await port.append(PROBE_QUEUE, [{ content: { body: empty, head: empty } }])
  await port.deleteQueue(PROBE_QUEUE)
  if (outcome?.kind === 'stored') return outcome.id
  throw new SpindleError('invalid-argument', `learn the next id (${outcome?.kind})`)
}

/** Resolves to how many messages were moved, in this run and those before. Rejects `invalid-argument` where the destination is none of this source's. */
export async function moveStore(parts: MoveParts): Promise<number> {
  const { source, destination } = parts
  let progress = await readProgress(destination)
  if (progress === undefined) await refuseForeign(source, destination)
  if (progress?.kind === 'moved') return progress.moved
  if (progress?.kind !== 'emptying') {
    const moved = await new Move(parts, progress).run()
    progress = { kind: 'emptying', moved }
    await destination.transact([progressStep(progress)])
  }
  if (parts.keepSource !== true) await empty(source)
  await destination.transact([progressStep({ kind: 'moved', moved: progress.moved })])
  return progress.moved
}

async function refuseForeign(source: Port, destination: Port): Promise<void> {
  const [there] = (await destination.measure()).filter(({ queue }) => queue !== PROBE_QUEUE)
  if (there !== undefined) throw unfit(`it has a queue '${there.queue}'`)
  const [theirs, ours] = [await nextIdOf(destination), await nextIdOf(source)]
  // Behind the tag is a number, which the destination must be beyond.
  if (theirs.slice(0, TAG_LENGTH) !== ours.slice(0, TAG_LENGTH))
    throw unfit('it was made before, as a store of its own')
  if (theirs < ours) throw unfit('it was used before')
}

function unfit(why: string): SpindleError {
  return new SpindleError('invalid-argument', `the destination must be a new folder, schema or database (${why})`)
}

/** Of a move that copied nothing yet. */
const FIRST: MoveProgress = { kind: 'copying', queue: '', stage: 'dead', from: null, to: null, moved: 0 }

class Move {
  readonly #parts: MoveParts
  readonly #resumed: Extract<MoveProgress, { readonly kind: 'copying' }> | undefined
  #moved: number
  #total = 0

  constructor(parts: MoveParts, resumed: MoveProgress | undefined) {
    this.#parts = parts
    this.#resumed = resumed?.kind === 'copying' ? resumed : undefined
    this.#moved = this.#resumed?.moved ?? 0
  }

  async run(): Promise<number> {
    const { source, destination } = this.#parts
    const queues = (await source.measure()).filter(isMoved).sort((a, b) => (a.queue < b.queue ? -1 : 1))
    this.#total = queues.reduce((sum, queue) => sum + countOf(queue), 0)
    await destination.releaseHolder(MOVE_HOLDER, { spend: false })
    if (this.#resumed === undefined) await destination.transact([progressStep(FIRST)])
    const from = this.#resumed?.queue ?? ''
    if (from === '') {
      for (const queue of queues) await this.#hold(queue, 'dead')
      await this.#settings()
    }
    for (const queue of queues) if (queue.queue >= from) await this.#queue(queue)
    for (const { queue, policy } of queues) await destination.declareQueue(queue, policy)
    // What came or went meanwhile was not seen: whoever uses a store that moves away must be told.
    const now = (await source.measure()).filter(isMoved).reduce((sum, queue) => sum + countOf(queue), 0)
    if (now !== this.#total) {
      throw new SpindleError(
        'invalid-argument',
        'move a store that is in use (stop its processes, and move into a new destination)',
      )
    }
    return this.#moved
  }

  /** As it was, but nothing leaves it and nothing is judged anew by the rules for arrivals. */
  async #hold({ queue, policy, lifetime }: MeasuredQueue, stage: Stage): Promise<void> {
    const held: QueuePolicy = {
      ...policy,
      paused: true,
      attemptsMax: null,
      delayMs: 0,
      ttlMs: null,
      ttlMsMax: null,
      lengthMax: null,
      lengthBytesMax: null,
      doneMax: null,
      deadRetentionMs: null,
      // The dead would go on a second time, and tell of it.
      ...(stage === 'waiting' ? {} : { onDeath: { kind: 'hold' } as const, failedEventsTo: [] }),
    }
    await this.#parts.destination.declareQueue(queue, held, { lifetime })
  }

  async #settings(): Promise<void> {
    const { source, destination } = this.#parts
    const exchanges = await source.listExchanges()
    // Alternates and targets may be exchanges, in whatever order.
    for (const { exchange, settings } of exchanges)
      await destination.declareExchange(exchange, { ...settings, alternate: null, autoDelete: false })
    for (const { bindings } of exchanges) for (const binding of bindings) await destination.putBinding(binding)
    for (const { exchange, settings } of exchanges) await destination.declareExchange(exchange, settings)
    for await (const page of records(source)) {
      await destination.transact(page.map(({ key, value }) => ({ kind: 'record', key, value })))
    }
  }

  async #queue(measured: MeasuredQueue): Promise<void> {
    const { destination } = this.#parts
    const { queue } = measured
    const resumed = this.#resumed?.queue === queue ? this.#resumed : undefined
    const first = resumed === undefined ? 0 : STAGES.indexOf(resumed.stage)
    const keys = new Set<string>()
    for (const stage of STAGES.slice(first)) {
      if (stage !== 'dead') await this.#hold(measured, stage)
      const at = resumed?.stage === stage ? resumed : undefined
      if (at !== undefined) await this.#again(at, keys)
      let from = at?.to ?? null
      for await (const batch of batchesOf(this.#parts.source, { queue, stage, after: from })) {
        const nowMs = this.#parts.clock.wallMs()
        const last = batch.at(-1)
        if (last === undefined) continue
        const to = { priority: last.priority, sequence: last.sequence }
        const moved = this.#moved + batch.length
        const messages = batch.map((view) => newMessageOf(view, { nowMs, stage, dedup: isFirst(keys, view.dedupId) }))
        await destination.transact([
          ...messages.map((message) => ({ kind: 'append', queue, message }) as const),
          progressStep({ kind: 'copying', queue, stage, from, to, moved }),
        ])
        await restore(destination, batch, { queue, stage, nowMs, again: false })
        from = to
        this.#moved = moved
        this.#parts.told?.({ moved, total: this.#total, queue })
      }
    }
  }

  /** The batch under way when it was killed is there; its states may not be. Keys of what came before are taken. */
  async #again(at: Extract<MoveProgress, { readonly kind: 'copying' }>, keys: Set<string>): Promise<void> {
    const { queue, stage, from, to } = at
    const { source, destination, clock } = this.#parts
    for (const earlier of STAGES.slice(0, STAGES.indexOf(stage) + 1)) {
      for await (const batch of batchesOf(source, { queue, stage: earlier, after: null })) {
        const copied = batch.filter((view) => earlier !== stage || isUpTo(view, to))
        for (const { dedupId } of copied) isFirst(keys, dedupId)
        if (earlier !== stage) continue
        const latest = copied.filter((view) => from === null || !isUpTo(view, from))
        await restore(destination, latest, { queue, stage, nowMs: clock.wallMs(), again: true })
      }
    }
  }
}

function isUpTo(view: { readonly priority: number; readonly sequence: number }, place: MovePlace): boolean {
  if (place === null) return false
  return view.priority > place.priority || (view.priority === place.priority && view.sequence <= place.sequence)
}

type MovePlace = { readonly priority: number; readonly sequence: number } | null

/** A key holds for the first message that has it; a later one was let in when the window of the first had passed. */
function isFirst(keys: Set<string>, dedupId: string | undefined): boolean {
  if (dedupId === undefined || keys.has(dedupId)) return false
  keys.add(dedupId)
  return true
}

/** What ends with a connection ends with it. */
function isMoved({ queue, lifetime }: MeasuredQueue): boolean {
  return queue !== PROBE_QUEUE && lifetime.kind !== 'holder'
}

function countOf({ delayed, ready, leased, done, dead }: MeasuredQueue): number {
  return delayed + ready + leased + done + dead
}

async function* records(port: Port): AsyncGenerator<readonly { readonly key: string; readonly value: Uint8Array }[]> {
  let after: string | undefined
  for (;;) {
    const page = await port.scan('', { limit: PAGE, ...(after === undefined ? {} : { after }) })
    const copied = page.filter(({ key }) => !NOT_COPIED.some((prefix) => key.startsWith(prefix)))
    if (copied.length > 0) yield copied
    after = page.at(-1)?.key
    if (page.length < PAGE) return
  }
}

async function empty(source: Port): Promise<void> {
  for (const { queue } of await source.measure()) await source.deleteQueue(queue)
  for (const { exchange } of await source.listExchanges()) await source.deleteExchange(exchange)
  for await (const page of records(source)) {
    await source.transact(page.map(({ key }) => ({ kind: 'record', key, value: null })))
  }
}
