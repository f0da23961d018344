/**
 * The second switch: a web process that answers at once and does the work in promises that nobody waits for. Fast,
 * short, and kept in memory only. It is a process of its own here so that the page can kill it and live on.
 *
 * It gets the stored booking from the hotel's own web process, because the database serves one process at a time.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Booking, bookingSchema } from './booking.ts'
import { announceReady, whenAskedToStop } from './child.ts'
import { mailVoucher } from './mail.ts'
import { notifyServices } from './notify.ts'
import { bareHands } from './pace.ts'
import { surroundingsFromEnvironment } from './surroundings.ts'
import { makeVoucher } from './voucher.ts'

const BODY_BYTES_MAX = 64 * 1024
const surroundings = surroundingsFromEnvironment()

async function work(booking: Booking): Promise<void> {
  await makeVoucher(booking, surroundings, bareHands)
  await Promise.all([mailVoucher(booking, surroundings, bareHands), notifyServices(booking, surroundings, bareHands)])
}

async function readBooking(request: IncomingMessage): Promise<Booking> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > BODY_BYTES_MAX) throw new RangeError('The booking is too large.')
  }
  return bookingSchema.parse(JSON.parse(text))
}

const server = createServer((request, response) => {
  readBooking(request).then(
    (booking) => {
      // Here it is: not awaited. Should it fail, somebody may find this line in a log; should the process end, nobody.
      work(booking).catch((error: unknown) => console.error(`Booking ${booking.number}:`, error))
      response.writeHead(202).end()
    },
    () => response.writeHead(400).end(),
  )
})

server.listen(0, '127.0.0.1', () => announceReady({ port: (server.address() as AddressInfo).port }))
whenAskedToStop(async () => {
  server.close()
  server.closeAllConnections()
})
