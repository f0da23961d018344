/** The other services: three small HTTP servers that receive the hotel's webhooks. One of them is often out of order. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const partnerNames = ['Housekeeping', 'Airport shuttle', 'Loyalty club'] as const
export type PartnerName = (typeof partnerNames)[number]
/** The one that fails. */
export const FLAKY: PartnerName = 'Airport shuttle'

const CALLS_MAX = 100
const KEYS_MAX = 1_000
const BODY_BYTES_MAX = 64 * 1024

export interface Call {
  readonly id: number
  readonly partner: PartnerName
  readonly bookingId: string
  readonly bookingNumber: string
  readonly status: number
  /** It had this booking already and did nothing. */
  readonly repeated: boolean
  readonly atMs: number
}

export interface Partners {
  readonly services: readonly { readonly name: PartnerName; readonly url: string }[]
  /** Newest first. */
  calls(): readonly Call[]
  /** The next answers of the flaky service; chance takes over again afterwards. */
  script(statuses: readonly number[]): void
  stop(): Promise<void>
}

export interface PartnersOptions {
  /** Share of calls that the flaky service refuses with 503, 0 to 1. */
  readonly failureRate: number
  /** In [0, 1). */
  readonly random: () => number
  readonly onCall: (call: Call) => void
}

export async function startPartners({ failureRate, random, onCall }: PartnersOptions): Promise<Partners> {
  const kept: Call[] = []
  const scripted: number[] = []
  const seen = new Set<string>()
  let count = 0

  const statusFor = (partner: PartnerName): number => {
    if (partner !== FLAKY) return 200
    return scripted.shift() ?? (random() < failureRate ? 503 : 200)
  }

  async function receive(partner: PartnerName, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { id, number } = parseNotice(await readBody(request))
    const key = `${partner} ${request.headers['idempotency-key'] ?? id}`
    const status = statusFor(partner)
    const repeated = status === 200 && seen.has(key)
    if (status === 200) remember(seen, key)
    count++
    const call = {
      id: count,
      partner,
      bookingId: id,
      bookingNumber: number,
      status,
      repeated,
      atMs: Date.now(),
    }
    kept.unshift(call)
    kept.length = Math.min(kept.length, CALLS_MAX)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(status === 200 ? { ok: true, repeated } : { error: 'out of order, try again later' }))
    onCall(call)
  }

  const servers = partnerNames.map((partner) =>
    createServer((request, response) => {
      receive(partner, request, response).catch(() => response.writeHead(400).end())
    }),
  )
  const ports = await Promise.all(servers.map(listen))
  return {
    services: partnerNames.map((name, index) => ({ name, url: `http://127.0.0.1:${ports[index]}/bookings` })),
    calls: () => kept,
    script: (statuses) => {
      scripted.push(...statuses)
    },
    stop: async () => {
      await Promise.all(servers.map(close))
    },
  }
}

/** mulberry32: the same seed, the same failures. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

function remember(seen: Set<string>, key: string): void {
  seen.add(key)
  const [oldest] = seen
  if (seen.size > KEYS_MAX && oldest !== undefined) seen.delete(oldest)
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > BODY_BYTES_MAX) throw new RangeError('The notice is too large.')
  }
  return text
}

function parseNotice(text: string): { readonly id: string; readonly number: string } {
  const notice: unknown = JSON.parse(text)
  if (typeof notice !== 'object' || notice === null) throw new TypeError('The notice is no object.')
  const { id, number } = notice as { readonly id?: unknown; readonly number?: unknown }
  if (typeof id !== 'string' || typeof number !== 'string') throw new TypeError('The notice names no booking.')
  return { id, number }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
