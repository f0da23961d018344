/**
 * This broker among the others of the store: it says that it lives, hears what others did, and notices who died.
 *
 * A broker that dies leaves leases whose ends only it knew (lease-book.ts). Who finds its row run out removes it, and takes its leases
 * over. What others send is heard by NOTIFY where this broker asked for it (`waiter`), and found by looking once a tick where a word was lost.
 */
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import type { Catalog } from './catalog.ts'
import type { Database } from './database.ts'
import type { SingleConnection } from './driver.ts'
import { stateCodes } from './entry.ts'
import type { LeaseBook } from './lease-book.ts'
import type { Queue } from './queue.ts'
import type { Tokens } from './tokens.ts'
import type { Words } from './words.ts'

/** A broker that was silent for so long is dead, ms. */
const BROKER_TTL_MS = 5_000
const BEAT_MS = 1_500
/** A queue asks for a word at most so often, ms: each NOTIFY takes a lock that all commits of the cluster share. */
const ARM_MS = 50

export interface FleetParts {
  readonly database: Database
  readonly catalog: Catalog
  readonly book: LeaseBook
  readonly tokens: Tokens
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly channel: string
  readonly nowMs: () => number
  readonly hint: (queues: readonly string[]) => void
  readonly words: Words
  /** What is known of the store may be old: somebody died, or words were missed. */
  readonly unsure: () => void
}

export class Fleet {
  readonly #parts: FleetParts
  #beatAtMs = Number.NEGATIVE_INFINITY
  /** Others that live, as of the latest beat. */
  #others = 0
  #session: SingleConnection | undefined
  #connecting = false
  #closed = false
  /** When each queue that waits last asked for a word. */
  readonly #armed = new Map<number, number>()
  /** Queues that wait since no other broker was there to ask for a word. */
  readonly #unasked = new Set<number>()
  #epochs: number[]
  #lostTrack = false
  /** The others have been told that this broker is there. */
  #known = false
  /** The session that listens, while a question to it is unanswered. */
  #asked: SingleConnection | undefined

  constructor(parts: FleetParts) {
    this.#parts = parts
    this.#epochs = [parts.tokens.epoch]
  }

  /** Whether a claim of this queue that finds nothing should ask for a word; else it is looked for a little later. */
  readonly arms = (queue: Queue): number | null => {
    if (this.#others === 0) {
      this.#unasked.add(queue.qid)
      return null
    }
    const { clock, hint, tokens } = this.#parts
    const nowMs = clock.monotonicMs()
    const leftMs = (this.#armed.get(queue.qid) ?? Number.NEGATIVE_INFINITY) + ARM_MS - nowMs
    if (leftMs > 0) {
      clock.setTimer(leftMs, () => hint([queue.name]))
      return null
    }
    this.#armed.set(queue.qid, nowMs)
    return tokens.epoch
  }

  /** A claim may have been granted without an answer: the ends of this broker's own leases are looked up at the next tick. */
  readonly lostTrack = (): void => {
    this.#lostTrack = true
  }

  async tick(): Promise<void> {
    const { clock, database, words } = this.#parts
    this.#listen()
    words.tick()
    if (this.#lostTrack) {
      this.#lostTrack = false
      await this.#adopt(this.#epochs)
    }
    if (clock.monotonicMs() - this.#beatAtMs >= BEAT_MS) {
      this.#checkSession()
      await this.#beat()
    }
    if (this.#others > 0 && this.#armed.size > 0) {
      const qids = [...this.#armed.keys()]
      const rows = await database.read('look for messages', (transaction) =>
        transaction.rows<{ qid: number }>(
          `select w.qid from unnest($1::int[]) w(qid)
           where exists (select from spindle.live e where e.qid = w.qid and e.state = ${stateCodes.ready})`,
          qids,
        ),
      )
      this.#armed.clear()
      this.#told(rows.map(({ qid }) => qid))
    }
  }

  async #beat(): Promise<void> {
    const { database, tokens, clock, nowMs, unsure, log } = this.#parts
    this.#beatAtMs = clock.monotonicMs()
    if (tokens.isLow) {
      const [row] = await database.read('draw an epoch', (transaction) =>
        transaction.rows<{ epoch: number }>("select nextval('spindle.epoch_seq') as epoch"),
      )
      if (row !== undefined) {
        tokens.renew(row.epoch)
        this.#epochs.push(row.epoch)
      }
    }
    const at = nowMs()
    const isNew = !this.#known
    const dead = await database.transaction('say that this broker lives', async (transaction) => {
      if (isNew) await transaction.run("select pg_notify(spindle.channel(), 'brokers')")
      await transaction.run(
        `insert into spindle.broker (epoch, until, name) select e, $2, $3 from unnest($1::bigint[]) e
         on conflict (epoch) do update set until = excluded.until`,
        this.#epochs,
        at + BROKER_TTL_MS,
        'broker',
      )
      return transaction.rows<{ epoch: number; until: number }>(
        'delete from spindle.broker b where b.until <= $1 returning b.epoch',
        at,
      )
    })
    this.#known = true
    await this.#countOthers()
    if (dead.length === 0) return
    const silent = dead.filter(({ until }) => until > 0).length
    if (silent > 0) log.warn('another broker went without a word; its leases are taken over', { brokers: silent })
    await this.#adopt(dead.map(({ epoch }) => epoch))
    unsure()
  }

  async #countOthers(): Promise<void> {
    const [row] = await this.#parts.database.read('count brokers', (transaction) =>
      transaction.rows<{ n: number }>(
        'select count(*) as n from spindle.broker b where not b.epoch = any($1::bigint[])',
        this.#epochs,
      ),
    )
    this.#others = row?.n ?? 0
    this.#parts.words.others = this.#others
    if (this.#others === 0) return
    // Those who wait look again, and ask now.
    const unasked = [...this.#unasked]
    this.#unasked.clear()
    this.#told(unasked)
  }

  async #adopt(epochs: readonly number[]): Promise<void> {
    const { database, book } = this.#parts
    const rows = await database.read('take over leases', (transaction) =>
      transaction.rows<{ number: number; qid: number; until: number }>(
        `select e.id as number, e.qid, e.until from spindle.live e
         where e.state = ${stateCodes.leased} and e.until is not null and (e.token >> 31) = any($1::bigint[])`,
        epochs,
      ),
    )
    for (const { number, qid, until } of rows) book.note({ number, qid }, until)
  }

