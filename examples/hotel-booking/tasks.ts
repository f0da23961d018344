/**
 * The work behind a booking, as three tasks:
 *
 *     voucher.render --succeeds--> mail.send
 *                            '---> services.notify
 *
 * The follow-ups are committed together with the success of the voucher, in one unit: there is no instant at which
 * the PDF is done and the mail forgotten.
 */
import { exponential, task } from 'spindle-mq'
import { bookingSchema, type Step } from './booking.ts'
import { mailVoucher } from './mail.ts'
import { notifyServices } from './notify.ts'
import type { Surroundings } from './surroundings.ts'
import { makeVoucher } from './voucher.ts'

/** What a task tells the web process when it starts, through a queue on the same folder. */
export interface Report {
  readonly bookingId: string
  readonly step: Step
  readonly jobId: string
  readonly attempt: number
}
export const REPORTS = 'hotel.reports'

/**
 * How long a task stays with a worker that has gone silent. Workers renew it while they run, so it may be short:
 * it is how long a booking waits after a kill -9. Spindle's default is 30 s.
 */
const LEASE_MS = 3_000

export type BookingTasks = ReturnType<typeof bookingTasks>

export function bookingTasks(surroundings: Surroundings, report: (started: Report) => Promise<unknown>) {
  const mail = task('mail.send', {
    input: bookingSchema,
    leaseMs: LEASE_MS,
    retry: { attempts: 6, backoff: exponential({ baseMs: 1_000, maxMs: 30_000 }) },
    async run(booking, context) {
      await report({ bookingId: booking.id, step: 'mail', jobId: context.id, attempt: context.attempt })
      return mailVoucher(booking, surroundings, context)
    },
  })

  const services = task('services.notify', {
    input: bookingSchema,
    leaseMs: LEASE_MS,
    // A service that is out of order needs patience more than haste: twelve attempts, up to 15 s apart.
    retry: { attempts: 12, backoff: exponential({ baseMs: 1_500, maxMs: 15_000 }) },
    async run(booking, context) {
      await report({ bookingId: booking.id, step: 'services', jobId: context.id, attempt: context.attempt })
      return notifyServices(booking, surroundings, context)
    },
  })

  const voucher = task('voucher.render', {
    input: bookingSchema,
    leaseMs: LEASE_MS,
    timeoutMs: 30_000,
    async run(booking, context) {
      await report({ bookingId: booking.id, step: 'voucher', jobId: context.id, attempt: context.attempt })
      const made = await makeVoucher(booking, surroundings, context)
      context.enqueue(mail, booking)
      context.enqueue(services, booking)
      return made
    },
  })

  return { voucher, mail, services }
}
