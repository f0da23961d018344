/** The web process: the page, the bookings, and the three switches. Plain node:http. */
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Spindle } from 'spindle-mq'
import { z } from 'zod'
import { type Booking, bookingRequest } from './booking.ts'
import type { Bookings } from './bookings.ts'
import type { Child } from './child.ts'
import type { LiveFeed } from './live.ts'
import type { MailServer } from './mail-server.ts'
import { bareHands, padTo } from './pace.ts'
import type { Partners } from './partners.ts'
import { assertOurOwn, guardHeaders, HttpError, readJson, sendJson, sendProblem } from './requests.ts'
import { type FlashSale, SALE_BOOKINGS_MAX } from './sale.ts'
import { sendStatic } from './static-files.ts'
import type { Surroundings } from './surroundings.ts'
import { workInRequest } from './sync-mode.ts'
import type { BookingTasks } from './tasks.ts'
import type { BookingView, Tracker } from './tracker.ts'
import { voucherFile, voucherPath } from './voucher.ts'

export interface WebParts {
  readonly spindle: Spindle
  readonly tasks: BookingTasks
  /** GET and DELETE of one task. */
  readonly answerTask: (request: IncomingMessage, response: ServerResponse) => void
  readonly bookings: Bookings
  readonly tracker: Tracker
  readonly live: LiveFeed
  readonly mailServer: MailServer
  readonly partners: Partners
  readonly sale: FlashSale
  readonly worker: Child
  readonly promises: Child
  readonly surroundings: Surroundings
  /** What a page that has just opened should show. */
  readonly snapshot: () => unknown
}

type Handler = (exchange: Exchange, parts: WebParts) => Promise<void> | void

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** What the parentheses of the path matched. */
  readonly captured: readonly string[]
  readonly arrivedMs: number
}

const routes: readonly (readonly [method: 'GET' | 'POST' | 'DELETE', path: RegExp, handler: Handler])[] = [
  [
    'GET',
    /^\/(|style\.css|app\.js|favicon\.svg)$/,
    ({ response, captured }) => sendStatic(response, captured[0] ?? ''),
  ],
  ['GET', /^\/events$/, showEverything],
  ['POST', /^\/bookings$/, takeBooking],
  ['GET', /^\/bookings\/([\w-]{1,64})$/, showBooking],
  ['GET', /^\/bookings\/([\w-]{1,64})\/voucher\.pdf$/, showVoucher],
  ['POST', /^\/sale$/, openSale],
  ['GET', /^\/sale$/, showSale],
  ['GET', /^\/tasks\//, passToTasks],
  ['DELETE', /^\/tasks\//, passToTasks],
  ['GET', /^\/mails\/(m\d{1,9})\/attachments\/(\d{1,2})$/, showAttachment],
  ['POST', /^\/switches\/kill-worker$/, killWorker],
  ['POST', /^\/switches\/kill-promises$/, killPromises],
  ['POST', /^\/switches\/shuttle-answers$/, scriptShuttle],
]

/** Takes the port before anything is opened. Rejects with the system's error, EADDRINUSE among them. */
export async function takePort(port: number): Promise<Server> {
  const server = createServer((_request, response) => {
    response.writeHead(503, { 'retry-after': '1' }).end('The hotel is just opening.')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}

export const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

/** From now on `server` answers for the hotel. */
export function serveHotel(server: Server, parts: WebParts): void {
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const arrivedMs = performance.now()
    answer(request, response, arrivedMs, parts).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else sendProblem(response, error)
    })
  })
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  arrivedMs: number,
  parts: WebParts,
): Promise<void> {
  guardHeaders(response)
  assertOurOwn(request)
  const { pathname } = new URL(request.url ?? '/', 'http://hotel')
  const found = routes.filter(([, path]) => path.test(pathname))
  const route = found.find(([method]) => method === request.method)
  if (route === undefined) {
    const allowed = found.map(([method]) => method).join(', ')
    throw allowed === '' ? new HttpError(404, 'There is nothing here.') : new HttpError(405, `Use ${allowed}.`)
  }
  const [, path, handler] = route
  await handler({ request, response, arrivedMs, captured: path.exec(pathname)?.slice(1) ?? [] }, parts)
}

async function takeBooking({ request, response, arrivedMs }: Exchange, parts: WebParts): Promise<void> {
  const { bookings, tracker, surroundings } = parts
  const asked = bookingRequest.safeParse(await readJson(request))
  if (!asked.success) {
    throw new HttpError(400, 'Please correct the booking.', {
      fields: Object.fromEntries(asked.error.issues.map(({ path, message }) => [String(path[0] ?? ''), message])),
    })
  }
  const booking = await bookings.add(randomUUID(), asked.data)
  await padTo({ startedMs: arrivedMs, totalMs: surroundings.pace.bookingMs }, bareHands)
  tracker.add(booking)

  const status = await workFor(booking, parts)
  const tookMs = performance.now() - arrivedMs
  const view = tracker.view(booking.id)
  response.setHeader('location', `/bookings/${booking.id}`)
  response.setHeader('server-timing', `app;dur=${tookMs.toFixed(1)}`)
  sendJson(response, status, { ...withLinks(view, booking), answeredMs: tookMs })
  tracker.setAnswered(booking.id, tookMs)
}

