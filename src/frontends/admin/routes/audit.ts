import { AUDIT_ENTRIES_MAX } from '../../../broker/audit.ts'
import { wholeNumber } from '../../../model/checks.ts'
import { queryNumber } from '../orders.ts'
import { ok, type Route } from '../route.ts'

const PAGE = 100

export const auditRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/audit',
    async answer({ need, query }, { audit }) {
      need('admin', '*')
      const limit = queryNumber(query, 'limit', wholeNumber(1, AUDIT_ENTRIES_MAX)) ?? PAGE
      const before = queryNumber(query, 'after', wholeNumber(1, Number.MAX_SAFE_INTEGER))
      const by = query.get('by') ?? undefined
      const text = query.get('text') ?? undefined
      const items = await audit.list({
        limit,
        ...(before === undefined ? {} : { before }),
        ...(by === undefined ? {} : { by }),
        ...(text === undefined ? {} : { text }),
      })
      return ok({ items, next: items.length < limit ? null : String(items.at(-1)?.number) })
    },
  },
]
