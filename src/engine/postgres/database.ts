/**
 * The way to the server: a pool of sessions, and transactions that are run again when the server went away, or chose them to end a
 * deadlock. A transaction here decides everything anew from what it reads, so running it again is harmless until its COMMIT was sent;
 * of a COMMIT without an answer, the server is asked what became of it.
 */
import { SpindleError } from '../../model/errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import {
  type Connection,
  type Driver,
  loadDriver,
  type Pool,
  type PooledConnection,
  type SingleConnection,
  typeParsers,
} from './driver.ts'
import { codeOf, faultOf, isLost, isPassing } from './faults.ts'
import { Statements } from './statements.ts'
import { Transaction } from './transaction.ts'
import { withoutPassword } from './url.ts'
import { Vigil } from './vigil.ts'

export interface DatabaseOptions {
  readonly url: string
  readonly schema: string
  /** Sessions at most. */
  readonly connectionsMax: number
  readonly prepare: boolean
  /** How long a call waits for a server that is away, ms. */
  readonly patienceMs: number
}

/** For the server's list of sessions. */
const APPLICATION_NAME = 'spindle'
/** A lock that another broker holds for so long is held by one that hangs: the server ends this transaction, and it is run again. */
const BEGIN = "begin; set local lock_timeout = '10s'"
const CONNECT_LIMIT_MS = 5_000
/** A server that was never reached is more likely misnamed than away, ms. */
const FIRST_PATIENCE_MS = 10_000
const PAUSE_MS_FIRST = 20
const PAUSE_MS_MAX = 500

export class Database {
  readonly #options: DatabaseOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #driver: Driver
  readonly #pool: Pool
  readonly statements: Statements
  readonly #unprepared: Statements
  readonly #vigil: Vigil
  #reached = false
  #closed = false

