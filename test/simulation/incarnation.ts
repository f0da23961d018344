/**
 * One life of the whole broker in this process: embedded engine, broker, SQS, AMQP and tasks, on a disk and clock that belong to the test.
 * `kill` ends it as kill -9 does: from that turn on nothing of it reaches anybody, though its promises may go on among themselves.
 */
import { createServer, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { Broker } from '../../src/broker/broker.ts'
import { StoredUsers } from '../../src/broker/users.ts'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { defaultAmqpLimits } from '../../src/frontends/amqp/amqp-limits.ts'
import { Connection } from '../../src/frontends/amqp/connection.ts'
import { Hub } from '../../src/frontends/amqp/hub.ts'
import { Registry } from '../../src/frontends/amqp/registry.ts'
import { awsFrontend } from '../../src/frontends/aws/aws-frontend.ts'
import { snsService } from '../../src/frontends/sns/sns-service.ts'
import { openSqs } from '../../src/frontends/sqs/sqs-service.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import type { Clock, Timer } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { createTasks, type TaskClient } from '../../src/tasks/client.ts'
import type { FaultDisk } from '../../src/testing/fault-disk.ts'
import { connectedPair, MemoryStream } from './network.ts'

const ENGINE = { segmentBytes: 65_536, checkpointBytes: 65_536, cacheBytes: 65_536 }

export interface AmqpLink {
  send(bytes: Buffer): void
  drop(): void
}

export class Incarnation {
  readonly engine: Engine
  readonly broker: Broker
  readonly tasks: TaskClient
  alive = true
  readonly #hub: Hub
  readonly #http: Server
  readonly #users: StoredUsers
  readonly #cuts = new Set<() => void>()
  readonly #drops = new Set<() => void>()
  #connections = 0

  private constructor(parts: {
    engine: Engine
    broker: Broker
    tasks: TaskClient
    hub: Hub
    http: Server
    users: StoredUsers
  }) {
    this.engine = parts.engine
    this.broker = parts.broker
    this.tasks = parts.tasks
    this.#hub = parts.hub
    this.#http = parts.http
    this.#users = parts.users
  }

  /** `number` tells the lives of one store apart. Rejects as opening the engine does. */
  static async start(parts: {
    /** Or the reference engine, which outlives the broker before it. */
    readonly disk: FaultDisk | MemoryEngine
    readonly clock: Clock
    readonly number: number
    readonly seed: number
  }): Promise<Incarnation> {
    const { disk, number, seed } = parts
    const mortal = new MortalClock(parts.clock)
    const clock: Clock = mortal
    const random = seededRandom(seed * 1_000 + number)
    const engine = disk instanceof MemoryEngine ? disk : new EmbeddedEngine({ disk, clock, random, options: ENGINE })
    const broker = new Broker({ engine, clock, log: silentLog, limits: defaultLimits })
    await broker.start()
    const common = { port: broker, clock, random, log: silentLog, limits: defaultLimits }
    const home = { region: 'us-east-1', account: '000000000000' }
    const services = [await openSqs(common), snsService({ ...common, home })] as const
    const users = await StoredUsers.open(common)
    const name = `life ${number}`
    const processes = { self: async () => name, isAlive: async (other: string) => other === name }
    const hub = new Hub({ ...common, users, processes, amqpLimits: defaultAmqpLimits, registry: new Registry() })
    await hub.start()
    const http = createServer(awsFrontend({ services, clock, random, log: silentLog }))
    const life = new Incarnation({ engine, broker, tasks: createTasks(common), hub, http, users })
    life.#cuts.add(() => mortal.die())
    return life
  }

  /** A client's end of an HTTP connection. */
  http(): Duplex {
    const [client, server] = connectedPair()
    const cut = (): void => void client.destroy()
    this.#cuts.add(cut)
    this.#drops.add(cut)
    client.once('close', () => {
      this.#cuts.delete(cut)
      this.#drops.delete(cut)
    })
    if (this.alive) this.#http.emit('connection', server)
    else cut()
    return client
  }

  amqp(heard: (bytes: Buffer) => void, closed: () => void): AmqpLink {
    const host = '127.0.0.1'
    const name = `connection ${++this.#connections}`
    let open = true
    const end = (): void => {
      if (!open) return
      open = false
      this.#cuts.delete(end)
      this.#drops.delete(drop)
      closed()
    }
    const stream = new MemoryStream({ deliver: (bytes) => open && heard(bytes), closed: () => drop() })
    const connection = new Connection({
      hub: this.#hub,
      stream,
      peer: { host, loopback: true, tls: false, certificateName: undefined },
      addresses: { name, peer: { host, port: this.#connections }, local: { host, port: 5_672 } },
      insecure: false,
    })
    this.#hub.parts.registry.add(name, connection)
    const drop = (): void => {
      stream.destroyed = true
      connection.disconnected()
      end()
    }
    this.#cuts.add(end)
    this.#drops.add(drop)
    if (!this.alive) end()
    return {
      send: (bytes) => {
        if (open) queueMicrotask(() => open && connection.received(bytes))
      },
      drop: () => {
        if (open) drop()
      },
    }
  }

  /** Every client's connection breaks; the broker goes on. */
  dropConnections(): void {
    for (const drop of [...this.#drops]) drop()
  }

  kill(): void {
    this.alive = false
    for (const cut of [...this.#cuts]) cut()
    this.#http.closeAllConnections()
  }

  /** Ends in peace; callers that wait learn of it. */
  async close(): Promise<void> {
    this.alive = false
    for (const cut of [...this.#cuts].slice(1)) cut()
    this.#users.close()
    await this.tasks.close()
    await this.#hub.close()
    await this.broker.close()
  }
}

/** Timers of a process go with it. */
class MortalClock implements Clock {
  readonly #clock: Clock
  readonly #armed = new Set<Timer>()
  #dead = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wallMs(): number {
    return this.#clock.wallMs()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    if (this.#dead) return { cancel() {} }
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#armed.delete(timer)
      fire()
    })
    this.#armed.add(timer)
    return {
      cancel: () => {
        this.#armed.delete(timer)
        timer.cancel()
      },
    }
  }

  die(): void {
    this.#dead = true
    for (const timer of this.#armed) timer.cancel()
    this.#armed.clear()
  }
}
