import type { MeasuredQueue } from '../../../broker/port.ts'
import { oneOf, wholeNumber } from '../../../model/checks.ts'
import { SpindleError } from '../../../model/errors.ts'
import type { PurgeAnswer } from '../api.ts'
import { queryFlag, queryNumber, queueDeclaration } from '../orders.ts'
import { NO_CONTENT, ok, type Route } from '../route.ts'
import { queueInfo } from '../views.ts'

const PAGE_MAX = 1_000
const PAGE_DEFAULT = 100

const QUEUES_MAX = 10_000_000
const ORDERS = oneOf('name', 'waiting', 'leased', 'dead', 'age')

/** The largest first. */
const FIGURES = {
  waiting: ({ ready, delayed }: MeasuredQueue) => ready + delayed,
  leased: ({ leased }: MeasuredQueue) => leased,
  dead: ({ dead }: MeasuredQueue) => dead,
  age: ({ oldestReadyAtMs }: MeasuredQueue) => (oldestReadyAtMs === undefined ? 0 : 1 / (oldestReadyAtMs + 1)),
} as const

const byName = (a: MeasuredQueue, b: MeasuredQueue): number => (a.queue < b.queue ? -1 : 1)

export const queueRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/queues',
    async answer({ query, may }, { port }) {
      const limit = queryNumber(query, 'limit', wholeNumber(1, PAGE_MAX)) ?? PAGE_DEFAULT
      const prefix = query.get('prefix') ?? ''
      const text = (query.get('text') ?? '').toLowerCase()
      const order = ORDERS(query.get('sort') ?? 'name', 'sort')
      const visible = (await port.measure()).filter(
        ({ queue }) => queue.startsWith(prefix) && queue.toLowerCase().includes(text) && may('read', queue),
      )
      const total = visible.length
      if (order === 'name') {
        const after = query.get('after') ?? ''
        const offset = queryNumber(query, 'offset', wholeNumber(0, QUEUES_MAX)) ?? 0
        const rest = visible.filter(({ queue }) => queue > after).sort(byName)
        const items = rest.slice(offset, offset + limit).map(queueInfo)
        return ok({ items, next: rest.length > offset + limit ? (items.at(-1)?.name ?? null) : null, total })
      }
      const offset = queryNumber(query, 'offset', wholeNumber(0, QUEUES_MAX)) ?? 0
      const figure = FIGURES[order]
      visible.sort((a, b) => figure(b) - figure(a) || byName(a, b))
      return ok({ items: visible.slice(offset, offset + limit).map(queueInfo), next: null, total })
    },
  },
  {
    method: 'GET',
    path: '/queues/:queue',
    async answer({ name, need }, { port }) {
      const queue = name('queue')
      need('read', queue)
      return ok(queueInfo(theOne(await port.measure([queue]), queue)))
    },
  },
  {
    method: 'PUT',
    path: '/queues/:queue',
    async answer({ name, need, body }, { port }) {
      const queue = name('queue')
      need('configure', queue)
      const { policy = {}, expect } = queueDeclaration(body)
      // What dies here is written there.
      if (policy.onDeath?.kind === 'deadLetter') need('write', policy.onDeath.queue)
      if (policy.onDeath?.kind === 'exchange') need('write', policy.onDeath.exchange)
      for (const to of policy.failedEventsTo ?? []) need('write', to)
      await port.declareQueue(queue, policy, expect === undefined ? {} : { expect })
      return ok(queueInfo(theOne(await port.measure([queue]), queue)))
    },
  },
  {
    method: 'DELETE',
    path: '/queues/:queue',
    async answer({ name, need, query }, { port }) {
      const queue = name('queue')
      need('configure', queue)
      if (await port.deleteQueue(queue, { ifEmpty: queryFlag(query, 'ifEmpty') })) return NO_CONTENT
      throw new SpindleError('no-such-queue', `delete '${queue}'`)
    },
  },
  {
    method: 'POST',
    path: '/queues/:queue/purge',
    async answer({ name, need }, { port }) {
      const queue = name('queue')
      need('configure', queue)
      theOne(await port.measure([queue]), queue)
      return ok({ purged: await port.purge(queue) } satisfies PurgeAnswer)
    },
  },
]

function theOne(measures: readonly MeasuredQueue[], queue: string): MeasuredQueue {
  const [measure] = measures
  if (measure !== undefined) return measure
  throw new SpindleError('no-such-queue', `look at '${queue}'`)
}
