import { oneOf, wholeNumber, wrong } from '../../../model/checks.ts'
import { SpindleError } from '../../../model/errors.ts'
import type { MessageId, MessageState } from '../../../model/message.ts'
import type { ExtendAnswer, SendAnswer, SettleAnswer } from '../api.ts'
import { extension, messagesToSend, queryNumber, receiveOrder, settlements } from '../orders.ts'
import { ok, type Route } from '../route.ts'
import { deliveredMessage, messageInfo } from '../views.ts'

const PAGE_MAX = 1_000
const PAGE_DEFAULT = 50
const BODY_SHOWN_DEFAULT = 4_096
const BODY_SHOWN_MAX = 1_048_576
/** Of all bodies of one answer. */
const SHOWN_MAX = 16 * 1_048_576
const STATES = oneOf('ready', 'delayed', 'leased', 'dead', 'done')

export const messageRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/queues/:queue/messages',
    async answer({ name, need, query }, { port }) {
      const queue = name('queue')
      need('read', queue)
      const states: MessageState[] = (query.get('state') ?? 'ready').split(',').map((state) => STATES(state, 'state'))
      const limit = queryNumber(query, 'limit', wholeNumber(1, PAGE_MAX)) ?? PAGE_DEFAULT
      const shown = queryNumber(query, 'bodyBytes', wholeNumber(0, BODY_SHOWN_MAX)) ?? BODY_SHOWN_DEFAULT
      if (limit * shown > SHOWN_MAX) throw wrong('limit x bodyBytes', `be at most ${SHOWN_MAX}`)
      const cursor = query.get('cursor')
      const page = await port.browse({ queue, states, limit, ...(cursor === null ? {} : { cursor }) })
      return ok({ items: page.messages.map((message) => messageInfo(message, shown)), next: page.cursor ?? null })
    },
  },
  {
    method: 'POST',
    path: '/queues/:queue/messages',
    audited: false,
    async answer({ name, need, body }, { port }) {
      const queue = name('queue')
      need('write', queue)
      return ok({ outcomes: await port.append(queue, messagesToSend(body)) } satisfies SendAnswer)
    },
  },
  {
    method: 'POST',
    path: '/queues/:queue/receive',
    audited: false,
    async answer({ name, need, body, signal }, { port }) {
      const queue = name('queue')
      need('read', queue)
      const { max = 1, waitMs = 0, leaseMs, settleOnDelivery, from } = receiveOrder(body)
      if ((await port.measure([queue])).length === 0) throw new SpindleError('no-such-queue', `receive from '${queue}'`)
      const deliveries = await port.receive(
        {
          queue,
          max,
          waitMs,
          ...(leaseMs === undefined ? {} : { lease: { kind: 'clock', leaseMs } as const }),
          ...(settleOnDelivery === undefined ? {} : { settleOnDelivery }),
          ...(from === undefined ? {} : { from: { kind: from } as const }),
        },
        signal,
      )
      return ok({ items: deliveries.map((delivery) => deliveredMessage(delivery, Number.MAX_SAFE_INTEGER)) })
    },
  },
  {
    method: 'POST',
    path: '/queues/:queue/settle',
    audited: false,
    async answer({ name, need, body }, { port }) {
      need('read', name('queue'))
      return ok({ outcomes: await port.settle(settlements(body)) } satisfies SettleAnswer)
    },
  },
  {
    method: 'POST',
    path: '/queues/:queue/extend',
    audited: false,
    async answer({ name, need, body }, { port }) {
      need('read', name('queue'))
      const { receipts, leaseMs } = extension(body)
      return ok({ outcomes: await port.extend(receipts, leaseMs) } satisfies ExtendAnswer)
    },
  },
  {
    method: 'GET',
    path: '/messages/:id',
    async answer({ name, may }, { port }) {
      const id = name('id')
      const found = await port.find(id as MessageId)
      // Whoever may not read the queue is not told that the message exists.
      if (found === undefined || !may('read', found.queue)) throw new SpindleError('not-found', `find message '${id}'`)
      return ok(messageInfo(found, Number.MAX_SAFE_INTEGER))
    },
  },
]
