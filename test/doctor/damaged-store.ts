/** A store after some work, ways to damage it, and the account that a salvage must balance. */
import { type Examination, examine } from '../../src/engine/embedded/doctor/examine.ts'
import { STRAYS_QUEUE, salvage } from '../../src/engine/embedded/doctor/salvage.ts'
import type { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import type { Delivery, Engine, MessageView, NewMessage, Op, Settlement } from '../../src/engine/engine.ts'
import type { MessageId } from '../../src/model/message.ts'
import { defaultPolicy } from '../../src/model/policy.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { declareQueues, makeStore, openStore, textOf } from '../faults/store.ts'
import { Workload } from '../faults/workload.ts'

const STATES = ['delayed', 'ready', 'leased', 'done', 'dead'] as const

export interface Held {
  readonly queue: string
  readonly view: MessageView
}

/** Every message of the store by id. */
export async function everything(engine: Engine): Promise<Map<string, Held>> {
  const all = new Map<string, Held>()
  for (const { queue } of await engine.measure())
    for (let cursor: string | undefined; ; ) {
      const page = await engine.browse({
        queue,
        states: STATES,
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      })
      for (const view of page.messages) {
        if (all.has(view.id)) throw new Error(`${view.id} is there twice`)
        all.set(view.id, { queue, view })
      }
      cursor = page.cursor
      if (cursor === undefined) break
    }
  return all
}

const text = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : textOf(bytes))

/** What of a message outlives a salvage: everything but its lease. */
export function essence({ queue, view }: Held): string {
  const { id, content, sequence, priority, deliveries, attempts, groupId, history, state, note, kept } = view
  const rest = state === 'leased' ? 'ready' : state
  return JSON.stringify([
    queue,
    id,
    textOf(content.head),
    textOf(content.body),
    sequence,
    priority,
    deliveries,
    attempts,
    groupId,
    history,
    rest,
    text(note),
    text(kept),
  ])
}

export interface Worked {
  readonly disk: FaultDisk
  readonly held: ReadonlyMap<string, Held>
  readonly workload: Workload
  readonly clock: VirtualClock
}

/** A store after `operations` of random work, closed in order. */
export async function worked(seed: number, operations = 600): Promise<Worked> {
  const disk = new FaultDisk()
  const { engine, clock } = await openStore(disk)
  await declareQueues(engine)
  const workload = new Workload(seededRandom(seed))
  while (workload.operations < operations) await workload.burst(engine)
  await shelve(engine)
  const held = await everything(engine)
  await engine.close()
  return { disk, held, workload, clock }
}

/** What the workload leaves out: delays, lives, priorities, results, notes, a content of two messages, a queue that is gone. */
async function shelve(engine: Engine): Promise<void> {
  const content = (text: string) => ({ body: Buffer.from(`${text}|${text.repeat(40)}`), head: Uint8Array.of(1) })
  const policy = { ...defaultPolicy, attemptsMax: null }
  const shared = content('shared')
  const append = (queue: string, message: NewMessage): Op => ({ kind: 'append', queue, message })
  await engine.commit([
    { ops: ['shelf', 'other', 'gone'].map((queue): Op => ({ kind: 'putQueue', queue, policy })) },
    { ops: [append('shelf', { content: shared }), append('other', { content: shared, priority: 3 })] },
    { ops: [append('shelf', { content: content('late'), delayMs: 3_600_000, ttlMs: 86_400_000 })] },
    { ops: ['kept', 'buried', 'noted'].map((text) => append('shelf', { content: content(text) })) },
    { ops: [append('gone', { content: content('dropped') })] },
  ])
  const taken = await engine.lease({ queue: 'shelf', max: 4, lease: { kind: 'clock' } })
  const settle = (at: number, how: Settlement): Op => ({
    kind: 'settle',
    receipt: (taken[at] as Delivery).receipt,
    how,
  })
  await engine.commit([
    { ops: [settle(1, { kind: 'ack', keep: Buffer.from('result'), retainMs: 86_400_000 })] },
    { ops: [settle(2, { kind: 'bury', reason: 'tested', note: Buffer.from('why') })] },
    { ops: [settle(3, { kind: 'release', delayMs: 60_000, note: Buffer.from('again') })] },
    { ops: [{ kind: 'dropQueue', queue: 'gone' }] },
  ])
}

export interface Saved {
  readonly examination: Examination
  readonly engine: EmbeddedEngine
  readonly held: ReadonlyMap<string, Held>
}

/** Examines and salvages; the engine is open on what was saved. Throws when the damaged disk was written to. */
export async function save(disk: FaultDisk, clock = new VirtualClock()): Promise<Saved> {
  const writes = { ...disk.calls }
  const examination = await examine(disk)
  const target = new FaultDisk()
  await salvage({ examination, target, clock, random: seededRandom(9) })
  if (disk.calls.write !== writes.write || disk.calls.sync !== writes.sync) throw new Error('the doctor wrote')
  const { engine } = makeStore(target, clock)
  await engine.open()
  return { examination, engine, held: await everything(engine) }
}

/** Ids of a store that lost its tag begin differently; their numbers are the same. */
function numberOf(id: string | undefined): number {
  if (id === undefined) return Number.NaN
  const named = /^number (\d+)$/.exec(id)
  return named === null ? Number.parseInt(id.slice(20).replace('-', ''), 16) : Number(named[1])
}

/** Every message that was there is saved as it was, or named as lost; nothing is there that was never sent. In words; [] when it balances. */
export function unbalanced(before: ReadonlyMap<string, Held>, { examination, held }: Saved): string[] {
  const problems: string[] = []
  const ownIds = !examination.findings.some(({ where }) => where === 'ids')
  // Leases that fell into a gap are not counted.
  const counted = examination.account.gaps === 0
  const comparable = ({ queue, view }: Held): Held => {
    const { id, deliveries, attempts } = view
    const counts = counted ? { deliveries, attempts } : { deliveries: 0, attempts: 0 }
    return { queue, view: { ...view, ...counts, id: ownIds ? id : ('' as MessageId) } }
  }
  const numbers = (ids: readonly string[]): Set<number> => new Set(ids.map(numberOf))
  const named = numbers([...examination.lost, ...examination.strays].map(({ id }) => id))
  const uncertain = numbers(examination.uncertain)
  const now = new Map<number, Held>()
  const strays: string[] = []
  for (const message of held.values())
    if (message.queue === STRAYS_QUEUE) strays.push(textOf(message.view.content.body))
    else now.set(numberOf(message.view.id), message)
  const inRange = (number: number): boolean =>
    examination.lostRanges.some(
      ({ first, last }) => number >= numberOf(first) && (last === undefined || number <= numberOf(last)),
    )
  const sent = new Map([...before.values()].map((message) => [numberOf(message.view.id), message]))
  for (const [number, message] of sent) {
    const found = now.get(number)
    if (found === undefined) {
      if (!named.has(number) && !inRange(number))
        problems.push(`lost and not named: ${message.view.id} of ${message.queue}`)
    } else if (essence(comparable(found)) !== essence(comparable(message))) {
      const isSame = textOf(found.view.content.body) === textOf(message.view.content.body)
      if (!isSame || !uncertain.has(number))
        problems.push(`changed and nobody says so: ${essence(message)} became ${essence(found)}`)
    }
  }
  for (const [number, message] of now)
    if (!sent.has(number) && !uncertain.has(number))
      problems.push(`came back and nobody says so: ${message.view.id} of ${message.queue}`)
  if (examination.strays.length !== strays.length)
    problems.push(`${examination.strays.length} strays were named and ${strays.length} are there`)
  return problems
}
