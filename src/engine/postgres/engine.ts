/**
 * The engine of `postgres:`: any number of brokers over one database.
 *
 *     verb -> apply what is due -> lock its queues -> load what it names -> decide -> write all changes at once -> COMMIT -> answer
 *
 * This file is the verbs. How queues are locked, and work shares transactions, is in works.ts; the short way of plain queues in plain.ts.
 * What is decided, and how, is the model's (`decide`); SQL finds, stores and counts.
 */
import { SpindleError } from '../../model/errors.ts'
import { defaultLimits, type Limits } from '../../model/limits.ts'
import type { Delivery, ExtendOutcome, MessageId, MessageView, Receipt } from '../../model/message.ts'
import { foundingOf, parseId } from '../../model/message-id.ts'
import { type Log, silentLog } from '../../runtime/log.ts'
import type {
  BrowsePage,
  BrowseRequest,
  Capabilities,
  CommitOptions,
  Engine,
  LeaseRequest,
  Outcome,
  QueueMeasure,
  SharedStore,
  StoredRecord,
  Unit,
} from '../engine.ts'
import { callerConnection } from './caller-connection.ts'
import { commitUnits, commitWithin } from './commits.ts'
import { Database } from './database.ts'
import { tidy } from './due.ts'
import type { Image } from './image.ts'
import { type Joined, join } from './joining.ts'
import { Knowledge } from './knowledge.ts'
import { checkLease, endHolder, extend, HELD_QUEUES, lease } from './leases.ts'
import { measure } from './measures.ts'
import { checkSchema, migrate, succeed } from './migrate.ts'
import { OPTION_DEFAULTS, type PostgresEngineParts, type SettledOptions } from './options.ts'
import { parseReceipt } from './receipts.ts'
import { readRecord, scanRecords } from './records.ts'
import { DatabaseTime, type StoreTime } from './store-time.ts'
import { ownCopy } from './unit-copy.ts'
import { parseStoreUrl } from './url.ts'
import { browse, find, type Seen } from './views.ts'

const TIDY_ROWS = 10_000
const TIME_EVERY_MS = 10_000

export class PostgresEngine implements Engine {
  readonly capabilities: Capabilities = { durable: true, callerTransactions: true, clock: 'store' }
  readonly shared: SharedStore = {
    queues: () =>
      [...this.#known.catalog.all()].map(({ name, policy, lifetime }) => ({ queue: name, policy, lifetime })),
    watchCatalog: (listener) => this.#known.catalog.watch(listener),
    broadcast: (channel, data) => this.#known.words.broadcast(channel, data),
    hear: (listener) => this.#known.words.hear(listener),
    changed: (id) => this.#known.words.changed(id),
    follow: (id, listener) => this.#known.words.follow(id, listener),
  }
  readonly #parts: PostgresEngineParts
  readonly #options: SettledOptions
  readonly #limits: Limits
  readonly #log: Log
  readonly #time: StoreTime
  readonly #known = new Knowledge()
  #joined: Joined | undefined
  #state: 'new' | 'open' | 'closed' = 'new'
  #timedAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: PostgresEngineParts) {
    const { url, schema } = parseStoreUrl(parts.url)
    this.#parts = { ...parts, url }
    this.#options = { ...OPTION_DEFAULTS, ...(schema === undefined ? {} : { schema }), ...parts.options }
    this.#limits = parts.limits ?? defaultLimits
    this.#log = parts.log ?? silentLog
    this.#time = parts.options?.time ?? new DatabaseTime(parts.clock)
  }

