/** A store with something on every page of the dashboard: for its tests and its pictures. */
import { writeScaling } from '../../src/autoscale/scaling-log.ts'
import type { Port } from '../../src/broker/port.ts'
import { type ContentMeta, encodeContent } from '../../src/model/content.ts'

const message = (body: unknown, meta: ContentMeta = {}, groupId?: string) => ({
  content: encodeContent(body, meta),
  ...(groupId === undefined ? {} : { groupId }),
})

const many = <T>(length: number, make: (i: number) => T): T[] => Array.from({ length }, (_, i) => make(i))

const ERRORS = [
  { name: 'TimeoutError', message: 'the bank did not answer within 10 s', share: 9 },
  { name: 'CardDeclined', message: 'card ending 4242 was declined: insufficient funds', share: 4 },
  { name: 'TypeError', message: "Cannot read properties of undefined (reading 'currency')", share: 2 },
] as const

/** Resolves once all of it is stored. */
export async function fillKitchen(port: Port): Promise<void> {
  const queues = {
    payments: { attemptsMax: 3, leaseMs: 20_000 },
    'emails-dlq': {},
    emails: { onDeath: { kind: 'deadLetter', queue: 'emails-dlq' } },
    orders: { groups: { kind: 'ordered' } },
    thumbnails: { concurrency: 8 },
    reports: { paused: true },
    'search-index': {},
    'audit-trail': {},
  } as const
  for (const [name, policy] of Object.entries(queues)) await port.declareQueue(name, policy)
  await port.declareExchange('order-placed', { kind: 'fanout' })
  await port.declareExchange('kitchen', { kind: 'topic' })
  const bind = (exchange: string, queue: string, key = '') =>
    port.putBinding({ exchange, id: `${queue}-${key}`, target: { kind: 'queue', name: queue }, key })
  for (const queue of ['payments', 'emails', 'search-index', 'audit-trail']) await bind('order-placed', queue)
  await bind('kitchen', 'orders', 'order.*.created')
  await bind('kitchen', 'thumbnails', 'image.#')
  await bind('kitchen', 'audit-trail', '#')
  await port.append(
    'orders',
    many(40, (i) => {
      const headers = { tenant: i % 2 === 0 ? 'north' : 'south', trace: `t-${i}` }
      const body = { order: `A-${1_000 + i}`, lines: [{ sku: 'soup', count: (i % 3) + 1 }], table: i % 12 }
      return message(body, { type: 'order.created', headers }, `table-${i % 12}`)
    }),
  )
  await port.append(
    'thumbnails',
    many(1_000, (i) => message({ image: `menu/${i}.jpg` }, { type: 'image.resize' })),
  )
  await port.append(
    'reports',
    many(7, (i) => ({ ...message({ month: i + 1 }), delayMs: i < 3 ? 0 : 3_600_000 })),
  )
  await kill(port, 'payments', 60)
  await kill(port, 'emails', 25)
  await port.append(
    'payments',
    many(24, (i) => message({ payment: i, amount: 1_250 + i }, { type: 'payment.capture' })),
  )
  for (const [queue, max] of [
    ['payments', 6],
    ['thumbnails', 8],
  ] as const) {
    await port.receive({ queue, max, lease: { kind: 'clock', leaseMs: 600_000 } })
  }
  const steps = [1, 2, 4, 8, 6, 3]
  for (const [i, to] of steps.entries()) {
    const from = steps[i - 1] ?? 0
    const atMs = Date.now() - (steps.length - i) * 45_000
    await writeScaling(port, {
      atMs,
      queue: 'thumbnails',
      from,
      to,
      reason: to > from ? 'backlog' : 'idle',
      waiting: to * 150,
    })
  }
}

/** Dead letters of three kinds. */
async function kill(port: Port, queue: string, count: number): Promise<void> {
  await port.append(
    queue,
    many(count, (i) => message({ customer: `c-${i}`, amount: 990 + i }, { type: `${queue}.run` })),
  )
  const shares = ERRORS.flatMap((error) => many(error.share, () => error))
  const deliveries = await port.receive({ queue, max: count })
  await port.settle(
    deliveries.map(({ receipt }, i) => {
      const { name, message: words } = shares[i % shares.length] ?? ERRORS[0]
      const stack = `${name}: ${words}\n    at charge (payments.ts:41:11)\n    at run (worker.ts:12:5)`
      const note = Buffer.from(JSON.stringify({ name, message: words, stack }))
      return { receipt, how: { kind: 'bury', reason: 'exhausted', note } } as const
    }),
  )
}
