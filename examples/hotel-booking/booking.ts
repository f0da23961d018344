/** The words of the hotel: what a guest asks for, and what the hotel wrote down. */
import { z } from 'zod'

export const rooms = {
  courtyard: { name: 'Courtyard room', pricePerNight: 140 },
  garden: { name: 'Garden suite', pricePerNight: 210 },
  tower: { name: 'Tower room', pricePerNight: 265 },
} as const
export type Room = keyof typeof rooms

const NIGHTS_MAX = 30
const DAY_MS = 86_400_000

export const nightsBetween = (arrival: string, departure: string): number =>
  Math.round((Date.parse(departure) - Date.parse(arrival)) / DAY_MS)

/** How the request is answered: the point of this example. */
export const modes = ['queued', 'in-request', 'fire-and-forget'] as const
export type Mode = (typeof modes)[number]

export const bookingRequest = z
  .object({
    guest: z.string().trim().min(1, 'Please tell us your name.').max(80),
    email: z.email('Please check the e-mail address.').max(120),
    room: z.enum(['courtyard', 'garden', 'tower']),
    arrival: z.iso.date(),
    departure: z.iso.date(),
    mode: z.enum(modes).default('queued'),
  })
  .refine(({ arrival, departure }) => nightsBetween(arrival, departure) >= 1, {
    path: ['departure'],
    message: 'Departure must come after arrival.',
  })
  .refine(({ arrival, departure }) => nightsBetween(arrival, departure) <= NIGHTS_MAX, {
    path: ['departure'],
    message: `We take bookings of up to ${NIGHTS_MAX} nights.`,
  })
export type BookingRequest = z.output<typeof bookingRequest>

/** A stored booking. It travels whole in task inputs: only the web process can open the database. */
export const bookingSchema = z.object({
  id: z.string(),
  number: z.string(),
  guest: z.string(),
  email: z.string(),
  room: z.enum(['courtyard', 'garden', 'tower']),
  arrival: z.string(),
  departure: z.string(),
  nights: z.number(),
  priceEuros: z.number(),
  mode: z.enum(modes),
  bookedAtMs: z.number(),
})
export type Booking = z.output<typeof bookingSchema>

/** What has to happen for a booking once it is stored, in this order. */
export const steps = ['voucher', 'mail', 'services'] as const
export type Step = (typeof steps)[number]