/** Does the work, or sees to it that it will be done; resolves to what to answer. */
async function workFor(booking: Booking, parts: WebParts): Promise<number> {
  const { tracker, surroundings } = parts
  switch (booking.mode) {
    case 'queued': {
      const job = await parts.spindle.enqueue(parts.tasks.voucher, booking)
      await tracker.follow(booking.id, 'voucher', job.id)
      return 202
    }
    case 'in-request': {
      const well = await workInRequest(booking, surroundings, (step, outcome) =>
        tracker.setOutcome(booking.id, step, outcome),
      )
      return well ? 201 : 502
    }
    case 'fire-and-forget': {
      const { port } = parts.promises.ready
      if (typeof port !== 'number') throw new HttpError(503, 'That process is just starting again. Try once more.')
      const handed = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: JSON.stringify(booking) })
      if (!handed.ok) throw new HttpError(502, 'The process with the promises refused the booking.')
      return 202
    }
    default:
      return booking.mode satisfies never
  }
}

const withLinks = (view: BookingView | undefined, booking: Booking) => ({
  ...(view ?? { booking }),
  links: {
    self: `/bookings/${booking.id}`,
    events: `/bookings/${booking.id}`,
    voucher: `/bookings/${booking.id}/voucher.pdf`,
  },
})

/** The status, once; or each change of it, to a client that accepts text/event-stream. */
async function showBooking({ request, response, captured }: Exchange, { tracker, live }: WebParts): Promise<void> {
  const view = tracker.view(captured[0] ?? '')
  if (view === undefined) throw new HttpError(404, 'We have no such booking, or it is an old one.')
  const wantsEvents = request.headers.accept?.includes('text/event-stream') === true
  if (wantsEvents) live.attach(request, response, { event: 'booking', data: view }, view.booking.id)
  else sendJson(response, 200, withLinks(view, view.booking))
}

function showEverything({ request, response }: Exchange, { live, snapshot }: WebParts): void {
  live.attach(request, response, { event: 'snapshot', data: snapshot() })
}

async function showVoucher({ response, captured }: Exchange, { bookings, surroundings }: WebParts): Promise<void> {
  const found = await bookings.find(captured[0] ?? '')
  if (found === undefined) throw new HttpError(404, 'We have no such booking.')
  const path = voucherPath(surroundings.vouchersFolder, found.booking)
  const file = await stat(path).catch(() => undefined)
  if (file === undefined) throw new HttpError(404, 'The voucher has not been rendered.')
  response.writeHead(200, {
    'content-type': 'application/pdf',
    'content-length': file.size,
    'content-disposition': `inline; filename="${voucherFile(found.booking)}"`,
  })
  createReadStream(path)
    .on('error', () => response.destroy())
    .pipe(response)
}

/** Each task by itself: status, events and cancellation, as Spindle's own handler answers them. */
function passToTasks({ request, response }: Exchange, { answerTask }: WebParts): void {
  answerTask(request, response)
}

function showAttachment({ response, captured }: Exchange, { mailServer }: WebParts): void {
  const [id, index] = captured
  const attachment = mailServer.mails().find((mail) => mail.id === id)?.attachments[Number(index)]
  if (attachment === undefined) throw new HttpError(404, 'There is no such attachment.')
  // Only what the hotel itself sends is shown in the browser; anything else is a download.
  const how = attachment.type === 'application/pdf' ? 'inline' : 'attachment'
  response.writeHead(200, {
    'content-type': how === 'inline' ? 'application/pdf' : 'application/octet-stream',
    'content-length': attachment.content.byteLength,
    'content-disposition': `${how}; filename="${attachment.name.replace(/[^\w.-]/g, '_')}"`,
  })
  response.end(attachment.content)
}

const saleRequest = z.object({ bookings: z.int().min(1).max(SALE_BOOKINGS_MAX).default(SALE_BOOKINGS_MAX) })

/** Answers when every guest has an answer, which is long before every booking is in the database. */
async function openSale({ request, response }: Exchange, { sale }: WebParts): Promise<void> {
  const asked = saleRequest.safeParse(await readJson(request))
  if (!asked.success) throw new HttpError(400, `Send { "bookings": 1 to ${SALE_BOOKINGS_MAX} }.`)
  if (!(await sale.open(asked.data.bookings))) throw new HttpError(409, 'A sale is running. One at a time, please.')
  sendJson(response, 202, sale.view())
}

async function showSale({ response }: Exchange, { sale, bookings }: WebParts): Promise<void> {
  sendJson(response, 200, { ...sale.view(), samples: sale.samples(), bookedInAll: await bookings.countSales() })
}

async function killWorker({ response }: Exchange, { worker }: WebParts): Promise<void> {
  sendJson(response, 200, { killed: (await worker.kill()) ?? null })
}

async function killPromises({ response }: Exchange, { promises }: WebParts): Promise<void> {
  sendJson(response, 200, { killed: (await promises.kill()) ?? null })
}

const script = z.object({ statuses: z.array(z.union([z.literal(200), z.literal(503)])).max(20) })

async function scriptShuttle({ request, response }: Exchange, { partners }: WebParts): Promise<void> {
  const asked = script.safeParse(await readJson(request))
  if (!asked.success) throw new HttpError(400, 'Send { "statuses": [503, 200] }.')
  partners.script(asked.data.statuses)
  sendJson(response, 200, { next: asked.data.statuses })
}
