import type { TlsOptions } from 'node:tls'
import amqp, { type Channel, type ChannelModel } from 'amqplib'
import { onTestFinished } from 'vitest'
import type { Port } from '../../src/broker/port.ts'
import { StoredUsers } from '../../src/broker/users.ts'
import type { AmqpLimits } from '../../src/frontends/amqp/amqp-limits.ts'
import { type AmqpListener, listenAmqp } from '../../src/frontends/amqp/listen.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { startedBroker } from '../broker/started.ts'

/** AMQP over the reference engine, on a clock that the test moves, behind a real socket; gone with the test. */
export async function servedAmqp(
  options: { amqpLimits?: Partial<AmqpLimits>; log?: Log; port?: (broker: Port) => Port; tls?: TlsOptions } = {},
) {
  const { broker, clock } = await startedBroker()
  const { log = silentLog, amqpLimits = {} } = options
  const random = seededRandom(11)
  const users = await StoredUsers.open({ port: broker, clock, random, log })
  const listener: AmqpListener = await listenAmqp({
    port: options.port?.(broker) ?? broker,
    users,
    clock,
    random,
    log,
    limits: defaultLimits,
    amqpLimits,
    host: '127.0.0.1',
    listenPort: 0,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  })
  onTestFinished(async () => {
    const closed = listener.close({ drainMs: 1_000 })
    await clock.advance(1_000)
    await closed
    users.close()
    await broker.close()
  })
  const { port } = listener.address
  return { broker, clock, users, listener, port, url: `amqp://guest:guest@127.0.0.1:${port}` }
}

/** The port with some of its verbs replaced. */
export function overridden(port: Port, verbs: Partial<Port>): Port {
  return new Proxy(port, {
    get: (target, name) => {
      const own = (verbs as Record<string | symbol, unknown>)[name]
      if (own !== undefined) return own
      const value = (target as unknown as Record<string | symbol, unknown>)[name]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** A connection of amqplib, closed with the test. What the server closes it with is `faults`. */
export async function connected(url: string) {
  const connection: ChannelModel = await amqp.connect(url)
  const faults: Error[] = []
  connection.on('error', (error: Error) => faults.push(error))
  onTestFinished(() => connection.close().catch(() => {}))
  return { connection, faults }
}

/** What the server closed the channel with, whose call failed. */
export async function refused(channel: Channel, call: PromiseLike<unknown>): Promise<string> {
  const closed = new Promise<Error>((resolve) => channel.once('error', resolve))
  try {
    await call
  } catch {
    return (await closed).message
  }
  throw new Error('the call was not refused')
}
