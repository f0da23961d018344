/**
 * Sends what stands in an outbox and removes it there once it is durable.
 *
 *     look -> send (dedupId: table and row) -> remove -> look …; nothing there: wait for `wake` or `everyMs`
 *
 * Rows are sent in the order of their numbers among those that are committed: a transaction that took a number early and committed late
 * comes late, and is not left out. Killed between sending and removing, the next relay sends again and the queue answers
 * `duplicate`; so the queues must have a dedup window, and several relays at a time are no harm but to the order.
 */
import type { Port } from '../client/port.ts'
import { newMessage } from '../client/queue.ts'
import { SpindleError } from '../model/errors.ts'
import type { NewMessage } from '../model/message.ts'
import { type Clock, systemClock, type Timer } from '../runtime/clock.ts'
import { type Log, silentLog } from '../runtime/log.ts'
import type { OutboxOptions, OutboxTable } from './outbox.ts'
import { placeholders, type SqlClient, tableName } from './sql.ts'

const BATCH = 500
const EVERY_MS = 1_000
/** After a fault, doubled each time up to this. */
const PAUSE_MS_MAX = 30_000

export interface RelayOptions extends OutboxTable {
  readonly client: SqlClient
  /** Where to: what `open()` resolved to. */
  readonly spindle: { readonly port: Port }
  /** How often it looks by itself, ms. Default 1,000. */
  readonly everyMs?: number
  readonly log?: Log
  readonly clock?: Clock
}

interface Row {
  /** A driver may give 64-bit numbers as text. */
  readonly id: number | string | bigint
  readonly queue: string
  readonly body: string
  readonly options: string
}

export class OutboxRelay {
  readonly #options: RelayOptions
  readonly #table: string
  readonly #clock: Clock
  readonly #windowed = new Set<string>()
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #again = false
  #stopped = false
  #failures = 0

  constructor(options: RelayOptions) {
    this.#options = options
    this.#table = tableName(options.table ?? 'spindle_outbox')
    this.#clock = options.clock ?? systemClock
  }

  /** Looks at once, and then again and again until `stop`. */
  start(): void {
    this.wake()
  }

  /** There may be something: call it after a commit, and it is sent without waiting for the next look. */
  wake(): void {
    if (this.#stopped) return
    if (this.#running !== undefined) {
      this.#again = true
      return
    }
    this.#timer?.cancel()
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#rest()
    })
  }

  /** Ends with the batch under way. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#running
  }

  /** Sends what is there now; resolves to how many. Rejects with what database or store say, or `invalid-argument` for a queue without a window. */
  async drain(): Promise<number> {
    let sent = 0
    for (;;) {
      const rows = await this.#batch()
      if (rows.length === 0) return sent
      await this.#send(rows)
      sent += rows.length
    }
  }

  async #run(): Promise<void> {
    do {
      this.#again = false
      try {
        await this.drain()
        this.#failures = 0
      } catch (fault) {
        this.#failures++
        const log = this.#options.log ?? silentLog
        log.warn('the outbox could not be sent and is tried again', { table: this.#table, fault })
      }
    } while (this.#again && !this.#stopped && this.#failures === 0)
  }

  #rest(): void {
    if (this.#stopped) return
    const everyMs = this.#options.everyMs ?? EVERY_MS
    const pauseMs = Math.min(PAUSE_MS_MAX, everyMs * 2 ** Math.min(this.#failures, 10))
    this.#timer = this.#clock.setTimer(Math.max(everyMs, pauseMs), () => this.wake())
  }

  async #batch(): Promise<readonly Row[]> {
    const sql = `select id, queue, body, options from ${this.#table} order by id limit ${BATCH}`
    return (await this.#options.client.query(sql, [])).rows as readonly Row[]
  }

  async #send(rows: readonly Row[]): Promise<void> {
    const { client, dialect = 'postgres', spindle } = this.#options
    // In runs of one queue, so that the order holds across queues, too.
    for (let from = 0; from < rows.length; ) {
      const queue = rows[from]?.queue ?? ''
      let to = from
      while (rows[to]?.queue === queue) to++
      const run = rows.slice(from, to)
      from = to
      await this.#needWindow(queue)
      const outcomes = await spindle.port.append(
        queue,
        run.map((row) => messageOf(row, this.#table)),
      )
      const refused = outcomes.find((outcome) => outcome.kind === 'refused')
      if (refused?.kind === 'refused') {
        throw new SpindleError(
          refused.reason === 'id-in-use' ? 'invalid-argument' : refused.reason,
          `send from ${this.#table} to '${queue}'`,
        )
      }
      const ids = run.map(({ id }) => id)
      await client.query(`delete from ${this.#table} where id in (${placeholders(dialect, ids.length)})`, ids)
    }
  }

  /** Without one, a relay that is killed at the wrong moment would send twice. */
  async #needWindow(queue: string): Promise<void> {
    if (this.#windowed.has(queue)) return
    const [measured] = await this.#options.spindle.port.measure([queue])
    if (measured === undefined) throw new SpindleError('no-such-queue', `send from ${this.#table} to '${queue}'`)
    if (measured.policy.dedup.kind !== 'window') {
      throw new SpindleError(
        'invalid-argument',
        `queue '${queue}' of an outbox must have dedup { kind: 'window', windowMs }`,
      )
    }
    this.#windowed.add(queue)
  }
}

function messageOf({ id, body, options }: Row, table: string): NewMessage {
  const named = JSON.parse(options) as OutboxOptions // written by `intoOutbox`
  return newMessage(JSON.parse(body) as unknown, { ...named, dedupId: `${table}/${id}` })
}
