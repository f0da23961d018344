/** From connection.start to connection.open-ok (section 2.2.4): who it is, what both sides can take, and which virtual host. */
import type { Identity } from '../../model/access.ts'
import { type FieldTable, tableOf, textOf } from '../../wire/amqp/field-table.ts'
import type { Arguments, Method, MethodName } from '../../wire/amqp/methods.ts'
import { FRAME_MIN } from '../../wire/amqp/protocol.ts'
import { AmqpFault } from './fault.ts'
import type { Hub } from './hub.ts'
import { DEFAULT_VHOST } from './names.ts'
import type { ConnectionView } from './registry.ts'
import { authenticate, mechanismsFor, type Peer } from './sasl.ts'
import { vhostExists } from './vhosts.ts'

/** Clients turn features on by these names. */
export const capabilities: FieldTable = tableOf({
  publisher_confirms: true,
  exchange_exchange_bindings: true,
  'basic.nack': true,
  consumer_cancel_notify: true,
  'connection.blocked': true,
  consumer_priorities: true,
  authentication_failure_close: true,
  per_consumer_qos: true,
  direct_reply_to: true,
})

/** Clients compare versions with RabbitMQ's; this is the release whose behaviour the front end follows. */
const COMPATIBLE_VERSION = '3.10.8'

const serverProperties = tableOf({
  capabilities,
  cluster_name: 'spindle',
  copyright: 'Spindle contributors',
  information: 'MIT licence',
  platform: `Node.js ${process.versions.node}`,
  product: 'Spindle',
  version: COMPATIBLE_VERSION,
})

/** The connection that is being opened. */
export interface Opening {
  readonly hub: Hub
  readonly name: string
  send<Name extends MethodName>(channel: number, name: Name, args: Arguments<Name>): void
  /** connection.tune-ok: from now on frames up to this size. */
  tuned(frameMax: number): void
  /** It is over. */
  running(settings: { readonly heartbeatSeconds: number }): void
}

type Step = 'start-ok' | 'tune-ok' | 'open' | 'done'

export class Handshake {
  identity: Identity | undefined
  vhost: string = DEFAULT_VHOST
  frameMax = 0
  channelMax = 0
  #heartbeatSeconds = 0
  #mechanism = ''
  #clientProperties: FieldTable = new Map()
  #step: Step = 'start-ok'
  readonly #connection: Opening
  readonly #peer: Peer
  readonly #insecure: boolean

  constructor(parts: { connection: Opening; peer: Peer; insecure: boolean }) {
    this.#connection = parts.connection
    this.#peer = parts.peer
    this.#insecure = parts.insecure
  }

  /** Has the client shown that it understands connection.close? Before, the socket is all that can be closed. */
  get mayRefuse(): boolean {
    return this.#step !== 'start-ok'
  }

