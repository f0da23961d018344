/** Makes what a configuration declares. Idempotent: what is there already keeps its messages, and what the configuration no longer names stays. */
import { type BindingTarget, bindingId, type Port } from '../broker/port.ts'
import type { Users } from '../broker/users.ts'
import { SpindleError } from '../model/errors.ts'
import type { QueuePolicy } from '../model/policy.ts'
import type { BindingConfig, Declarations } from './config.ts'

/** Queues first, since bindings and dead-letter policies name them. Rejects with the field that could not be made. */
export async function declare(declarations: Partial<Declarations>, to: { port: Port; users: Users }): Promise<void> {
  const {
    queues = new Map(),
    exchanges = new Map(),
    topics = new Map(),
    bindings = [],
    users = new Map(),
  } = declarations
  const { port } = to
  const waiting: Promise<unknown>[] = []
  for (const [queue, policy] of queues as Declarations['queues']) {
    waiting.push(named(`queues.${queue}`, () => port.declareQueue(queue, policy as Partial<QueuePolicy>)))
  }
  await all(waiting)
  for (const [exchange, settings] of exchanges as Declarations['exchanges']) {
    waiting.push(named(`exchanges.${exchange}`, () => port.declareExchange(exchange, settings)))
  }
  for (const topic of (topics as Declarations['topics']).keys()) {
    waiting.push(named(`topics.${topic}`, () => port.declareExchange(topic, { kind: 'fanout' })))
  }
  await all(waiting)
  for (const [topic, { subscriptions = [] }] of topics as Declarations['topics']) {
    for (const [index, { queue, filter }] of subscriptions.entries()) {
      const subscription = { exchange: topic, queue, ...(filter === undefined ? {} : { filter }) }
      waiting.push(named(`topics.${topic}.subscriptions[${index}]`, () => bind(port, subscription)))
    }
  }
  for (const [index, binding] of bindings.entries()) {
    waiting.push(named(`bindings[${index}]`, () => bind(port, binding)))
  }
  await all(waiting)
  for (const [user, fields] of users as Declarations['users']) {
    await named(`users.${user}`, () => to.users.put(user, fields))
  }
}

function bind(port: Port, { exchange, queue, toExchange, key = '', headers, filter }: BindingConfig): Promise<void> {
  const target: BindingTarget =
    queue === undefined ? { kind: 'exchange', name: toExchange ?? '' } : { kind: 'queue', name: queue }
  const matching = { ...(headers === undefined ? {} : { headers }), ...(filter === undefined ? {} : { filter }) }
  const id = bindingId({ target, key, ...(headers === undefined ? {} : { headers }) })
  return port.putBinding({ exchange, id, target, key, ...matching })
}

/** Waits for all of them, also when one fails; then none is under way when the store is closed. */
async function all(waiting: Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(waiting.splice(0))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

async function named(field: string, make: () => Promise<unknown>): Promise<void> {
  try {
    await make()
  } catch (fault) {
    if (!(fault instanceof SpindleError)) throw fault
    throw new SpindleError(fault.code, `config: ${field}: ${fault.attempted}`, { cause: fault })
  }
}