  private constructor(parts: { options: DatabaseOptions; clock: Clock; random: Random; driver: Driver }) {
    this.#options = parts.options
    this.#clock = parts.clock
    this.#random = parts.random
    this.#driver = parts.driver
    const { url, connectionsMax, schema, prepare } = parts.options
    this.#pool = new parts.driver.Pool({
      connectionString: url,
      max: connectionsMax,
      connectionTimeoutMillis: CONNECT_LIMIT_MS,
      application_name: APPLICATION_NAME,
      keepAlive: true,
    })
    // A session that dies while it is idle is no concern of a call; the pool drops it.
    this.#pool.on('error', () => {})
    // Nor is one that dies between two statements of a call: the next statement says so. Without a listener the process would end.
    this.#pool.on('connect', (connection) => connection.on('error', () => {}))
    const types = typeParsers(parts.driver)
    this.statements = new Statements({ schema, prepare, types })
    // Names on a session of the caller's could meet theirs, or those of another store.
    this.#unprepared = new Statements({ schema, prepare: false, types })
    this.#vigil = new Vigil({ clock: parts.clock, reach: async () => (await this.session()).end() })
  }

  static async create(parts: { options: DatabaseOptions; clock: Clock; random: Random }): Promise<Database> {
    return new Database({ ...parts, driver: await loadDriver() })
  }

  /** For messages to a person. */
  get label(): string {
    return withoutPassword(this.#options.url)
  }

  /** A session of its own, for what must not be shared: notifications. */
  async session(): Promise<SingleConnection> {
    const client = new this.#driver.Client({
      connectionString: this.#options.url,
      connectionTimeoutMillis: CONNECT_LIMIT_MS,
      application_name: `${APPLICATION_NAME} listen`,
      keepAlive: true,
    })
    client.on('error', () => {})
    await client.connect()
    return client
  }

  /** One statement, without a transaction around it. Repeated while the server is away: only for what may run twice. */
  read<T>(attempted: string, run: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#patiently(attempted, (connection) => run(new Transaction(connection, this.statements)))
  }

  /** One statement, tried once: its fault is the server's own. */
  async attempt<T>(attempted: string, run: (transaction: Transaction) => Promise<T>): Promise<T> {
    if (this.#closed) throw new SpindleError('closed', attempted)
    const connection = await this.#pool.connect()
    const rest = this.#vigil.over(connection)
    try {
      const answer = await run(new Transaction(connection, this.statements))
      connection.release()
      return answer
    } catch (fault) {
      connection.release(true)
      throw fault
    } finally {
      rest()
    }
  }

  /**
   * One statement that commits by itself. Not repeated once it was sent and its session was lost: `outcome-unknown`. Where the server
   * answered that it did nothing, it is repeated.
   */
  once<T>(attempted: string, run: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#patiently(attempted, async (connection) => {
      try {
        return await run(new Transaction(connection, this.statements))
      } catch (fault) {
        if (isLost(fault) && codeOf(fault) !== '57P03')
          throw new SpindleError('outcome-unknown', attempted, { cause: fault })
        throw fault
      }
    })
  }

  /** A transaction, run until it committed. `run` may be called several times, and decides anew each time. */
  transaction<T>(attempted: string, run: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#patiently(attempted, async (connection, again) => {
      const transaction = new Transaction(connection, this.statements)
      await transaction.script(BEGIN)
      let answer: T
      let xid: string | undefined
      try {
        answer = await run(transaction)
        const [row] = await transaction.rows<{ xid: string | null }>(
          'select pg_current_xact_id_if_assigned()::text as xid',
        )
        xid = row?.xid ?? undefined
      } catch (fault) {
        if (!isLost(fault)) await transaction.script('rollback')
        throw fault
      }
      try {
        await transaction.script('commit')
      } catch (fault) {
        if (xid !== undefined && isLost(fault)) {
          const committed = await this.#became(attempted, xid)
          if (!committed) return again(fault)
        } else if (xid !== undefined) throw fault
      }
      return answer
    })
  }

  /**
   * Inside the transaction that is open on a connection of the caller's; their COMMIT decides. What fails here is taken back to a
   * savepoint, so that their transaction goes on. Rejects `invalid-argument` where none is open, or it is not READ COMMITTED: what is
   * read behind a lock has to be as it is then.
   */
  async within<T>(
    attempted: string,
    connection: Connection,
    run: (transaction: Transaction) => Promise<T>,
  ): Promise<T> {
    const transaction = new Transaction(connection, this.#unprepared)
    try {
      await transaction.script('savepoint spindle_within')
    } catch (fault) {
      if (codeOf(fault) !== '25P01') throw faultOf(fault, attempted)
      throw new SpindleError('invalid-argument', `${attempted}: no transaction is open on that client (BEGIN first)`)
    }
    try {
      const [row] = await transaction.rows<{ level: string }>(
        "select current_setting('transaction_isolation') as level",
      )
      if (row?.level !== 'read committed') {
        throw new SpindleError('invalid-argument', `${attempted}: its isolation is ${row?.level}, not read committed`)
      }
      const answer = await run(transaction)
      await transaction.script('release savepoint spindle_within')
      return answer
    } catch (fault) {
      if (!isLost(fault)) await transaction.script('rollback to savepoint spindle_within')
      throw faultOf(fault, attempted)
    }
  }

  /** After a COMMIT without an answer: did it take effect? */
  async #became(attempted: string, xid: string): Promise<boolean> {
    return this.#patiently(attempted, async (connection) => {
      const transaction = new Transaction(connection, this.statements)
      const endMs = this.#clock.monotonicMs() + this.#options.patienceMs
      for (;;) {
        const [row] = await transaction.rows<{ status: string | null }>(
          'select pg_xact_status($1::text::xid8) as status',
          xid,
        )
        if (row?.status === 'committed') return true
        if (row?.status === 'aborted') return false
        if (row?.status !== 'in progress' || this.#clock.monotonicMs() > endMs) {
          throw new SpindleError('outcome-unknown', attempted)
        }
        await this.#pause(PAUSE_MS_FIRST)
      }
    })
  }

  async #patiently<T>(
    attempted: string,
    run: (connection: Connection, again: (fault: unknown) => never) => Promise<T>,
  ): Promise<T> {
    const { patienceMs } = this.#options
    const endMs = this.#clock.monotonicMs() + (this.#reached ? patienceMs : Math.min(patienceMs, FIRST_PATIENCE_MS))
    for (let attempt = 0; ; attempt++) {
      if (this.#closed) throw new SpindleError('closed', attempted)
      let connection: PooledConnection | undefined
      let rest: (() => void) | undefined
      let repeat: unknown
      try {
        connection = await this.#pool.connect()
        this.#reached = true
        rest = this.#vigil.over(connection)
        const answer = await run(connection, (fault) => {
          repeat = fault
          throw fault
        })
        connection.release()
        return answer
      } catch (fault) {
        // Whatever happened, this session may be in the middle of something.
        connection?.release(fault instanceof SpindleError && fault.code !== 'outcome-unknown' ? undefined : true)
        const again = repeat === fault || isPassing(fault)
        if (!again || this.#clock.monotonicMs() > endMs) throw faultOf(fault, `${attempted} on ${this.label}`)
      } finally {
        rest?.()
      }
      const longest = Math.min(PAUSE_MS_MAX, PAUSE_MS_FIRST * 2 ** Math.min(attempt, 8))
      await this.#pause(longest * (0.5 + 0.5 * this.#random.float()))
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(ms, resolve, { keepAlive: true })
    })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#pool.end()
  }
}
