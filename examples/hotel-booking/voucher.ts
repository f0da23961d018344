/** Step 1: the voucher, one page of PDF in the data folder. */
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { PDFDocument, type PDFFont, type PDFPage, rgb, StandardFonts } from 'pdf-lib'
import { barsOf } from './barcode.ts'
import { type Booking, rooms } from './booking.ts'
import { type Hands, padTo } from './pace.ts'
import type { Surroundings } from './surroundings.ts'

const PAGE = { width: 595.28, height: 841.89 } // A4 in points
const MARGIN = 64
const colour = {
  ink: rgb(0.11, 0.11, 0.1),
  quiet: rgb(0.42, 0.4, 0.36),
  line: rgb(0.85, 0.83, 0.78),
  green: rgb(0.06, 0.3, 0.25),
  brass: rgb(0.77, 0.6, 0.33),
  paper: rgb(0.98, 0.97, 0.95),
}

export interface Voucher {
  readonly file: string
  readonly bytes: number
}

export const voucherFile = (booking: Pick<Booking, 'number'>): string => `voucher-${booking.number}.pdf`
export const voucherPath = (folder: string, booking: Pick<Booking, 'number'>): string =>
  join(folder, voucherFile(booking))

/** Running it again replaces the file by an equal one, so a second delivery of the task does no harm. */
export async function makeVoucher(booking: Booking, { vouchersFolder, pace }: Surroundings, hands: Hands) {
  const startedMs = performance.now()
  const pdf = await renderVoucher(booking)
  await padTo({ startedMs, totalMs: pace.voucherMs }, hands)
  await writeWhole(voucherPath(vouchersFolder, booking), pdf)
  return { file: voucherFile(booking), bytes: pdf.byteLength } satisfies Voucher
}

