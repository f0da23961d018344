import { SpindleError } from '../../../model/errors.ts'
import { redriveOrder } from '../orders.ts'
import { ok, type Route } from '../route.ts'

export const redriveRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/queues/:queue/redrive',
    async answer({ name, need, may, body }, { port }) {
      const source = name('queue')
      const order = redriveOrder(body)
      need('read', source)
      // Without a target the messages go wherever they came from.
      if (order.target !== undefined) need('write', order.target)
      else if (order.from !== 'dead' || !may('write', source)) need('admin', source)
      return { status: 202, body: await port.startRedrive({ source, ...order }) }
    },
  },
  {
    method: 'GET',
    path: '/redrives',
    async answer({ query, may }, { port }) {
      const redrives = await port.listRedrives(query.get('source') ?? undefined)
      return ok({ items: redrives.filter(({ source }) => may('read', source)), next: null })
    },
  },
  {
    method: 'DELETE',
    path: '/redrives/:redrive',
    async answer({ name, need }, { port }) {
      const id = name('redrive')
      const known = (await port.listRedrives()).find((redrive) => redrive.id === id)
      if (known === undefined) throw new SpindleError('not-found', `cancel redrive '${id}'`)
      need('read', known.source)
      return ok((await port.cancelRedrive(id)) ?? known)
    },
  },
]
