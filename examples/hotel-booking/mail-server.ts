/** The guests' mailboxes: an SMTP server on loopback that keeps the last mails for the page's inbox. */
import { createServer } from 'node:net'
import { SMTPServer } from 'smtp-server'

const MAILS_MAX = 50
const MAIL_BYTES_MAX = 5 * 1024 * 1024

export interface Attachment {
  readonly name: string
  readonly type: string
  readonly content: Uint8Array
}

export interface Mail {
  readonly id: string
  /** The booking it belongs to, from a header. */
  readonly bookingId: string | undefined
  readonly messageId: string | undefined
  readonly from: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly attachments: readonly Attachment[]
  readonly receivedAtMs: number
}

export interface MailServer {
  readonly port: number
  /** Newest first. */
  mails(): readonly Mail[]
  stop(): Promise<void>
}

export async function startMailServer(onMail: (mail: Mail) => void): Promise<MailServer> {
  const kept: Mail[] = []
  let count = 0
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true, // no name server is asked: the example works offline
    size: MAIL_BYTES_MAX,
    logger: false,
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        if (stream.sizeExceeded) return done(Object.assign(new Error('Mail too large'), { responseCode: 552 }))
        count++
        const mail = readMail(Buffer.concat(chunks), `m${count}`)
        kept.unshift(mail)
        kept.length = Math.min(kept.length, MAILS_MAX)
        done()
        onMail(mail)
      })
    },
  })
  // A client that goes away in the middle of a mail is its own problem, not the server's.
  smtp.on('error', () => {})
  const port = await freePort()
  await new Promise<void>((resolve, reject) => {
    smtp.once('error', reject)
    smtp.listen(port, '127.0.0.1', () => {
      smtp.off('error', reject)
      resolve()
    })
  })
  return { port, mails: () => kept, stop: () => new Promise((resolve) => smtp.close(() => resolve())) }
}

/** The SMTP library does not tell which port it got when it is asked for any, so one is found first. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

/** Reads the mails that mail.ts writes: one level of multipart, base64 or quoted-printable parts. */
export function readMail(raw: Buffer, id: string): Mail {
  const whole = readPart(raw.toString('latin1'))
  const boundary = /boundary="?([^";]+)"?/i.exec(whole.headers.get('content-type') ?? '')?.[1]
  const parts = boundary === undefined ? [whole] : splitParts(whole.body, boundary).map(readPart)
  const attachments = parts.flatMap((part) => {
    const name = /filename="?([^";]+)"?/i.exec(part.headers.get('content-disposition') ?? '')?.[1]
    if (name === undefined) return []
    const type = (part.headers.get('content-type') ?? 'application/octet-stream').split(';')[0] ?? ''
    return [{ name, type: type.trim(), content: decodeBody(part) }]
  })
  const text = parts.find((part) => /^text\/plain/i.test(part.headers.get('content-type') ?? 'text/plain'))
  const header = (name: string): string => decodeWords(whole.headers.get(name) ?? '')
  return {
    id,
    bookingId: whole.headers.get('x-booking'),
    messageId: whole.headers.get('message-id'),
    from: header('from'),
    to: header('to'),
    subject: header('subject'),
    text: text === undefined ? '' : decodeBody(text).toString('utf8').replaceAll('\r\n', '\n').trim(),
    attachments,
    receivedAtMs: Date.now(),
  }
}

interface Part {
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

function readPart(text: string): Part {
  const end = text.indexOf('\r\n\r\n')
  const head = (end < 0 ? text : text.slice(0, end)).replace(/\r\n[ \t]+/g, ' ')
  const headers = new Map<string, string>()
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  return { headers, body: end < 0 ? '' : text.slice(end + 4) }
}

const splitParts = (body: string, boundary: string): string[] =>
  `\r\n${body}`
    .split(`\r\n--${boundary}`)
    .slice(1)
    .filter((part) => !part.startsWith('--'))
    .map((part) => part.replace(/^\r\n/, ''))

function decodeBody({ headers, body }: Part): Buffer {
  const encoding = (headers.get('content-transfer-encoding') ?? '7bit').toLowerCase()
  if (encoding === 'base64') return Buffer.from(body, 'base64')
  if (encoding === 'quoted-printable') return unquote(body.replace(/=\r\n/g, ''))
  return Buffer.from(body, 'latin1')
}

const unquote = (text: string): Buffer =>
  Buffer.from(
    text.replace(/=([0-9a-f]{2})/gi, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )

/** RFC 2047: `=?UTF-8?Q?Zo=C3=AB?=`, as headers carry letters beyond ASCII. */
const decodeWords = (text: string): string =>
  text
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_match, how: string, word: string) =>
      (how.toLowerCase() === 'b' ? Buffer.from(word, 'base64') : unquote(word.replaceAll('_', ' '))).toString('utf8'),
    )