/** A reader sees the whole file or none: written beside its place, synced, then renamed into it. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true })
  const draft = `${path}.${process.pid}.draft`
  const file = await open(draft, 'w')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}

export async function renderVoucher(booking: Booking): Promise<Uint8Array> {
  const pdf = await PDFDocument.create()
  pdf.setTitle(`Voucher ${booking.number}`)
  pdf.setAuthor('The Spindle Hotel')
  pdf.setSubject(`${rooms[booking.room].name}, ${booking.arrival} to ${booking.departure}`)
  pdf.setCreationDate(new Date(booking.bookedAtMs))
  pdf.setModificationDate(new Date(booking.bookedAtMs))
  const fonts = {
    serif: await pdf.embedFont(StandardFonts.TimesRoman),
    italic: await pdf.embedFont(StandardFonts.TimesRomanItalic),
    sans: await pdf.embedFont(StandardFonts.Helvetica),
    bold: await pdf.embedFont(StandardFonts.HelveticaBold),
  }
  const page = pdf.addPage([PAGE.width, PAGE.height])
  const bottomOfHead = drawHead(page, fonts, booking)
  const bottomOfStay = drawStay(page, fonts, booking, bottomOfHead - 64)
  drawPrice(page, fonts, booking, bottomOfStay - 36)
  drawAdvice(page, fonts)
  drawFoot(page, fonts, booking)
  return pdf.save()
}

type Fonts = Readonly<Record<'serif' | 'italic' | 'sans' | 'bold', PDFFont>>

function drawHead(page: PDFPage, fonts: Fonts, booking: Booking): number {
  const height = 196
  page.drawRectangle({ x: 0, y: PAGE.height - height, width: PAGE.width, height, color: colour.green })
  page.drawRectangle({ x: 0, y: PAGE.height - height - 4, width: PAGE.width, height: 4, color: colour.brass })
  const top = PAGE.height - 84
  page.drawText('The Spindle Hotel', { x: MARGIN, y: top, size: 30, font: fonts.serif, color: colour.paper })
  page.drawText('Nobody waits for anybody, and nothing is forgotten.', {
    x: MARGIN,
    y: top - 24,
    size: 12,
    font: fonts.italic,
    color: colour.paper,
  })
  label(page, fonts, 'Booking voucher', MARGIN, top - 68, colour.brass)
  const width = fonts.bold.widthOfTextAtSize(booking.number, 20)
  page.drawText(booking.number, {
    x: PAGE.width - MARGIN - width,
    y: top - 72,
    size: 20,
    font: fonts.bold,
    color: colour.paper,
  })
  return PAGE.height - height
}

function drawStay(page: PDFPage, fonts: Fonts, booking: Booking, top: number): number {
  label(page, fonts, 'Guest', MARGIN, top, colour.quiet)
  const name = printable(booking.guest, fonts.serif)
  const size = Math.min(26, (PAGE.width - 2 * MARGIN) / fonts.serif.widthOfTextAtSize(name, 1))
  page.drawText(name, { x: MARGIN, y: top - 32, size, font: fonts.serif, color: colour.ink })

  const row = top - 84
  rule(page, row + 28)
  const third = (PAGE.width - 2 * MARGIN) / 3
  const cells = [
    ['Arrival', longDate(booking.arrival), 'from 15:00'],
    ['Departure', longDate(booking.departure), 'until 11:00'],
    ['Stay', `${booking.nights} ${booking.nights === 1 ? 'night' : 'nights'}`, rooms[booking.room].name],
  ] as const
  for (const [column, [title, value, remark]] of cells.entries()) {
    const x = MARGIN + column * third
    label(page, fonts, title, x, row, colour.quiet)
    page.drawText(value, { x, y: row - 26, size: 16, font: fonts.serif, color: colour.ink })
    page.drawText(remark, { x, y: row - 44, size: 10, font: fonts.sans, color: colour.quiet })
  }
  rule(page, row - 72)
  return row - 72
}

function drawPrice(page: PDFPage, fonts: Fonts, booking: Booking, top: number): void {
  const { name, pricePerNight } = rooms[booking.room]
  const text = `${name}, ${booking.nights} x ${pricePerNight} EUR`
  page.drawText(text, { x: MARGIN, y: top, size: 12, font: fonts.sans, color: colour.ink })
  const total = `${booking.priceEuros} EUR`
  const width = fonts.bold.widthOfTextAtSize(total, 16)
  page.drawText(total, { x: PAGE.width - MARGIN - width, y: top - 2, size: 16, font: fonts.bold, color: colour.green })
  page.drawText('Paid at the desk on arrival. Please show this page, on paper or on a screen.', {
    x: MARGIN,
    y: top - 40,
    size: 10,
    font: fonts.sans,
    color: colour.quiet,
  })
}

function drawAdvice(page: PDFPage, fonts: Fonts): void {
  const top = 300
  label(page, fonts, 'Good to know', MARGIN, top)
  const advice = [
    ['Breakfast', 'from 7:00 to 10:30, in the courtyard when the weather allows'],
    ['From the airport', 'our shuttle has your booking and waits at the arrivals'],
    ['Changes', 'write to desk@spindle-hotel.example until two days before arrival'],
  ] as const
  for (const [row, [title, text]] of advice.entries()) {
    const y = top - 26 - row * 22
    page.drawText(title, { x: MARGIN, y, size: 11, font: fonts.serif, color: colour.ink })
    page.drawText(text, { x: MARGIN + 112, y, size: 10, font: fonts.sans, color: colour.quiet })
  }
}

function drawBarcode(page: PDFPage, booking: Booking, right: number, bottom: number): void {
  const bars = barsOf(booking.number)
  const last = bars.at(-1)
  const unit = 0.9
  const left = right - (last === undefined ? 0 : (last.x + last.width) * unit)
  for (const { x, width } of bars) {
    page.drawRectangle({ x: left + x * unit, y: bottom, width: width * unit, height: 34, color: colour.ink })
  }
}

function drawFoot(page: PDFPage, fonts: Fonts, booking: Booking): void {
  drawBarcode(page, booking, PAGE.width - MARGIN, 108)
  rule(page, 92)
  const text = 'The Spindle Hotel is a fictitious house: an example of spindle-mq, the queue that made this page.'
  page.drawText(text, { x: MARGIN, y: 70, size: 9, font: fonts.sans, color: colour.quiet })
}

function label(page: PDFPage, fonts: Fonts, text: string, x: number, y: number, color = colour.quiet): void {
  page.drawText(text.toUpperCase(), { x, y, size: 8, font: fonts.bold, color })
}

function rule(page: PDFPage, y: number): void {
  page.drawLine({
    start: { x: MARGIN, y },
    end: { x: PAGE.width - MARGIN, y },
    thickness: 0.75,
    color: colour.line,
  })
}

const longDate = (isoDate: string): string =>
  new Date(`${isoDate}T00:00:00Z`).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  })

/** Letters that Unicode does not take apart into a plain one and its mark. */
const plainLetters: Readonly<Record<string, string>> = { Ł: 'L', ł: 'l', Đ: 'D', đ: 'd', Ħ: 'H', ħ: 'h', ı: 'i' }

/** The standard PDF fonts know Western European letters only; a name in others loses its accents, then its letters. */
export function printable(text: string, font: Pick<PDFFont, 'encodeText'>): string {
  const knows = (letter: string): boolean => {
    try {
      font.encodeText(letter)
      return true
    } catch {
      return false
    }
  }
  return [...text.normalize('NFC')]
    .map((letter) => {
      if (letter < ' ') return ' '
      if (knows(letter)) return letter
      const plain = plainLetters[letter] ?? letter.normalize('NFD').replace(/\p{Mark}/gu, '')
      return plain !== '' && knows(plain) ? plain : '?'
    })
    .join('')
}
