import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PDFDocument } from 'pdf-lib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BookingView } from '../../examples/hotel-booking/tracker.ts'
import { guest, HotelProcess, makeFolder, removeFolder, START_LIMIT_MS, stepOf } from './hotel-process.ts'

let folder: string
let hotel: HotelProcess

beforeAll(async () => {
  folder = await makeFolder()
  hotel = await HotelProcess.start({ folder })
}, START_LIMIT_MS)

afterAll(async () => {
  await hotel?.stop()
  await removeFolder(folder)
}, START_LIMIT_MS)

describe('a queued booking', () => {
  it('is accepted at once and done later: voucher, mail and calls', async () => {
    const { response, answer } = await hotel.book()

    expect(response.status).toBe(202)
    expect(response.headers.get('location')).toBe(`/bookings/${answer.booking.id}`)
    expect(answer.booking).toMatchObject({ nights: 3, priceEuros: 630, number: expect.stringMatching(/^SP-\d{4,}$/) })
    expect(answer.state).toBe('in-progress')

    const done = await hotel.untilSucceeded(answer.booking.id)
    expect(done.tasks.map(({ step, state, attempts }) => [step, state, attempts])).toEqual([
      ['voucher', 'succeeded', 1],
      ['mail', 'succeeded', 1],
      ['services', 'succeeded', 1],
    ])
    const calls = await hotel.callsFor(answer.booking.id)
    expect(calls.map(({ partner, status }) => `${partner} ${status}`).sort()).toEqual([
      'Airport shuttle 200',
      'Housekeeping 200',
      'Loyalty club 200',
    ])
  })

  it('mails the voucher that can be downloaded, a PDF of one page', async () => {
    const { answer } = await hotel.book()
    await hotel.untilSucceeded(answer.booking.id)

    const download = await hotel.get(answer.links.voucher)
    expect(download.headers.get('content-type')).toBe('application/pdf')
    const pdf = new Uint8Array(await download.arrayBuffer())
    const opened = await PDFDocument.load(pdf)
    expect(opened.getPageCount()).toBe(1)
    expect(opened.getTitle()).toBe(`Voucher ${answer.booking.number}`)

    const [mail, ...others] = await hotel.mailsOf(answer.booking.id)
    expect(others).toEqual([])
    expect(mail).toMatchObject({
      to: 'Zoë Łukasiewicz <zoe@example.org>',
      subject: `Your voucher ${answer.booking.number}`,
      attachments: [{ name: `voucher-${answer.booking.number}.pdf` }],
    })
    const attached = await hotel.get(mail?.attachments[0]?.href ?? '')
    expect(new Uint8Array(await attached.arrayBuffer())).toEqual(pdf)
    const stored = await readFile(join(folder, 'vouchers', `voucher-${answer.booking.number}.pdf`))
    expect(new Uint8Array(stored)).toEqual(pdf)
  })

  it('streams each change of its status until the end', async () => {
    const { answer } = await hotel.book()
    const states: string[] = []
    for await (const { event, data } of hotel.events(answer.links.events)) {
      expect(event).toBe('booking')
      const view = data as BookingView
      expect(view.booking.id).toBe(answer.booking.id)
      states.push(view.tasks.map((task) => task.state).join(' '))
      if (view.state === 'succeeded') break
    }
    expect(states).toContain('running waiting waiting')
    expect(states.at(-1)).toBe('succeeded succeeded succeeded')
  })

  it('has each task at an address of its own', async () => {
    const { answer } = await hotel.book()
    const done = await hotel.untilSucceeded(answer.booking.id)
    const status = await hotel.get(stepOf(done, 'voucher').href ?? '')
    expect(status.status).toBe(200)
    expect(await status.json()).toMatchObject({
      task: 'voucher.render',
      state: 'succeeded',
      result: { bytes: expect.any(Number) },
    })
    const ended = await fetch(hotel.url + (stepOf(done, 'voucher').href ?? ''), { method: 'DELETE' })
    expect(ended.status).toBe(409)
    expect((await hotel.post('/tasks/voucher.render', {})).status).toBe(405)
  })
})

describe('a service that is out of order', () => {
  it('is tried again until it answers, and the others recognise what they had', async () => {
    await hotel.post('/switches/shuttle-answers', { statuses: [503, 503] })
    const { answer } = await hotel.book()

    const retrying = await hotel.untilView(
      'the services are retried',
      answer.booking.id,
      (view) => stepOf(view, 'services').state === 'retrying',
    )
    expect(stepOf(retrying, 'services')).toMatchObject({ error: 'Airport shuttle answered 503' })
    expect(stepOf(retrying, 'services').nextAttemptAtMs).toBeGreaterThan(0)

    const done = await hotel.untilSucceeded(answer.booking.id)
    const services = stepOf(done, 'services')
    expect(services.attempts).toBe(3)
    expect(services.incidents).toEqual([
      { attempt: 1, what: 'failed', error: 'Airport shuttle answered 503' },
      { attempt: 2, what: 'failed', error: 'Airport shuttle answered 503' },
    ])
    const calls = await hotel.callsFor(answer.booking.id)
    const noted = calls.filter((call) => call.status === 200 && !call.repeated).map((call) => call.partner)
    expect(noted.sort()).toEqual(['Airport shuttle', 'Housekeeping', 'Loyalty club'])
    expect(calls.filter((call) => call.repeated).map((call) => call.partner)).toEqual(['Housekeeping', 'Housekeeping'])
  })

  it('fails the whole request when all is done in the request', async () => {
    await hotel.post('/switches/shuttle-answers', { statuses: [503] })
    const { response, answer } = await hotel.book({ mode: 'in-request' })
    expect(response.status).toBe(502)
    expect(answer.state).toBe('failed')
    expect(stepOf(answer, 'services')).toMatchObject({ state: 'failed', error: 'Airport shuttle answered 503' })
    expect(await hotel.mailsOf(answer.booking.id)).toHaveLength(1)
  })
})

describe('the web process', () => {
  it('refuses a booking that makes no sense, field by field', async () => {
    const response = await hotel.post('/bookings', { ...guest, guest: ' ', email: 'nobody', departure: guest.arrival })
    expect(response.status).toBe(400)
    const { fields } = (await response.json()) as { readonly fields: Record<string, string> }
    expect(Object.keys(fields)).toEqual(expect.arrayContaining(['guest', 'email']))
    const later = await hotel.post('/bookings', { ...guest, departure: guest.arrival })
    expect(await later.json()).toMatchObject({ fields: { departure: 'Departure must come after arrival.' } })
  })

  it('answers no other site', async () => {
    expect((await hotel.post('/bookings', guest, { origin: 'http://elsewhere.example' })).status).toBe(403)
    expect((await hotel.post('/bookings', guest, { 'content-type': 'text/plain' })).status).toBe(415)
    const page = await hotel.get('/')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'")
  })

  it.each([
    ['GET', '/bookings/unknown', 404],
    ['GET', '/bookings/unknown/voucher.pdf', 404],
    ['GET', '/../start.ts', 404],
    ['GET', '/mails/m1/attachments/9', 404],
    ['GET', '/bookings', 405],
    ['DELETE', '/bookings', 405],
  ])('answers %s %s with %i', async (method, path, status) => {
    expect((await fetch(hotel.url + path, { method })).status).toBe(status)
  })
})
