/** Finding and counting messages by what they say. */
import { wholeNumber } from '../../../model/checks.ts'
import type { CountedMessages, FoundMessages } from '../api.ts'
import { lookFor } from '../message-filter.ts'
import { filterInQuery, queryNumber } from '../orders.ts'
import { ok, type Route } from '../route.ts'
import { messageInfo } from '../views.ts'

const FOUND_MAX = 200
const FOUND_DEFAULT = 50
const BODY_SHOWN = 512
const COUNT_PAGE = 20_000

export const searchRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/queues/:queue/search',
    async answer({ name, need, query }, parts) {
      const queue = name('queue')
      need('read', queue)
      const filter = filterInQuery(query)
      const limit = queryNumber(query, 'limit', wholeNumber(1, FOUND_MAX)) ?? FOUND_DEFAULT
      const cursor = query.get('cursor') ?? undefined
      const look = await lookFor(parts, { queue, filter, states: filter.states ?? ['ready'], limit, cursor })
      return ok({
        items: look.found.map((view) => messageInfo(view, BODY_SHOWN)),
        next: look.cursor ?? null,
        looked: look.looked,
      } satisfies FoundMessages)
    },
  },
  {
    method: 'GET',
    path: '/queues/:queue/count',
    async answer({ name, need, query }, parts) {
      const queue = name('queue')
      need('read', queue)
      const filter = filterInQuery(query)
      const cursor = query.get('cursor') ?? undefined
      const states = filter.states ?? ['ready', 'delayed', 'dead']
      const look = await lookFor(parts, { queue, filter, states, limit: COUNT_PAGE, cursor })
      const { found, looked, cursor: next } = look
      return ok({ count: found.length, looked, next: next ?? null } satisfies CountedMessages)
    },
  },
]
