/** Classes channel, access, confirm and tx. */
import type { Arguments } from '../../wire/amqp/methods.ts'
import type { Channel, Handlers } from './channel.ts'
import { Confirms } from './confirms.ts'
import { preconditionFailed } from './fault.ts'
import { Transaction } from './transaction.ts'

export const channelHandlers: Handlers = {
  'channel.open': (channel) => {
    channel.opened()
    channel.send('channel.open-ok', { reserved1: '' })
  },
  'channel.flow': (channel, { active }) => {
    channel.flowing = active
    channel.send('channel.flow-ok', { active })
  },
  'channel.flow-ok': () => {},
  'channel.close': close,
  'channel.close-ok': () => {},
  // Realms are a thing of AMQP 0-8; old clients still ask.
  'access.request': (channel) => channel.send('access.request-ok', { ticket: 1 }),
  'confirm.select': confirmSelect,
  'tx.select': (channel) => {
    if (channel.confirms !== undefined) throw preconditionFailed('cannot switch from confirm to tx mode')
    channel.transaction ??= new Transaction(channel.session.hub.parts.amqpLimits.txMax)
    channel.send('tx.select-ok', {})
  },
  'tx.commit': commit,
  'tx.rollback': (channel) => {
    if (channel.transaction === undefined) throw preconditionFailed('channel is not transactional')
    channel.rollback()
    channel.send('tx.rollback-ok', {})
  },
}

async function close(channel: Channel): Promise<void> {
  await channel.session.publisher.idle()
  channel.end()
  channel.send('channel.close-ok', {})
  channel.session.forget(channel.number)
}

function confirmSelect(channel: Channel, { noWait }: Arguments<'confirm.select'>): void {
  if (channel.transaction !== undefined) throw preconditionFailed('cannot switch from tx to confirm mode')
  channel.confirms ??= new Confirms()
  if (!noWait) channel.send('confirm.select-ok', {})
}

async function commit(channel: Channel): Promise<void> {
  const { transaction, session } = channel
  if (transaction === undefined) throw preconditionFailed('channel is not transactional')
  const { port } = session.hub.parts
  const existing = transaction.queues.length === 0 ? [] : await port.measure(transaction.queues)
  const { steps, unroutable } = transaction.steps(new Set(existing.map(({ queue }) => queue)))
  if (steps.length > 0) await port.transact(steps)
  for (const { mandatory, message } of unroutable) if (mandatory) channel.returned(message)
  transaction.reset()
  channel.send('tx.commit-ok', {})
}
