/**
 * The bookings, in SQL: PostgreSQL itself, compiled to run inside this process (PGlite), on a data folder. It serves
 * one process at a time, so the web process alone opens it.
 */
import { PGlite } from '@electric-sql/pglite'
import { type Booking, type BookingRequest, bookingSchema, nightsBetween, rooms, type Step } from './booking.ts'
import type { SaleBooking } from './sale.ts'

const LATEST_MAX = 30

const schema = `
  create sequence if not exists booking_numbers start 1001;
  create table if not exists bookings (
    id text primary key,
    number text not null unique,
    guest text not null,
    email text not null,
    room text not null,
    arrival date not null,
    departure date not null,
    nights int not null,
    price_euros int not null,
    mode text not null,
    booked_at_ms bigint not null,
    answered_ms real
  );
  create index if not exists bookings_by_age on bookings (booked_at_ms desc);
  create table if not exists steps (
    booking_id text not null references bookings (id),
    step text not null,
    job_id text,
    -- The last that was seen of it, as the page shows it; null until then.
    seen jsonb,
    primary key (booking_id, step)
  );
  create table if not exists sale_bookings (
    id text primary key,
    guest text not null,
    arrived_at_ms bigint not null,
    booked_at_ms bigint not null
  );`

export interface StepRow {
  readonly bookingId: string
  readonly step: Step
  readonly jobId: string | null
  readonly seen: unknown
}

export interface BookingRow {
  readonly booking: Booking
  readonly answeredMs: number | null
}

const columns = `id, number, guest, email, room, arrival::text as arrival, departure::text as departure, nights,
  price_euros as "priceEuros", mode, booked_at_ms::float8 as "bookedAtMs", answered_ms::float8 as "answeredMs"`

export class Bookings {
  readonly #db: PGlite

  private constructor(db: PGlite) {
    this.#db = db
  }

  static async open(folder: string): Promise<Bookings> {
    const db = await PGlite.create(folder)
    await db.exec(schema)
    return new Bookings(db)
  }

  /** Stored when resolved. */
  async add(id: string, request: BookingRequest): Promise<Booking> {
    const { guest, email, room, arrival, departure, mode } = request
    const nights = nightsBetween(arrival, departure)
    const { rows } = await this.#db.query<Record<string, unknown>>(
      `insert into bookings (id, number, guest, email, room, arrival, departure, nights, price_euros, mode, booked_at_ms)
       values ($1, 'SP-' || nextval('booking_numbers'), $2, $3, $4, $5, $6, $7, $8, $9, $10) returning ${columns}`,
      [id, guest, email, room, arrival, departure, nights, nights * rooms[room].pricePerNight, mode, Date.now()],
    )
    return bookingSchema.parse(rows[0])
  }

  async setAnswered(id: string, answeredMs: number): Promise<void> {
    await this.#db.query('update bookings set answered_ms = $2 where id = $1', [id, answeredMs])
  }

  /** Remembers which job does a step, and the last that was seen of it. Idempotent. */
  async setStep({ bookingId, step, jobId, seen }: StepRow): Promise<void> {
    await this.#db.query(
      `insert into steps (booking_id, step, job_id, seen) values ($1, $2, $3, $4)
       on conflict (booking_id, step) do update set job_id = excluded.job_id, seen = excluded.seen`,
      [bookingId, step, jobId, seen === undefined ? null : JSON.stringify(seen)],
    )
  }

  /** Newest first. */
  async latest(): Promise<readonly BookingRow[]> {
    const { rows } = await this.#db.query<Record<string, unknown>>(
      `select ${columns} from bookings order by booked_at_ms desc limit ${LATEST_MAX}`,
    )
    return rows.map(toRow)
  }

  async find(id: string): Promise<BookingRow | undefined> {
    const { rows } = await this.#db.query<Record<string, unknown>>(`select ${columns} from bookings where id = $1`, [
      id,
    ])
    return rows[0] === undefined ? undefined : toRow(rows[0])
  }

  async stepsOf(bookingId: string): Promise<readonly StepRow[]> {
    const { rows } = await this.#db.query<StepRow>(
      'select booking_id as "bookingId", step, job_id as "jobId", seen from steps where booking_id = $1',
      [bookingId],
    )
    return rows
  }

  /** Booked, but the process ended before the first task was enqueued: the gap between two stores. Oldest first. */
  async withoutTasks(): Promise<readonly Booking[]> {
    const { rows } = await this.#db.query<Record<string, unknown>>(
      `select ${columns} from bookings
       where mode = 'queued' and not exists (select from steps where booking_id = id) order by booked_at_ms`,
    )
    return rows.map((row) => bookingSchema.parse(row))
  }

  /** Of the flash sale. A task may run twice: the second time changes nothing. */
  async addSale({ id, guest, arrivedAtMs }: SaleBooking): Promise<void> {
    await this.#db.query(
      `insert into sale_bookings (id, guest, arrived_at_ms, booked_at_ms) values ($1, $2, $3, $4) on conflict (id) do nothing`,
      [id, guest, arrivedAtMs, Date.now()],
    )
  }

  /** Of all sales. */
  async countSales(): Promise<number> {
    const { rows } = await this.#db.query<{ n: number }>('select count(*)::int as n from sale_bookings')
    return rows[0]?.n ?? 0
  }

  close(): Promise<void> {
    return this.#db.close()
  }
}

function toRow(row: Record<string, unknown>): BookingRow {
  const answeredMs = row['answeredMs']
  return { booking: bookingSchema.parse(row), answeredMs: typeof answeredMs === 'number' ? answeredMs : null }
}
