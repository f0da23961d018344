import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PDFDocument, StandardFonts } from 'pdf-lib'
import { describe, expect, it } from 'vitest'
import { barsOf } from '../../examples/hotel-booking/barcode.ts'
import { type Booking, bookingRequest } from '../../examples/hotel-booking/booking.ts'
import { lockFolder } from '../../examples/hotel-booking/folder-lock.ts'
import { readMail } from '../../examples/hotel-booking/mail-server.ts'
import { type Call, seededRandom, startPartners } from '../../examples/hotel-booking/partners.ts'
import { printable, renderVoucher } from '../../examples/hotel-booking/voucher.ts'

const booking: Booking = {
  id: 'b-1',
  number: 'SP-1001',
  guest: 'Zoë Łukasiewicz',
  email: 'zoe@example.org',
  room: 'tower',
  arrival: '2027-02-27',
  departure: '2027-03-02',
  nights: 3,
  priceEuros: 795,
  mode: 'queued',
  bookedAtMs: 1_700_000_000_000,
}

describe('the voucher', () => {
  it('is the same for the same booking, so that a second attempt changes nothing', async () => {
    const [first, second] = [await renderVoucher(booking), await renderVoucher(booking)]
    expect(Buffer.from(second).equals(Buffer.from(first))).toBe(true)
  })

  it.each(['李明', '🦆', 'Ada\u0000\nLovelace', 'x'.repeat(80)])('is rendered for a guest called %j', async (guest) => {
    const pdf = await PDFDocument.load(await renderVoucher({ ...booking, guest }))
    expect(pdf.getPageCount()).toBe(1)
  })

  it('keeps the letters that its font knows and the nearest of others', async () => {
    const font = await (await PDFDocument.create()).embedFont(StandardFonts.TimesRoman)
    expect(printable('Zoë Łukasiewicz, Nguyễn, 李', font)).toBe('Zoë Lukasiewicz, Nguyên, ?'.replace('ê', 'e'))
  })

  it('carries its number as bars of which none overlap', () => {
    const bars = barsOf(booking.number)
    expect(bars).toHaveLength(5 * (booking.number.length + 2))
    for (const [index, bar] of bars.entries()) {
      const next = bars[index + 1]
      if (next !== undefined) expect(next.x - bar.x).toBeGreaterThan(bar.width)
    }
    expect(() => barsOf('SP_1')).toThrow("no sign '_'")
  })
})

describe('a booking request', () => {
  const asked = {
    guest: ' Ada ',
    email: 'ada@example.org',
    room: 'garden',
    arrival: '2027-02-27',
    departure: '2027-03-02',
  }

  it('is queued unless it says otherwise, and loses blanks around the name', () => {
    expect(bookingRequest.parse(asked)).toMatchObject({ guest: 'Ada', mode: 'queued' })
  })

  it.each([
    { departure: '2027-02-27' },
    { departure: '2027-04-30' },
    { arrival: '2027-02-31' },
    { room: 'cellar' },
    { email: 'ada@' },
    { guest: 'x'.repeat(81) },
    { mode: 'never' },
  ])('is refused with %j', (change) => {
    expect(bookingRequest.safeParse({ ...asked, ...change }).success).toBe(false)
  })
})

describe('the mail server', () => {
  it('reads quoted-printable text, encoded headers and an attachment', () => {
    const raw = [
      'From: The Spindle Hotel <desk@spindle-hotel.example>',
      'To: =?UTF-8?Q?Zo=C3=AB_?= =?UTF-8?B?xYF1a2E=?= <zoe@example.org>',
      'Subject: Your voucher',
      ' SP-1001',
      'X-Booking: b-1',
      'Content-Type: multipart/mixed;',
      ' boundary="--_cut"',
      '',
      '----_cut',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Dear Zo=C3=AB, a long =',
      'line.',
      '----_cut',
      'Content-Type: application/pdf; name=v.pdf',
      'Content-Transfer-Encoding: base64',
      'Content-Disposition: attachment; filename=v.pdf',
      '',
      Buffer.from('%PDF-1.7').toString('base64'),
      '----_cut--',
      '',
    ].join('\r\n')
    const mail = readMail(Buffer.from(raw), 'm1')
    expect(mail).toMatchObject({ subject: 'Your voucher SP-1001', bookingId: 'b-1', text: 'Dear Zoë, a long line.' })
    expect(mail.to).toBe('Zoë Łuka <zoe@example.org>')
    expect(mail.attachments.map(({ name, type }) => [name, type])).toEqual([['v.pdf', 'application/pdf']])
    expect(Buffer.from(mail.attachments[0]?.content ?? []).toString()).toBe('%PDF-1.7')
  })
})

describe('the other services', () => {
  async function shuttleStatuses(seed: number): Promise<readonly number[]> {
    const calls: Call[] = []
    const partners = await startPartners({
      failureRate: 0.25,
      random: seededRandom(seed),
      onCall: (call) => calls.push(call),
    })
    const url = partners.services.find(({ name }) => name === 'Airport shuttle')?.url ?? ''
    for (let count = 0; count < 40; count++) {
      await fetch(url, { method: 'POST', body: JSON.stringify({ id: `b-${count}`, number: `SP-${count}` }) })
    }
    await partners.stop()
    return calls.map((call) => call.status)
  }

  it('fail about one time in four, and alike for the same seed', async () => {
    const statuses = await shuttleStatuses(7)
    expect(await shuttleStatuses(7)).toEqual(statuses)
    const failures = statuses.filter((status) => status === 503).length
    expect(failures).toBeGreaterThan(3)
    expect(failures).toBeLessThan(20)
  })

  it('refuse what is no notice of a booking', async () => {
    const partners = await startPartners({ failureRate: 0, random: () => 0, onCall: () => {} })
    for (const body of ['', '{', '{}', '[1]', 'x'.repeat(70_000)]) {
      const response = await fetch(partners.services[0]?.url ?? '', { method: 'POST', body })
      expect(response.status).toBe(400)
    }
    expect(partners.calls()).toEqual([])
    await partners.stop()
  })
})

describe('the lock of the folder', () => {
  it('is taken over from a process that is gone, and refused by one that lives', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spindle-hotel-'))
    try {
      await writeFile(join(folder, 'hotel.pid'), '999999999\n')
      const unlock = await lockFolder(folder)
      await unlock()
      await writeFile(join(folder, 'hotel.pid'), `${process.ppid}\n`)
      await expect(lockFolder(folder)).rejects.toThrow(`(process ${process.ppid})`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