  start(): void {
    this.#connection.send(0, 'connection.start', {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties,
      mechanisms: mechanismsFor(this.#peer, this.#insecure).join(' '),
      locales: 'en_US',
    })
  }

  /** Throws COMMAND_INVALID for a method that is not the next one. */
  method(method: Method): Promise<void> | undefined {
    if (method.name === 'connection.start-ok' && this.#step === 'start-ok') return this.#startOk(method.args)
    if (method.name === 'connection.tune-ok' && this.#step === 'tune-ok') this.#tuneOk(method.args)
    else if (method.name === 'connection.open' && this.#step === 'open') return this.#open(method.args.virtualHost)
    else throw new AmqpFault(503, `unexpected method ${method.name} before connection.open`, 'connection')
    return undefined
  }

  /** A new password for the same user (OAuth clients renew their token so). */
  async updateSecret(secret: string | Uint8Array): Promise<void> {
    const { users } = this.#connection.hub.parts
    const name = this.identity?.name ?? ''
    const password = Buffer.from(secret).toString('utf8')
    const renewed = users.configured() ? await users.withPassword(name, password, this.#peer.host) : this.identity
    if (renewed === undefined) throw new AmqpFault(530, 'New secret was refused by one of the backends', 'connection')
    this.identity = renewed
    this.#connection.send(0, 'connection.update-secret-ok', {})
  }

  /** Did the client announce that it understands this? */
  capability(name: string): boolean {
    const field = this.#clientProperties.get('capabilities')
    const value = field?.type === 'F' ? field.value.get(name) : undefined
    return value?.type === 't' && value.value
  }

  view(): Pick<
    ConnectionView,
    'user' | 'vhost' | 'frameMax' | 'channelMax' | 'heartbeatSeconds' | 'authMechanism' | 'clientProperties'
  > {
    const texts: Record<string, string> = Object.create(null)
    for (const [name, field] of this.#clientProperties) {
      const text = textOf(field)
      if (text !== undefined) texts[name] = text
    }
    return {
      user: this.identity?.name ?? '',
      vhost: this.vhost,
      frameMax: this.frameMax,
      channelMax: this.channelMax,
      heartbeatSeconds: this.#heartbeatSeconds,
      authMechanism: this.#mechanism,
      clientProperties: texts,
    }
  }

  async #startOk(args: Arguments<'connection.start-ok'>): Promise<void> {
    const { users, log } = this.#connection.hub.parts
    this.#clientProperties = args.clientProperties
    this.#mechanism = args.mechanism
    const known = mechanismsFor(this.#peer, this.#insecure).includes(args.mechanism)
    const identity = known
      ? await authenticate(users, this.#peer, args.mechanism, Buffer.from(args.response))
      : undefined
    if (identity === undefined) {
      log.warn('an AMQP login was refused', { connection: this.#connection.name, mechanism: args.mechanism })
      // Section 4.10.2 asks for a silent close; clients that announce it are told.
      if (this.capability('authentication_failure_close')) this.#step = 'tune-ok'
      const why = `Login was refused using authentication mechanism ${args.mechanism}. For details see the broker logfile.`
      throw new AmqpFault(403, why, 'connection')
    }
    this.identity = identity
    this.#step = 'tune-ok'
    const { channelMax, frameMax, heartbeatSeconds: heartbeat } = this.#connection.hub.parts.amqpLimits
    this.#connection.send(0, 'connection.tune', { channelMax, frameMax, heartbeat })
  }

  #tuneOk({ channelMax, frameMax, heartbeat }: Arguments<'connection.tune-ok'>): void {
    const limits = this.#connection.hub.parts.amqpLimits
    this.frameMax = negotiated('frame_max', frameMax, limits.frameMax, FRAME_MIN)
    this.channelMax = negotiated('channel_max', channelMax, limits.channelMax, 1)
    this.#heartbeatSeconds = heartbeat
    this.#connection.tuned(this.frameMax)
    this.#step = 'open'
  }

  async #open(vhost: string): Promise<void> {
    if (!(await vhostExists(this.#connection.hub.parts.port, vhost))) {
      throw new AmqpFault(530, `vhost ${vhost} not found`, 'connection')
    }
    this.vhost = vhost
    this.#step = 'done'
    this.#connection.send(0, 'connection.open-ok', { reserved1: '' })
    this.#connection.running({ heartbeatSeconds: this.#heartbeatSeconds })
  }
}

/** 0 asks for our own; more than that, or less than the specification's least, is refused as RabbitMQ does. */
function negotiated(what: string, wanted: number, ours: number, least: number): number {
  if (wanted === 0) return ours
  if (wanted > ours) {
    throw new AmqpFault(
      530,
      `negotiated ${what} = ${wanted} is higher than the maximum allowed value (${ours})`,
      'connection',
    )
  }
  if (wanted < least) {
    throw new AmqpFault(
      530,
      `negotiated ${what} = ${wanted} is lower than the minimum allowed value (${least})`,
      'connection',
    )
  }
  return wanted
}
