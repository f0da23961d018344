/** Compiled by `npm test` (types), never run: each `@ts-expect-error` must be an error. */
import type { Exchange, Message, MessageId, Queue, Redrive, Spindle, Topic } from '../../src/index.ts'

interface Order {
  readonly id: string
  readonly amount: number
}

export async function queuesAreTypedByTheirBodies(spindle: Spindle): Promise<void> {
  const orders: Queue<Order> = await spindle.queue<Order>('orders')
  const id: MessageId = await orders.send({ id: 'o-1', amount: 3 })
  // @ts-expect-error an amount is a number
  await orders.send({ id: 'o-1', amount: '3' })
  // @ts-expect-error a field is missing
  await orders.sendMany([{ body: { id: 'o-1' } }])
  // @ts-expect-error delays are milliseconds, as a number
  await orders.send({ id: 'o-1', amount: 3 }, { delayMs: '5s' })
  // @ts-expect-error an id is not just any string
  await spindle.find('o-1')
  await spindle.find(id)

  const [message] = await orders.receive()
  const amount: number | undefined = message?.body.amount
  // @ts-expect-error bodies have no such field
  message?.body.price
  // @ts-expect-error there may be no message
  await message.ack()
  void amount
}

export async function topicsAndTransactionsKeepTheType(spindle: Spindle, message: Message<Order>): Promise<void> {
  const sold: Topic<Order> = await spindle.topic<Order>('sold')
  const orders = await spindle.queue<Order>('orders')
  const names = await spindle.queue<string>('names')
  await sold.bind(orders)
  // @ts-expect-error a queue of strings cannot receive orders
  await sold.bind(names)
  await spindle.transaction((t) => {
    t.ack(message)
    t.send(orders, message.body)
    // @ts-expect-error a name is a string
    t.send(names, message.body)
    // @ts-expect-error only a delivery can be acked
    t.ack({ id: message.id })
  })
}

export async function policiesAreChecked(spindle: Spindle): Promise<void> {
  await spindle.queue('q', { onDeath: { kind: 'deadLetter', queue: 'dead' }, leaseMs: 1_000 })
  // @ts-expect-error a dead-letter policy names its queue
  await spindle.queue('q', { onDeath: { kind: 'deadLetter' } })
  // @ts-expect-error no such field
  await spindle.queue('q', { visibilityTimeout: 30 })
}

export async function exchangesKeepTheType(spindle: Spindle): Promise<void> {
  const sold: Exchange<Order> = await spindle.exchange<Order>('sold', { kind: 'topic', alternate: 'rest' })
  const [orders, names] = [await spindle.queue<Order>('orders'), await spindle.queue<string>('names')]
  await sold.bind(orders, { key: 'order.*', filter: { scope: 'body', policy: { amount: [{ numeric: ['>', 5] }] } } })
  await sold.bind(await spindle.exchange<Order>('other'))
  // @ts-expect-error a queue of strings cannot receive orders
  await sold.bind(names, { key: '#' })
  // @ts-expect-error no such mode
  await sold.bind(orders, { headers: { mode: 'some', values: {} } })
  // @ts-expect-error a scope is headers or body
  await sold.bind(orders, { filter: { scope: 'attributes', policy: {} } })
  await sold.publish({ id: 'o-1', amount: 3 }, { key: 'order.paid', keys: ['audit'] })
  // @ts-expect-error an amount is a number
  await sold.publish({ id: 'o-1', amount: '3' }, { key: 'order.paid' })
  // @ts-expect-error no such kind
  await spindle.exchange('sold', { kind: 'random' })
  const redrive: Redrive = await orders.redrive({ to: orders, ratePerSecond: 5 })
  const moved: number = (await redrive.done()).moved
  // @ts-expect-error a rate is a number
  await orders.redrive({ ratePerSecond: '5/s' })
  void moved
}
