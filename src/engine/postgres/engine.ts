/**
 * The engine of `postgres:`: any number of brokers over one database.
 *
 *     verb -> apply what is due -> lock its queues -> load what it names -> decide -> write all changes at once -> COMMIT -> answer
 *
 * Queues are locked by advisory locks of the transaction, in the order of their numbers, behind a lock of the catalog that only makers of
 * queues take alone. What is decided, and how, is the model's (`decide`); SQL finds, stores and counts.
 */
import { SpindleError } from '../../model/errors.ts'
import { defaultLimits, type Limits } from '../../model/limits.ts'
import type { Delivery, ExtendOutcome, MessageId, MessageView, Receipt } from '../../model/message.ts'
import { foundingOf, parseId, type StoreTag, storeTag } from '../../model/message-id.ts'
import type { Clock } from '../../runtime/clock.ts'
import { type Log, silentLog } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import type {
  BrowsePage,
  BrowseRequest,
  Capabilities,
  CommitOptions,
  Engine,
  LeaseRequest,
  Outcome,
  QueueMeasure,
  QueueTotals,
  SharedStore,
  StoredRecord,
  Unit,
} from '../engine.ts'
import { Batcher } from './batcher.ts'
import { callerConnection } from './caller-connection.ts'
import { Catalog } from './catalog.ts'
import { Database } from './database.ts'
import type { Connection } from './driver.ts'
import { applyDue, cameBetween, findDue, nextDue, tidy } from './due.ts'
import { bytesOf } from './entry.ts'
import { Fleet } from './fleet.ts'
import { flush } from './flush.ts'
import { Hearers } from './hearers.ts'
import { Image } from './image.ts'
import { keyBytes, keyText } from './image-parts.ts'
import { LeaseBook } from './lease-book.ts'
import { checkLease, endHolder, extend, HELD_QUEUES, lease } from './leases.ts'
import { measure } from './measures.ts'
import { checkSchema, migrate, succeed } from './migrate.ts'
import { nextDeadline } from './next-deadline.ts'
import { PlainWay } from './plain.ts'
import { type Queue, targetsOf } from './queue.ts'
import { parseReceipt } from './receipts.ts'
import { Slots } from './slots.ts'
import { DatabaseTime, type StoreTime } from './store-time.ts'
import { Tokens } from './tokens.ts'
import type { Transaction } from './transaction.ts'
import { ownCopy } from './unit-copy.ts'
import { applyUnit, changesCatalog, namedBy, prefetch } from './units.ts'
import { parseStoreUrl } from './url.ts'
import { browse, find } from './views.ts'
import { Watchers } from './watchers.ts'

export interface PostgresEngineParts {
  /** `postgres://user:password@host:port/database?schema=spindle`. */
  readonly url: string
  readonly clock: Clock
  readonly random: Random
  readonly limits?: Limits
  readonly log?: Log
  readonly options?: PostgresOptions
  /** Of a schema that gave no id yet: an id of the store that it goes on from. */
  readonly successorOf?: MessageId | undefined
}

export interface PostgresOptions {
  /** Default: that of the URL, else `spindle`. */
  readonly schema?: string
  /** Sessions that one broker holds at most, beside one that listens. Default 10. */
  readonly connectionsMax?: number
  /** Named prepared statements. Off behind pgbouncer older than 1.21 in transaction mode. Default true. */
  readonly prepare?: boolean
  /** How long a call waits for a server that restarts or fails over, ms. Default 30,000. */
  readonly patienceMs?: number
  /** Make or upgrade the schema when it opens. Default true; false: only check it. */
  readonly migrate?: boolean
  /** A partition of bodies is left for another one at this size, bytes. Default 64 MiB. */
  readonly slotBytes?: number
  /** For tests: in the place of the database's clock. */
  readonly time?: StoreTime
}

const DEFAULTS = {
  schema: 'spindle',
  connectionsMax: 10,
  prepare: true,
  patienceMs: 30_000,
  migrate: true,
  slotBytes: 64 * 1_048_576,
}
/** Transitions that one transaction applies at most before a verb's own work. */
const DUE_BUDGET = 10_000
const TIDY_ROWS = 10_000
const TIME_EVERY_MS = 10_000
/** One transaction of purges and floods is large; one of units is bounded, so that others get their turn. */
const SCAN_MAX = 10_000

