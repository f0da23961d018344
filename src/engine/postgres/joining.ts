/**
 * Joining a store whose schema fits: the broker draws its epoch, reads what it has to know, and gets the parts that work on the store.
 * Until then an engine has none of them; from then on, all.
 */
import type { Limits } from '../../model/limits.ts'
import { type StoreTag, storeTag } from '../../model/message-id.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { CatchUp } from './catch-up.ts'
import type { Database } from './database.ts'
import { bytesOf } from './entry.ts'
import { Fleet } from './fleet.ts'
import type { Knowledge } from './knowledge.ts'
import { PlainWay } from './plain.ts'
import { Slots } from './slots.ts'
import { DatabaseTime, type StoreTime } from './store-time.ts'
import { Tokens } from './tokens.ts'
import { Works } from './works.ts'

export interface JoiningParts {
  readonly database: Database
  readonly known: Knowledge
  readonly time: StoreTime
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  readonly log: Log
  readonly slotBytes: number
}

export interface Joined {
  readonly database: Database
  readonly tag: StoreTag
  readonly fleet: Fleet
  readonly slots: Slots
  readonly plain: PlainWay
  readonly works: Works
  readonly catchUp: CatchUp
}

export async function join(parts: JoiningParts): Promise<Joined> {
  const { database, known, time, clock, random, limits, log, slotBytes } = parts
  const { catalog, book } = known
  const { tagBytes, lockClass, epoch } = await readStore(parts)
  const tag = storeTag(tagBytes)
  const tokens = new Tokens(epoch)
  const now = () => time.now()
  const nowMs = () => time.now().monotonicMs
  const hint = (queues: Iterable<string>): void => known.watchers.hint(queues)
  const fleet = new Fleet({
    database,
    catalog,
    book,
    tokens,
    clock,
    random,
    log,
    channel: `spindle:${Buffer.from(tagBytes).toString('hex')}`,
    nowMs,
    hint,
    words: known.words,
    unsure: () => plain.forgetFloors(),
  })
  known.words.carriedBy({
    epoch,
    clock,
    send: (payloads) =>
      database.read('tell the others', (transaction) =>
        transaction.run('select pg_notify(spindle.channel(), p) from unnest($1::text[]) p', payloads),
      ),
  })
  const slots = new Slots({ database, lockClass, slotBytes, nowMs })
  const plain: PlainWay = new PlainWay({
    database,
    catalog,
    limits,
    book,
    tag,
    lockClass,
    epoch: tokens.epoch,
    now,
    nextToken: () => tokens.next(),
    count: (qid, total, by) => known.count(qid, total, by),
    arms: fleet.arms,
    lostTrack: fleet.lostTrack,
    due: (atMs) => known.due(atMs),
    hint,
  })
  const works = new Works({ database, known, limits, tag, lockClass, tokens, now })
  const catchUp = new CatchUp({ database, known, works, nowMs })
  return { database, tag, fleet, slots, plain, works, catchUp }
}

interface StoreRead {
  readonly tagBytes: Uint8Array
  readonly lockClass: number
  readonly epoch: number
}

/** Whose store it is, an epoch for this broker, the catalog, and the leases that stand. */
function readStore({ database, known, time }: JoiningParts): Promise<StoreRead> {
  return database.read(`open ${database.label}`, async (transaction) => {
    const [row] = await transaction.rows<{ tag: Buffer; class: number; epoch: number }>(
      `select c.tag, spindle.lock_class() as class, nextval('spindle.epoch_seq') as epoch from spindle.catalog c`,
    )
    if (row === undefined) throw new Error('invariant: a store without a catalog')
    if (time instanceof DatabaseTime) await time.measureBy(transaction)
    await known.catalog.read(transaction)
    const leases = await transaction.rows<{ number: number; qid: number; until: number }>(
      'select e.id as number, e.qid, e.until from spindle.live e where e.state = 1 and e.until is not null',
    )
    for (const { number, qid, until } of leases) known.book.note({ number, qid }, until)
    return { tagBytes: bytesOf(row.tag), lockClass: row.class, epoch: row.epoch }
  })
}