  /** Makes or upgrades the schema, in the place of `open`. Resolves to the version it had and has; 0: there was none. */
  async migrate(): Promise<{ readonly from: number; readonly to: number }> {
    const database = await this.#connect()
    try {
      const { schema } = this.#options
      return await migrate(database, { schema, random: this.#parts.random })
    } finally {
      await database.close()
    }
  }

  #connect(): Promise<Database> {
    const { url, clock, random } = this.#parts
    const { schema, connectionsMax, prepare, patienceMs } = this.#options
    return Database.create({ options: { url, schema, connectionsMax, prepare, patienceMs }, clock, random })
  }

  async open(): Promise<void> {
    if (this.#state !== 'new') throw new SpindleError('closed', 'open a PostgreSQL store a second time')
    const { clock, random, successorOf } = this.#parts
    const { schema, slotBytes } = this.#options
    const database = await this.#connect()
    try {
      if (this.#options.migrate) await migrate(database, { schema, random })
      else await checkSchema(database, schema)
      if (successorOf !== undefined) await succeed(database, foundingOf(successorOf))
      this.#joined = await join({
        database,
        known: this.#known,
        time: this.#time,
        clock,
        random,
        limits: this.#limits,
        log: this.#log,
        slotBytes,
      })
    } catch (fault) {
      await database.close()
      throw fault
    }
    this.#state = 'open'
    this.#log.info('the store is open', { store: database.label, schema })
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    this.#known.watchers.clear()
    await this.#joined?.catchUp.ended()
    await this.#joined?.fleet.close()
    await this.#joined?.database.close()
  }

  async commit(units: readonly Unit[], options: CommitOptions = {}): Promise<Outcome[][]> {
    const own = units.map(ownCopy)
    const joined = await this.#prepare()
    if (options.within !== undefined) return commitWithin(joined, own, callerConnection(options.within))
    return commitUnits(joined, own)
  }

  async lease(request: LeaseRequest): Promise<Delivery[]> {
    this.#open()
    checkLease(request, this.#limits.receiveMax)
    const { plain, works, fleet } = await this.#prepare()
    const claimed = await plain.claim(request)
    if (claimed !== undefined) return claimed
    return works.together({
      attempted: `lease from '${request.queue}'`,
      wanted: { names: [request.queue] },
      weight: request.max,
      run: async (image) => {
        const deliveries = await lease(image, request)
        if (deliveries.length === 0) await arm(image, request.queue, fleet)
        return deliveries
      },
    })
  }

  async extend(receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]> {
    const { plain, works } = await this.#prepare()
    const tried = (await plain.extend(receipts, leaseMs)) ?? []
    const rest = receipts.filter((_, i) => tried[i] === undefined)
    if (rest.length === 0) return tried as ExtendOutcome[]
    const qids = rest.map((receipt) => parseReceipt(receipt).qid)
    const others = await works.together({
      attempted: 'extend',
      wanted: { qids },
      weight: rest.length,
      run: (image) => extend(image, rest, leaseMs),
    })
    let next = 0
    return receipts.map((_, i) => tried[i] ?? (others[next++] as ExtendOutcome))
  }

  async renewHolder(holder: string, ttlMs: number): Promise<void> {
    const { database } = await this.#prepare()
    const untilMs = this.#time.now().monotonicMs + ttlMs
    await database.read('renew a holder', (transaction) =>
      transaction.run(
        'insert into spindle.holder (name, until) values ($1, $2) on conflict (name) do update set until = excluded.until',
        holder,
        untilMs,
      ),
    )
    this.#known.due(untilMs)
  }

  async releaseHolder(holder: string, { spend = true }: { readonly spend?: boolean } = {}): Promise<void> {
    const { database, works } = await this.#prepare()
    for (let ended = false; !ended; ) {
      const held = await database.read('end a holder', (transaction) =>
        transaction.rows<{ qid: number }>(HELD_QUEUES, [holder]),
      )
      const own = [...this.#known.catalog.all()].filter(
        ({ lifetime }) => lifetime.kind === 'holder' && lifetime.holder === holder,
      )
      const qids = [...held, ...own].map(({ qid }) => qid)
      ended = await works.run('end a holder', { qids, alone: own.length > 0 }, (image) =>
        endHolder(image, holder, spend),
      )
    }
  }

  async browse(request: BrowseRequest): Promise<BrowsePage> {
    const joined = await this.#prepare()
    return joined.database.read(`browse '${request.queue}'`, (transaction) =>
      browse(transaction, this.#seen(joined), request),
    )
  }

  async find(id: MessageId): Promise<MessageView | undefined> {
    const joined = await this.#prepare()
    const seen = this.#seen(joined)
    return joined.database.read('find a message', (transaction) =>
      find(transaction, seen, { id, number: parseId(seen.tag, id) }),
    )
  }

  async measure(names?: readonly string[]): Promise<QueueMeasure[]> {
    const { database } = await this.#prepare()
    const { catalog, totals } = this.#known
    return database.read('measure', async (transaction) => {
      await catalog.refresh(transaction)
      const queues = names === undefined ? [...catalog.all()] : names.flatMap((name) => catalog.byName(name) ?? [])
      return measure(transaction, queues, totals)
    })
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    const { database } = await this.#prepare()
    return database.read('read a record', (transaction) => readRecord(transaction, key))
  }

  async scan(
    prefix: string,
    { after, limit }: { readonly after?: string; readonly limit: number },
  ): Promise<StoredRecord[]> {
    const { database } = await this.#prepare()
    return database.read('scan records', (transaction) => scanRecords(transaction, { prefix, after, limit }))
  }

  async tick(budget: number): Promise<{ readonly nextDueMs: number | null }> {
    const { database, fleet, slots, catchUp } = this.#open()
    await fleet.tick()
    await slots.tick()
    if (this.#time instanceof DatabaseTime) await this.#keepTime(this.#time, database)
    await catchUp.apply(budget)
    const nowMs = this.#time.now().monotonicMs
    await database.read('tidy up', (transaction) => tidy(transaction, nowMs, TIDY_ROWS))
    const atMs = this.#known.dueAtMs
    return { nextDueMs: atMs === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil(atMs - nowMs)) }
  }

  /** Reclaims bodies now, as a tick does every few seconds; for tests and soaks. */
  async turnSlots(): Promise<void> {
    await this.#joined?.slots.turn()
  }

  /** Clocks drift; a server that took over has another one. */
  async #keepTime(time: DatabaseTime, database: Database): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs()
    if (nowMs - this.#timedAtMs < TIME_EVERY_MS) return
    this.#timedAtMs = nowMs
    await database.read('read the clock', (transaction) => time.measureBy(transaction))
  }

  watch(listener: (queue: string) => void): () => void {
    const end = this.#known.watchers.add(listener)
    void this.#tellWaitingDead()
    return end
  }

  /** The dead that wait for an exchange are told of as a watch begins. */
  async #tellWaitingDead(): Promise<void> {
    const waiting = [...this.#known.catalog.all()].filter(({ policy }) => policy.onDeath.kind === 'exchange')
    if (waiting.length === 0 || this.#state !== 'open') return
    const rows = await this.#open()
      .database.read('look for dead letters', (transaction) =>
        transaction.rows<{ qid: number }>(
          'select w.qid from unnest($1::int[]) w(qid) where exists (select from spindle.parked e where e.qid = w.qid and e.state = 4)',
          waiting.map(({ qid }) => qid),
        ),
      )
      .catch(() => [])
    this.#known.hintOf(rows.map(({ qid }) => qid))
  }

  #open(): Joined {
    if (this.#state !== 'open' || this.#joined === undefined)
      throw new SpindleError('closed', `use a PostgreSQL store that is ${this.#state}`)
    return this.#joined
  }

  #seen({ tag }: Joined): Seen {
    return { now: this.#time.now(), tag }
  }

  /** Each verb first applies what is due, as far as this broker can know. */
  async #prepare(): Promise<Joined> {
    const joined = this.#open()
    await joined.catchUp.untilNow()
    return joined
  }
}

/** A claim that found nothing asks other brokers for a word. */
async function arm(image: Image, name: string, fleet: Joined['fleet']): Promise<void> {
  const queue = image.queue(name)
  const epoch = queue === undefined ? null : fleet.arms(queue)
  if (queue === undefined || epoch === null) return
  await image.transaction.run(
    'insert into spindle.waiter (qid, epoch) values ($1, $2) on conflict do nothing',
    queue.qid,
    epoch,
  )
}
