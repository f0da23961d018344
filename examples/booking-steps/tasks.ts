/** The work behind a booking, a task each. Every one may run twice: the second time writes the same file again. */
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import nodemailer from 'nodemailer'
import { PDFDocument, StandardFonts } from 'pdf-lib'
import { task } from 'spindle-mq/tasks'
import { z } from 'zod'

/** What travels from step to step: small, by reference. The files lie in `folder`. */
const booking = z.object({ folder: z.string(), id: z.string(), guest: z.string(), nights: z.int().min(1) })

export const updateBooking = task('booking.update', {
  input: booking,
  async run(input) {
    await mkdir(input.folder, { recursive: true })
    const row = { id: input.id, guest: input.guest, nights: input.nights, state: 'confirmed' }
    await replace(join(input.folder, `${input.id}.json`), JSON.stringify(row))
    return input
  },
})

export const renderVoucher = task('voucher.render', {
  input: booking,
  async run(input, ctx) {
    const pdf = await PDFDocument.create()
    const font = await pdf.embedFont(StandardFonts.Helvetica)
    const text = `Voucher ${input.id} for ${input.guest}: ${input.nights} nights`
    pdf.addPage([420, 200]).drawText(text, { x: 30, y: 120, size: 14, font })
    await ctx.progress(0.9)
    await replace(join(input.folder, `${input.id}.pdf`), await pdf.save())
    return input
  },
})

/** Into a file instead of a mail server, as nodemailer would send it. */
const transport = nodemailer.createTransport({ streamTransport: true, buffer: true })

export const mailVoucher = task('voucher.mail', {
  input: booking,
  async run(input) {
    const content = await readFile(join(input.folder, `${input.id}.pdf`))
    const { message } = await transport.sendMail({
      from: 'hotel@example.org',
      to: `${input.guest.toLowerCase()}@example.org`,
      subject: `Your stay ${input.id}`,
      // The same id each time: a mail that goes out twice is one mail to the reader.
      messageId: `<${input.id}@example.org>`,
      text: 'Your voucher is attached.',
      attachments: [{ filename: `${input.id}.pdf`, content }],
    })
    await replace(join(input.folder, `${input.id}.eml`), message as Buffer)
    return input
  },
})

export const notifyPartners = task('partners.notify', {
  input: booking,
  async run(input) {
    for (const partner of ['restaurant', 'shuttle', 'housekeeping']) {
      await appendFile(join(input.folder, 'calls.log'), `${partner} ${input.id}\n`)
    }
    return { booking: input.id, files: [`${input.id}.json`, `${input.id}.pdf`, `${input.id}.eml`] }
  },
})

/** Whole or not at all. */
async function replace(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
}