  /** Keeps a session that listens; a lost one is replaced at the next tick. */
  #listen(): void {
    if (this.#session !== undefined || this.#connecting || this.#closed) return
    this.#connecting = true
    const { database, channel, unsure, log } = this.#parts
    database
      .session()
      .then(async (session) => {
        session.on('notification', ({ payload = '' }) => this.#notified(payload))
        session.on('end', () => {
          if (this.#session === session) this.#session = undefined
        })
        await session.query({ text: `listen "${channel}"` })
        if (this.#closed) return session.end()
        this.#session = session
        await database.read('read the catalog', (transaction) => this.#parts.catalog.refresh(transaction))
        // Words may have been missed while nobody listened.
        unsure()
      })
      .catch((fault: unknown) => {
        if (!this.#closed) log.warn('no session that listens; new messages are found by looking', { fault })
      })
      .finally(() => {
        this.#connecting = false
      })
  }

  /** A network may lose the session without a word: one that does not answer from beat to beat is given up. */
  #checkSession(): void {
    const session = this.#session
    if (session === undefined) return
    if (this.#asked === session) {
      this.#session = undefined
      session.end().catch(() => {})
      return
    }
    this.#asked = session
    session.query({ text: 'select 1' }).then(
      () => {
        this.#asked = undefined
      },
      () => {},
    )
  }

  /** `catalog`: it changed. `brokers`: one came. Words between brokers; or the numbers of queues that have something. */
  #notified(payload: string): void {
    const { database, catalog, words } = this.#parts
    if (payload === 'catalog') {
      database.read('read the catalog', (transaction) => catalog.refresh(transaction)).catch(() => {})
    } else if (payload === 'brokers') this.#countOthers().catch(() => {})
    else if (!words.heard(payload)) this.#told(payload.split(',').map(Number))
  }

  #told(qids: readonly number[]): void {
    for (const qid of qids) this.#armed.delete(qid)
    this.#parts.hint(qids.flatMap((qid) => this.#parts.catalog.byId(qid)?.name ?? []))
  }

  async close(): Promise<void> {
    this.#closed = true
    const { database } = this.#parts
    await this.#session?.end().catch(() => {})
    // Its leases end by the clock, and others see to it: nobody has to wait until its row runs out.
    await database
      .read('say goodbye', (transaction) =>
        transaction.run('update spindle.broker b set until = 0 where b.epoch = any($1::bigint[])', this.#epochs),
      )
      .catch(() => {})
  }
}
