import amqp, { type GetMessage } from 'amqplib'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Port } from '../../src/broker/port.ts'
import { StoredUsers } from '../../src/broker/users.ts'
import { listenAmqp } from '../../src/frontends/amqp/listen.ts'
import { SpindleError } from '../../src/model/errors.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { silentLog as log } from '../../src/runtime/log.ts'
import type { Processes } from '../../src/runtime/processes.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { storedBroker, until } from '../broker/started.ts'
import { overridden } from './serving.ts'

/** Processes that live and die as the test says; nobody can tell of one that is neither `alive` nor `dead`. */
class Machine {
  readonly alive = new Set<string>()
  readonly dead = new Set<string>()

  processes(name: string): Processes {
    this.alive.add(name)
    return {
      self: async () => name,
      isAlive: async (other) => (this.alive.has(other) ? true : this.dead.has(other) ? false : undefined),
    }
  }

  kill(name: string): void {
    this.alive.delete(name)
    this.dead.add(name)
  }
}

let seed = 0

/** The port, but for the word of a process that it lives. */
function muted(port: Port, isMute: () => boolean): Port {
  const transact: Port['transact'] = (steps, options) =>
    isMute() && steps.some((step) => step.kind === 'record' && step.key.startsWith('spindle/amqp/process/'))
      ? Promise.reject(new SpindleError('disk-full', 'say that it lives'))
      : port.transact(steps, options)
  return overridden(port, { transact })
}

/** A process of its own over the store, and a channel to it. */
async function served(port: Port, clock: VirtualClock, processes: Processes) {
  const random = seededRandom(++seed)
  const users = await StoredUsers.open({ port, clock, random, log })
  const parts = { port, users, clock, random, log, limits: defaultLimits, processes }
  const listener = await listenAmqp({ ...parts, host: '127.0.0.1', listenPort: 0 })
  const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${listener.address.port}`)
  connection.on('error', () => {})
  const channel = await connection.createConfirmChannel()
  const close = async (): Promise<void> => {
    await connection.close().catch(() => {})
    await listener.close()
    users.close()
  }
  onTestFinished(close)
  return { connection, channel, close }
}

async function declareSome(channel: amqp.Channel): Promise<void> {
  await channel.assertQueue('durable')
  await channel.assertQueue('passing', { durable: false })
  await channel.assertQueue('mine', { exclusive: true })
  await channel.assertExchange('passing', 'topic', { durable: false })
}

async function names(port: Port): Promise<string[]> {
  const exchanges = (await port.listExchanges(['passing'])).map(({ exchange }) => `exchange ${exchange}`)
  return [...(await port.measure()).map(({ queue }) => queue).sort(), ...exchanges]
}

const EVERYTHING = ['durable', 'mine', 'passing', 'exchange passing']

describe('processes over one store', () => {
  it('leave each other what is not durable, and clear up after one that is gone', async () => {
    const { broker, clock } = await storedBroker()
    const machine = new Machine()
    const first = await served(broker, clock, machine.processes('first'))
    await declareSome(first.channel)
    await served(broker, clock, machine.processes('second'))
    expect(await names(broker)).toEqual(EVERYTHING)
    await clock.advance(60_000)
    expect(await names(broker)).toEqual(EVERYTHING)
    // Gone for the others; the sockets of this one stay open, so that nothing but that tells them.
    machine.kill('first')
    await served(broker, clock, machine.processes('third'))
    expect(await names(broker)).toEqual(['durable'])
  })

  it('find out while they run that another one is gone', async () => {
    const { broker, clock } = await storedBroker()
    const machine = new Machine()
    const first = await served(broker, clock, machine.processes('first'))
    const second = await served(broker, clock, machine.processes('second'))
    await declareSome(first.channel)
    first.channel.sendToQueue('durable', Buffer.from('held'))
    await first.channel.waitForConfirms()
    await first.channel.get('durable')
    expect(await second.channel.get('durable')).toBe(false)
    machine.kill('first')
    await clock.advance(8_000)
    await until(async () => (await names(broker)).length === 1)
    expect(((await second.channel.get('durable')) as GetMessage).content.toString()).toBe('held')
  })

  it('get back at once what was not answered when the broker was killed', async () => {
    const store = await storedBroker()
    const { clock } = store
    const machine = new Machine()
    const before = await served(store.broker, clock, machine.processes('before'))
    await declareSome(before.channel)
    before.channel.sendToQueue('durable', Buffer.from('unanswered'))
    await before.channel.waitForConfirms()
    await before.channel.get('durable')
    await store.crash()
    machine.kill('before')
    const after = await served(store.broker, clock, machine.processes('after'))
    const message = (await after.channel.get('durable')) as GetMessage
    expect([message.content.toString(), message.fields.redelivered]).toEqual(['unanswered', true])
    expect(await names(store.broker)).toEqual(['durable'])
  })

  it('end the connections of one that cannot say that it lives, before others take what it holds', async () => {
    const { broker, clock } = await storedBroker()
    const machine = new Machine()
    let isMute = false
    const mute = muted(broker, () => isMute)
    const first = await served(mute, clock, machine.processes('elsewhere'))
    machine.alive.delete('elsewhere')
    await first.channel.assertQueue('durable')
    // Alone, it need not say so to anybody.
    isMute = true
    await clock.advance(60_000)
    await first.channel.checkQueue('durable')
    isMute = false
    const second = await served(broker, clock, machine.processes('here'))
    await clock.advance(8_000)
    first.channel.sendToQueue('durable', Buffer.from('held'))
    await first.channel.waitForConfirms()
    await first.channel.get('durable')
    isMute = true
    const cut = new Promise((resolve) => first.connection.once('close', resolve))
    await clock.advance(16_000)
    expect(await second.channel.get('durable')).toBe(false)
    await clock.advance(8_000)
    expect(String(await cut)).toMatch(/320.*could not tell the others that it lives/)
    expect(((await second.channel.get('durable')) as GetMessage).content.toString()).toBe('held')
    isMute = false
  })

  it('wait for the word of one that nobody can tell of', async () => {
    const store = await storedBroker()
    const { clock } = store
    const machine = new Machine()
    const before = await served(store.broker, clock, machine.processes('elsewhere'))
    await before.channel.assertQueue('passing', { durable: false })
    await store.crash()
    machine.alive.delete('elsewhere')
    await served(store.broker, clock, machine.processes('here'))
    expect(await names(store.broker)).toEqual(['passing'])
    await clock.advance(40_000)
    await until(async () => (await names(store.broker)).length === 0)
  })
})
