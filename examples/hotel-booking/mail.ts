/** Step 2: the voucher by e-mail, over real SMTP. */
import { readFile } from 'node:fs/promises'
import { createTransport } from 'nodemailer'
import { type Booking, rooms } from './booking.ts'
import { type Hands, padTo } from './pace.ts'
import type { Surroundings } from './surroundings.ts'
import { voucherFile, voucherPath } from './voucher.ts'

export interface Sent {
  readonly messageId: string
  readonly to: string
}

/** One booking, one Message-ID: should the task run twice, mail programs see one mail twice and not two mails. */
export const messageIdOf = (booking: Pick<Booking, 'id'>): string => `<voucher-${booking.id}@spindle-hotel.example>`

export async function mailVoucher(booking: Booking, { vouchersFolder, smtpPort, pace }: Surroundings, hands: Hands) {
  const startedMs = performance.now()
  const pdf = await readFile(voucherPath(vouchersFolder, booking))
  // Sent late in its time: a worker that dies before has sent nothing, so that the next attempt is the only one.
  await padTo({ startedMs, totalMs: pace.mailMs * 0.7, to: 0.7 }, hands)
  const transport = createTransport({
    host: '127.0.0.1',
    port: smtpPort,
    secure: false,
    ignoreTLS: true, // a loopback server without a certificate
    connectionTimeout: 5_000,
    greetingTimeout: 5_000,
    socketTimeout: 10_000,
  })
  try {
    await transport.sendMail({
      from: { name: 'The Spindle Hotel', address: 'desk@spindle-hotel.example' },
      to: { name: booking.guest, address: booking.email },
      subject: `Your voucher ${booking.number}`,
      messageId: messageIdOf(booking),
      headers: { 'X-Booking': booking.id },
      text: letter(booking),
      attachments: [{ filename: voucherFile(booking), content: pdf, contentType: 'application/pdf' }],
    })
  } finally {
    transport.close()
  }
  await padTo({ startedMs, totalMs: pace.mailMs, from: 0.7 }, hands)
  return { messageId: messageIdOf(booking), to: booking.email } satisfies Sent
}

const letter = (booking: Booking): string =>
  [
    `Dear ${booking.guest},`,
    '',
    `your ${rooms[booking.room].name.toLowerCase()} is waiting for you from ${booking.arrival} to ${booking.departure}`,
    `(${booking.nights} ${booking.nights === 1 ? 'night' : 'nights'}, ${booking.priceEuros} EUR).`,
    'Your voucher is attached.',
    '',
    'The Spindle Hotel',
  ].join('\n')
