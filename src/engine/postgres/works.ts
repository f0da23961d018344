/**
 * The long way: pieces of work on queues that are locked for them. Those that come at the same time share one transaction.
 *
 * Queues are locked by advisory locks of the transaction, in the order of their numbers, behind a lock of the catalog that only makers of
 * queues take alone.
 */
import { SpindleError } from '../../model/errors.ts'
import type { Now } from '../../model/lifecycle.ts'
import type { Limits } from '../../model/limits.ts'
import type { StoreTag } from '../../model/message-id.ts'
import type { Unit } from '../engine.ts'
import { Batcher } from './batcher.ts'
import type { Catalog } from './catalog.ts'
import type { Database } from './database.ts'
import { flush } from './flush.ts'
import { Image } from './image.ts'
import type { Knowledge } from './knowledge.ts'
import { type Queue, targetsOf } from './queue.ts'
import type { Tokens } from './tokens.ts'
import type { Transaction } from './transaction.ts'
import { prefetch } from './units.ts'

/** Pieces of work that share one transaction, and transactions under way at a time. */
const LIMITS = { atOnce: 2, weightMax: 1_000 }

/** A piece of work on queues that are locked for it. */
export interface Work<Answer> {
  readonly attempted: string
  readonly wanted: Wanted
  /** What it will want to know, so that all pieces load together. */
  readonly units?: readonly Unit[]
  readonly weight: number
  readonly run: (image: Image) => Promise<Answer>
}

/** What a piece of work locks. */
export interface Wanted {
  readonly names?: Iterable<string>
  readonly qids?: Iterable<number>
  /** It changes the catalog. */
  readonly alone?: boolean
}

export interface WorkParts {
  readonly database: Database
  readonly known: Knowledge
  readonly limits: Limits
  readonly tag: StoreTag
  readonly lockClass: number
  readonly tokens: Tokens
  readonly now: () => Now
}

export class Works {
  readonly #parts: WorkParts
  readonly #waiting = new Batcher<Work<unknown>, unknown>({
    run: (works) => this.#runAll(works),
    weigh: ({ weight }) => weight,
    limits: LIMITS,
  })

  constructor(parts: WorkParts) {
    this.#parts = parts
  }

  /** With others that come at the same time, in one transaction; alone where it changes the catalog. */
  async together<Answer>(work: Work<Answer>): Promise<Answer> {
    if (work.wanted.alone === true) return (await this.#runAll([work]))[0] as Answer
    return (await this.#waiting.add(work)) as Answer
  }

  async #runAll(works: readonly Work<unknown>[]): Promise<unknown[]> {
    const [first] = works
    if (first === undefined) return []
    try {
      return await this.run(first.attempted, allWanted(works), async (image) => {
        await prefetch(
          image,
          works.flatMap(({ units = [] }) => units),
        )
        const answers: unknown[] = []
        for (const { run } of works) answers.push(await run(image))
        return answers
      })
    } catch (fault) {
      // Nothing of it happened. One that cannot be done must not take the others with it.
      if (works.length === 1 || (fault instanceof SpindleError && fault.code !== 'store-failed')) throw fault
      return Promise.all(works.map(async (work) => (await this.#runAll([work]))[0]))
    }
  }

  /** Runs `run` on the locked queues, in a transaction, as often as it takes; what it changed is known here once it is committed. */
  async run<T>(attempted: string, wanted: Wanted, run: (image: Image) => Promise<T>): Promise<T> {
    const { database, known } = this.#parts
    const { answer, image, version } = await database.transaction(attempted, async (transaction) => {
      const image = await this.enter(transaction, wanted)
      const answer = await run(image)
      await image.flush()
      return { answer, image, version: wanted.alone === true ? await tellCatalog(transaction) : undefined }
    })
    if (version !== undefined) known.catalog.changed(version, image.queues.all())
    known.learn(image)
    return answer
  }

  /** Locks the queues in a transaction, whoever ends it. */
  async enter(transaction: Transaction, wanted: Wanted): Promise<Image> {
    const { known, limits, tag, lockClass, tokens, now } = this.#parts
    const { catalog } = known
    for (;;) {
      const queues = lockedBy(catalog, wanted)
      const rows = await transaction.rows<EnterRow>(
        'select * from spindle.enter($1::int, $2::boolean, $3::bigint, $4::int[])',
        lockClass,
        wanted.alone ?? false,
        catalog.version,
        queues.map(({ qid }) => qid),
      )
      const [head, ...locked] = rows
      if (head === undefined) throw new Error('invariant: a store without a catalog')
      if (head.version !== catalog.version) {
        await catalog.read(transaction)
        continue
      }
      const names = new Set(queues.map(({ qid }) => qid))
      const image = new Image({
        transaction,
        now: now(),
        limits,
        tag,
        slot: head.slot,
        epoch: tokens.epoch,
        queues: locked.flatMap((row) => paced(catalog.byId(row.qid), row)),
        nextToken: () => tokens.next(),
        readQueues: async () => {
          await catalog.read(transaction)
          return [...catalog.all()].filter(({ qid }) => names.has(qid))
        },
      })
      image.flush = () => flush(image)
      return image
    }
  }
}

/** Makes a change of the catalog known to other brokers, with the COMMIT. Resolves to its version. */
export async function tellCatalog(transaction: Transaction): Promise<number> {
  const [row] = await transaction.rows<{ version: number }>('select spindle.tell_catalog() as version')
  if (row === undefined) throw new Error('invariant: a select without a row')
  return row.version
}

function allWanted(works: readonly Work<unknown>[]): Wanted {
  return {
    names: works.flatMap(({ wanted }) => [...(wanted.names ?? [])]),
    qids: works.flatMap(({ wanted }) => [...(wanted.qids ?? [])]),
    alone: works.some(({ wanted }) => wanted.alone === true),
  }
}

/** The queues themselves, and those that a death in them may put messages into; by number, which is the order of locks. */
function lockedBy(catalog: Catalog, { names = [], qids = [] }: Wanted): Queue[] {
  const locked = new Map<number, Queue>()
  const add = (queue: Queue | undefined): void => {
    if (queue !== undefined) locked.set(queue.qid, queue)
  }
  for (const name of names) add(catalog.byName(name))
  for (const qid of qids) add(catalog.byId(qid))
  for (const queue of [...locked.values()]) for (const name of targetsOf(queue)) add(catalog.byName(name))
  return [...locked.values()].sort((a, b) => a.qid - b.qid)
}

interface EnterRow {
  readonly version: number
  readonly slot: number
  readonly qid: number
  readonly used: number
  readonly full_ms: number
  readonly turns: number
  readonly ungrouped_turn: number
}

function paced(queue: Queue | undefined, row: EnterRow): Queue[] {
  if (queue === undefined) return []
  const { used: usedAtMs, full_ms: fullMs, turns, ungrouped_turn: ungroupedTurn } = row
  return [{ ...queue, usedAtMs, fullMs, turns, ungroupedTurn }]
}
