import { ok, type Route } from '../route.ts'

export const connectionRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/connections',
    async answer({ need }, { connections }) {
      need('admin', '*')
      return ok({ items: connections?.() ?? [], next: null })
    },
  },
]
