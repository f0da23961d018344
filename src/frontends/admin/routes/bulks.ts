/** Acts on many messages, and on one that is changed on the way. */
import { SpindleError } from '../../../model/errors.ts'
import type { MessageId } from '../../../model/message.ts'
import { bulkOrder, retryOrder } from '../orders.ts'
import { type AdminCall, ok, type Route } from '../route.ts'

/** Whoever takes something away may read it; whoever puts it somewhere may write there. */
function needFor({ need }: AdminCall, queue: string, target: string | undefined): void {
  need('read', queue)
  if (target === undefined) need('write', queue)
  else need('write', target)
}

export const bulkRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/bulks',
    async answer(call, { bulks }) {
      const order = bulkOrder(call.body)
      const { queue, action, target } = order
      if (action === 'discard') {
        call.need('read', queue)
        call.need('configure', queue)
      } else needFor(call, queue, target)
      // Where they died may be any queue.
      const mayWrite = (to: string): boolean => call.may('write', to)
      return { status: 202, body: await bulks.start(order, mayWrite) }
    },
  },
  {
    method: 'GET',
    path: '/bulks',
    answer: async ({ may }, { bulks }) =>
      ok({ items: bulks.list().filter(({ queue }) => may('read', queue)), next: null }),
  },
  {
    method: 'GET',
    path: '/bulks/:bulk',
    async answer({ name, may }, { bulks }) {
      const found = bulks.find(name('bulk'))
      if (found === undefined || !may('read', found.queue)) throw noSuch(name('bulk'))
      return ok(found)
    },
  },
  {
    method: 'DELETE',
    path: '/bulks/:bulk',
    async answer({ name, need }, { bulks }) {
      const found = bulks.find(name('bulk'))
      if (found === undefined) throw noSuch(name('bulk'))
      need('read', found.queue)
      return ok(bulks.cancel(found.id) ?? found)
    },
  },
  {
    method: 'POST',
    path: '/messages/:id/retry',
    async answer(call, { bulks, port }) {
      const id = call.name('id') as MessageId
      const order = retryOrder(call.body)
      const found = await port.find(id)
      if (found === undefined || !call.may('read', found.queue)) {
        throw new SpindleError('not-found', `retry message '${id}'`)
      }
      const to = order.target ?? found.history.at(-1)?.queue ?? found.queue
      needFor(call, found.queue, to)
      return ok(await bulks.retryOne(found, to, order.message))
    },
  },
]

function noSuch(id: string): SpindleError {
  return new SpindleError('not-found', `look at bulk act '${id}'`)
}
