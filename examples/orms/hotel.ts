/** A hotel whose bookings are in the PostgreSQL that holds the queues, and what each of the four ORMs has to do for it. */
import { type Message, type Queue, type Spindle, task } from 'spindle-mq'
import { z } from 'zod'

export interface Mail {
  readonly to: string
  readonly bookingId: number
}

export const voucher = task('voucher.render', {
  input: z.object({ bookingId: z.number() }),
  run: ({ bookingId }) => Promise.resolve(`voucher of booking ${bookingId}`),
})

export interface Booking {
  readonly id: number
  readonly guest: string
}

/** Each method is one transaction of the ORM. `fails`: it throws at its end, and so rolls back. */
export interface Bookings {
  /** The row, the mail and the task. Resolves to the id of the task. */
  book(booking: Booking, options?: { readonly fails?: boolean }): Promise<string>
  /** The row is marked and the message is done. */
  mailed(message: Message<Mail>, options?: { readonly fails?: boolean }): Promise<void>
  /** Guests of the rows that are there, with a star behind those that have their mail. */
  guests(): Promise<string[]>
  close(): Promise<void>
}

/** Opens the ORM on this database. */
export type OpenBookings = (url: string, spindle: Spindle) => Bookings

export const TABLE =
  'create table if not exists booking (id int primary key, guest text not null, mailed boolean not null default false)'

export class CardRefused extends Error {
  constructor() {
    super('the card was refused')
  }
}

export function mailQueue(spindle: Spindle): Promise<Queue<Mail>> {
  return spindle.queue<Mail>('mail')
}