/** Of the long way: pieces of work that share one transaction, and transactions under way at a time. */
const WORKS = { atOnce: 2, weightMax: 1_000 }

/** A piece of work on queues that are locked for it. */
interface Work {
  readonly attempted: string
  readonly wanted: Wanted
  /** What it will want to know, so that all pieces load together. */
  readonly units?: readonly Unit[]
  readonly weight: number
  readonly run: (image: Image) => Promise<unknown>
}

/** What a piece of work locks. */
interface Wanted {
  readonly names?: Iterable<string>
  readonly qids?: Iterable<number>
  /** It changes the catalog. */
  readonly alone?: boolean
}

export class PostgresEngine implements Engine {
  readonly capabilities: Capabilities = { durable: true, callerTransactions: true, clock: 'store' }
  readonly shared: SharedStore = {
    queues: () => [...this.#catalog.all()].map(({ name, policy, lifetime }) => ({ queue: name, policy, lifetime })),
    watchCatalog: (listener) => this.#catalog.watch(listener),
    broadcast: (channel, data) => this.#fleet?.broadcast(channel, data),
    hear: (listener) => this.#heard.add(listener),
  }
  readonly #heard = new Hearers()
  readonly #parts: PostgresEngineParts
  readonly #options: Required<Omit<PostgresOptions, 'time'>>
  readonly #limits: Limits
  readonly #log: Log
  readonly #time: StoreTime
  readonly #catalog = new Catalog()
  readonly #book = new LeaseBook()
  readonly #watchers = new Watchers()
  readonly #totals = new Map<number, { -readonly [Key in keyof QueueTotals]: number }>()
  #database: Database | undefined
  #tokens: Tokens | undefined
  #plain: PlainWay | undefined
  #fleet: Fleet | undefined
  #slots: Slots | undefined
  readonly #works = new Batcher<Work, unknown>({
    run: (works) => this.#runAll(works),
    weigh: ({ weight }) => weight,
    limits: WORKS,
  })
  #tag: StoreTag | undefined
  #tagBytes: Uint8Array = new Uint8Array(0)
  #lockClass = 0
  #state: 'new' | 'open' | 'closed' = 'new'
  /** No earlier than this is anything due, as far as this broker knows. */
  #dueAtMs = 0
  /** Watchers were told of every token and lapse until then. */
  #toldMs = 0
  #applying: Promise<void> | undefined
  #timedAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: PostgresEngineParts) {
    const { url, schema } = parseStoreUrl(parts.url)
    this.#parts = { ...parts, url }
    this.#options = { ...DEFAULTS, ...(schema === undefined ? {} : { schema }), ...parts.options }
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
    const { random } = this.#parts
    const { schema } = this.#options
    const database = await this.#connect()
    try {
      if (this.#options.migrate) await migrate(database, { schema, random })
      else await checkSchema(database, schema)
      const { successorOf } = this.#parts
      if (successorOf !== undefined) await succeed(database, foundingOf(successorOf))
      await this.#begin(database)
    } catch (fault) {
      await database.close()
      throw fault
    }
    this.#database = database
    this.#state = 'open'
    this.#log.info('the store is open', { store: database.label, schema })
  }

  async #begin(database: Database): Promise<void> {
    await database.read(`open ${database.label}`, async (transaction) => {
      const [row] = await transaction.rows<{ tag: Buffer; class: number; epoch: number }>(
        `select c.tag, spindle.lock_class() as class, nextval('spindle.epoch_seq') as epoch from spindle.catalog c`,
      )
      if (row === undefined) throw new Error('invariant: a store without a catalog')
      this.#tagBytes = bytesOf(row.tag)
      this.#tag = storeTag(this.#tagBytes)
      this.#lockClass = row.class
      this.#tokens = new Tokens(row.epoch)
      if (this.#time instanceof DatabaseTime) await measureTime(this.#time, transaction)
      await this.#catalog.read(transaction)
      const leases = await transaction.rows<{ number: number; qid: number; until: number }>(
        'select e.id as number, e.qid, e.until from spindle.live e where e.state = 1 and e.until is not null',
      )
      for (const { number, qid, until } of leases) this.#book.note({ number, qid }, until)
    })
    this.#toldMs = this.#time.now().monotonicMs
    this.#join(database)
  }

  #join(database: Database): void {
    const { clock, random } = this.#parts
    const catalog = this.#catalog
    const book = this.#book
    const tokens = this.#tokens
    const { tag } = this.#seen()
    if (tokens === undefined) throw new Error('invariant: a store without an epoch')
    const hint = (queues: Iterable<string>): void => this.#watchers.hint(queues)
    const fleet = new Fleet({
      database,
      catalog,
      book,
      tokens,
      clock,
      random,
      log: this.#log,
      channel: this.#channel,
      nowMs: () => this.#time.now().monotonicMs,
      hint,
      heard: (channel, data) => this.#heard.tell(channel, data),
      unsure: () => this.#plain?.forgetFloors(),
    })
    this.#fleet = fleet
    this.#slots = new Slots({
      database,
      lockClass: this.#lockClass,
      slotBytes: this.#options.slotBytes,
      nowMs: () => this.#time.now().monotonicMs,
    })
    this.#plain = new PlainWay({
      database,
      catalog,
      limits: this.#limits,
      book,
      tag,
      lockClass: this.#lockClass,
      epoch: tokens.epoch,
      now: () => this.#time.now(),
      nextToken: () => tokens.next(),
      count: (qid, total, by) => this.#count(qid, total, by),
      arms: fleet.arms,
      lostTrack: fleet.lostTrack,
      due: (atMs) => {
        this.#dueAtMs = Math.min(this.#dueAtMs, atMs)
      },
      hint,
    })
  }

  #count(qid: number, total: keyof QueueTotals, by: number): void {
    let totals = this.#totals.get(qid)
    if (totals === undefined) {
      totals = { appended: 0, delivered: 0, acked: 0, released: 0, lost: 0, died: 0 }
      this.#totals.set(qid, totals)
    }
    totals[total] += by
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    this.#watchers.clear()
    await this.#applying?.catch(() => {})
    await this.#fleet?.close()
    await this.#database?.close()
  }

  async commit(units: readonly Unit[], options: CommitOptions = {}): Promise<Outcome[][]> {
    const own = units.map(ownCopy)
    await this.#prepare()
    if (options.within !== undefined) return this.#commitWithin(own, callerConnection(options.within))
    const tried = await this.#plain?.commit(own)
    if (tried === undefined) return this.#commitLong(own)
    const rest = own.filter((_, i) => tried[i] === undefined)
    const others = rest.length === 0 ? [] : await this.#commitLong(rest)
    let next = 0
    return tried.map((outcomes) => outcomes ?? (others[next++] as Outcome[]))
  }

  /**
   * In the caller's transaction: it happens with their COMMIT, or never. The locks of its queues are theirs until then; those of plain
   * queues, where units only append or ack, are shared.
   */
  async #commitWithin(units: readonly Unit[], connection: Connection): Promise<Outcome[][]> {
    const database = this.#opened()
    return database.within('commit within a transaction', connection, async (transaction) => {
      const plain = await this.#plain?.commitWithin(units, transaction)
      if (plain !== undefined) return plain
      const image = await this.#enter(transaction, { ...namedBy(units), alone: changesCatalog(units) })
      await prefetch(image, units)
      const outcomes: Outcome[][] = []
      for (const unit of units) outcomes.push(await applyUnit(image, unit))
      await image.flush()
      if (changesCatalog(units)) await tellCatalog(transaction)
      // Their COMMIT makes it known; until then nobody here knows whether it happens.
      const told = [...image.hints].flatMap((name) => image.queue(name)?.qid ?? [])
      if (told.length > 0) await transaction.run('select pg_notify(spindle.channel(), $1)', told.join(','))
      return outcomes
    })
  }

  get #channel(): string {
    return `spindle:${Buffer.from(this.#tagBytes).toString('hex')}`
  }

  async #commitLong(units: readonly Unit[]): Promise<Outcome[][]> {
    if (units.length === 0) return []
    const { names, qids } = namedBy(units)
    const run = async (image: Image): Promise<Outcome[][]> => {
      const outcomes: Outcome[][] = []
      for (const unit of units) outcomes.push(await applyUnit(image, unit))
      return outcomes
    }
    const wanted = { names, qids, alone: changesCatalog(units) }
    const weight = units.reduce((sum, { ops }) => sum + ops.length, 0)
    return this.#together({ attempted: 'commit', wanted, units, weight, run })
  }

  /** With others that come at the same time, in one transaction; alone where it changes the catalog. */
  async #together<T>(work: Omit<Work, 'run'> & { readonly run: (image: Image) => Promise<T> }): Promise<T> {
    if (work.wanted.alone === true) return (await this.#runAll([work]))[0] as T
    return (await this.#works.add(work)) as T
  }

  async #runAll(works: readonly Work[]): Promise<unknown[]> {
    const [first] = works
    if (first === undefined) return []
    try {
      return await this.#work(first.attempted, allWanted(works), async (image) => {
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

  async lease(request: LeaseRequest): Promise<Delivery[]> {
    this.#open()
    checkLease(request, this.#limits.receiveMax)
    await this.#prepare()
    const claimed = await this.#plain?.claim(request)
    if (claimed !== undefined) return claimed
    return this.#together({
      attempted: `lease from '${request.queue}'`,
      wanted: { names: [request.queue] },
      weight: request.max,
      run: async (image) => {
        const deliveries = await lease(image, request)
        if (deliveries.length === 0) await this.#arm(image, request.queue)
        return deliveries
      },
    })
  }

  async #arm(image: Image, name: string): Promise<void> {
    const queue = image.queue(name)
    const epoch = queue === undefined ? null : (this.#fleet?.arms(queue) ?? null)
    if (queue === undefined || epoch === null) return
    await image.transaction.run(
      'insert into spindle.waiter (qid, epoch) values ($1, $2) on conflict do nothing',
      queue.qid,
      epoch,
    )
  }

  async extend(receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]> {
    await this.#prepare()
    const tried = (await this.#plain?.extend(receipts, leaseMs)) ?? []
    const rest = receipts.filter((_, i) => tried[i] === undefined)
    if (rest.length === 0) return tried as ExtendOutcome[]
    const qids = rest.map((receipt) => parseReceipt(receipt).qid)
    const others = await this.#together({
      attempted: 'extend',
      wanted: { qids },
      weight: rest.length,
      run: (image) => extend(image, rest, leaseMs),
    })
    let next = 0
    return receipts.map((_, i) => tried[i] ?? (others[next++] as ExtendOutcome))
  }

  async renewHolder(holder: string, ttlMs: number): Promise<void> {
    const database = await this.#prepare()
    const untilMs = this.#time.now().monotonicMs + ttlMs
    await database.read('renew a holder', (transaction) =>
      transaction.run(
        'insert into spindle.holder (name, until) values ($1, $2) on conflict (name) do update set until = excluded.until',
        holder,
        untilMs,
      ),
    )
    this.#dueAtMs = Math.min(this.#dueAtMs, untilMs)
  }

  async releaseHolder(holder: string, { spend = true }: { readonly spend?: boolean } = {}): Promise<void> {
    const database = await this.#prepare()
    for (let ended = false; !ended; ) {
      const held = await database.read('end a holder', (transaction) =>
        transaction.rows<{ qid: number }>(HELD_QUEUES, [holder]),
      )
      const own = [...this.#catalog.all()].filter(
        ({ lifetime }) => lifetime.kind === 'holder' && lifetime.holder === holder,
      )
      const qids = [...held, ...own].map(({ qid }) => qid)
      ended = await this.#work('end a holder', { qids, alone: own.length > 0 }, (image) =>
        endHolder(image, holder, spend),
      )
    }
  }

  async browse(request: BrowseRequest): Promise<BrowsePage> {
    const database = await this.#prepare()
    return database.read(`browse '${request.queue}'`, (transaction) => browse(transaction, this.#seen(), request))
  }

  async find(id: MessageId): Promise<MessageView | undefined> {
    const database = await this.#prepare()
    const seen = this.#seen()
    return database.read('find a message', (transaction) =>
      find(transaction, seen, { id, number: parseId(seen.tag, id) }),
    )
  }

  async measure(names?: readonly string[]): Promise<QueueMeasure[]> {
    const database = await this.#prepare()
    return database.read('measure', async (transaction) => {
      await this.#catalog.refresh(transaction)
      const queues =
        names === undefined ? [...this.#catalog.all()] : names.flatMap((name) => this.#catalog.byName(name) ?? [])
      return measure(transaction, queues, this.#totals)
    })
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    const database = await this.#prepare()
    const [record] = await database.read('read a record', (transaction) =>
      transaction.rows<RecordRow>(
        'select r.key, r.value, r.version from spindle.record r where r.key = $1',
        keyBytes(key),
      ),
    )
    return record === undefined ? undefined : recordOf(record)
  }

  async scan(
    prefix: string,
    { after, limit }: { readonly after?: string; readonly limit: number },
  ): Promise<StoredRecord[]> {
    const database = await this.#prepare()
    const from = keyBytes(prefix)
    const records = await database.read('scan records', (transaction) =>
      transaction.rows<RecordRow>(
        `select r.key, r.value, r.version from spindle.record r
         where r.key >= $1 and substring(r.key for $2::int) = $1 and ($3::bytea is null or r.key > $3) order by r.key limit $4`,
        from,
        from.length,
        after === undefined ? null : keyBytes(after),
        Math.min(limit, SCAN_MAX),
      ),
    )
    return records.map(recordOf)
  }

  async tick(budget: number): Promise<{ readonly nextDueMs: number | null }> {
    this.#open()
    const database = this.#opened()
    await this.#fleet?.tick()
    await this.#slots?.tick()
    if (this.#time instanceof DatabaseTime) await this.#keepTime(this.#time)
    await this.#applyDue(budget)
    const nowMs = this.#time.now().monotonicMs
    await database.read('tidy up', (transaction) => tidy(transaction, nowMs, TIDY_ROWS))
    const atMs = this.#dueAtMs
    return { nextDueMs: atMs === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil(atMs - nowMs)) }
  }

  /** Reclaims bodies now, as a tick does every few seconds; for tests and soaks. */
  async turnSlots(): Promise<void> {
    await this.#slots?.turn()
  }

  /** Clocks drift; a server that took over has another one. */
  async #keepTime(time: DatabaseTime): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs()
    if (nowMs - this.#timedAtMs < TIME_EVERY_MS) return
    this.#timedAtMs = nowMs
    await this.#opened().read('read the clock', (transaction) => measureTime(time, transaction))
  }

  watch(listener: (queue: string) => void): () => void {
    const end = this.#watchers.add(listener)
    void this.#tellWaitingDead()
    return end
  }

  /** The dead that wait for an exchange are told of as a watch begins. */
  async #tellWaitingDead(): Promise<void> {
    const waiting = [...this.#catalog.all()].filter(({ policy }) => policy.onDeath.kind === 'exchange')
    if (waiting.length === 0 || this.#state !== 'open') return
    const rows = await this.#opened()
      .read('look for dead letters', (transaction) =>
        transaction.rows<{ qid: number }>(
          'select w.qid from unnest($1::int[]) w(qid) where exists (select from spindle.parked e where e.qid = w.qid and e.state = 4)',
          waiting.map(({ qid }) => qid),
        ),
      )
      .catch(() => [])
    this.#watchers.hint(rows.flatMap(({ qid }) => this.#catalog.byId(qid)?.name ?? []))
  }

  #open(): void {
    if (this.#state !== 'open') throw new SpindleError('closed', `use a PostgreSQL store that is ${this.#state}`)
  }

  #opened(): Database {
    if (this.#database === undefined) throw new SpindleError('closed', `use a PostgreSQL store that is ${this.#state}`)
    return this.#database
  }

  #seen() {
    if (this.#tag === undefined) throw new SpindleError('closed', `use a PostgreSQL store that is ${this.#state}`)
    return { now: this.#time.now(), tag: this.#tag }
  }

  /** Each verb first applies what is due, as far as this broker can know. */
  async #prepare(): Promise<Database> {
    this.#open()
    while (this.#time.now().monotonicMs >= this.#dueAtMs) {
      this.#applying ??= this.#applyDue(DUE_BUDGET).finally(() => {
        this.#applying = undefined
      })
      await this.#applying
    }
    return this.#opened()
  }

  async #applyDue(budget: number): Promise<void> {
    const database = this.#opened()
    const nowMs = this.#time.now().monotonicMs
    const catalog = this.#catalog
    const book = this.#book
    const due = await database.read('look for what is due', async (transaction) => {
      await catalog.refresh(transaction)
      return findDue(transaction, { catalog, book, nowMs, max: budget })
    })
    if (due.numbers.length + due.holders.length + due.idle.length > 0) {
      const alone = due.holders.length + due.idle.length > 0
      await this.#work('apply what is due', { qids: due.qids, alone }, (image) => applyDue(image, due, budget))
    }
    const { next, came } = await database.read('look for what is due', async (transaction) => ({
      next: await nextDue(transaction, { catalog, book, nowMs }),
      came: await cameBetween(transaction, catalog, { afterMs: this.#toldMs, nowMs }),
    }))
    this.#toldMs = nowMs
    this.#dueAtMs = next
    this.#watchers.hint(came.flatMap((qid) => catalog.byId(qid)?.name ?? []))
  }

  /** Runs `run` on the locked queues, in a transaction, as often as it takes; what it changed is known here once it is committed. */
  async #work<T>(attempted: string, wanted: Wanted, run: (image: Image) => Promise<T>): Promise<T> {
    const database = this.#opened()
    const { answer, image, version } = await database.transaction(attempted, async (transaction) => {
      const image = await this.#enter(transaction, wanted)
      const answer = await run(image)
      await image.flush()
      return { answer, image, version: wanted.alone === true ? await tellCatalog(transaction) : undefined }
    })
    if (version !== undefined) this.#catalog.changed(version, image.queues.all())
    this.#learn(image)
    return answer
  }

  async #enter(transaction: Transaction, wanted: Wanted): Promise<Image> {
    for (;;) {
      const catalog = this.#catalog
      const queues = this.#lockedBy(wanted)
      const rows = await transaction.rows<EnterRow>(
        'select * from spindle.enter($1::int, $2::boolean, $3::bigint, $4::int[])',
        this.#lockClass,
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
        now: this.#time.now(),
        limits: this.#limits,
        tag: this.#seen().tag,
        slot: head.slot,
        epoch: this.#tokens?.epoch ?? 0,
        queues: locked.flatMap((row) => paced(catalog.byId(row.qid), row)),
        nextToken: () => this.#token(),
        readQueues: async () => {
          await catalog.read(transaction)
          return [...catalog.all()].filter(({ qid }) => names.has(qid))
        },
      })
      image.flush = () => flush(image)
      return image
    }
  }

  #token(): number {
    if (this.#tokens === undefined) throw new SpindleError('closed', 'lease from a store that is not open')
    return this.#tokens.next()
  }

  /** The queues themselves, and those that a death in them may put messages into; by number, which is the order of locks. */
  #lockedBy({ names = [], qids = [] }: Wanted): Queue[] {
    const locked = new Map<number, Queue>()
    const add = (queue: Queue | undefined): void => {
      if (queue !== undefined) locked.set(queue.qid, queue)
    }
    for (const name of names) add(this.#catalog.byName(name))
    for (const qid of qids) add(this.#catalog.byId(qid))
    for (const queue of [...locked.values()]) for (const name of targetsOf(queue)) add(this.#catalog.byName(name))
    return [...locked.values()].sort((a, b) => a.qid - b.qid)
  }

  /** What a committed transaction means for later ones. */
  #learn(image: Image): void {
    for (const [qid, delta] of image.totals) {
      for (const total of Object.keys(delta) as (keyof QueueTotals)[]) this.#count(qid, total, delta[total])
    }
    for (const entry of image.entries.values()) {
      const state = entry?.life.state
      if (entry !== undefined && state?.kind === 'leased' && state.endMs !== undefined)
        this.#book.note(entry, state.endMs)
    }
    this.#dueAtMs = Math.min(this.#dueAtMs, nextDeadline(image))
    this.#watchers.hint(image.hints)
  }
}

function allWanted(works: readonly Work[]): Wanted {
  return {
    names: works.flatMap(({ wanted }) => [...(wanted.names ?? [])]),
    qids: works.flatMap(({ wanted }) => [...(wanted.qids ?? [])]),
    alone: works.some(({ wanted }) => wanted.alone === true),
  }
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

interface RecordRow {
  readonly key: Buffer
  readonly value: Buffer
  readonly version: number
}

function recordOf({ key, value, version }: RecordRow): StoredRecord {
  return { key: keyText(key), value: bytesOf(value), version }
}

async function tellCatalog(transaction: Transaction): Promise<number> {
  const [row] = await transaction.rows<{ version: number }>('select spindle.tell_catalog() as version')
  if (row === undefined) throw new Error('invariant: a select without a row')
  return row.version
}

async function measureTime(time: DatabaseTime, transaction: Transaction): Promise<void> {
  await time.measure(async () => {
    const [row] = await transaction.rows<{ ms: number }>(
      'select extract(epoch from clock_timestamp())::float8 * 1000 as ms',
    )
    if (row === undefined) throw new Error('invariant: a select without a row')
    return row.ms
  })
}
