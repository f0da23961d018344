/**
 * The same calls, one after another, to two whole brokers: one over the embedded engine, whose power is cut now and then, and one over the
 * reference engine, to which nothing happens. Every answer must be the same, whatever front end gave it.
 */
import { expect, it } from 'vitest'
import { PortQueue } from '../../src/client/queue.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { longRun } from '../faults/store.ts'
import { AmqpClient } from './amqp-client.ts'
import { AwsClient } from './aws-client.ts'
import { Incarnation } from './incarnation.ts'

const LEASE_MS = 20_000
const QueueUrl = 'http://sqs.us-east-1.localhost/000000000000/both'

type Call = (side: Side) => Promise<unknown>

/** One of the two brokers with its clients, who remember receipts in the order of their deliveries. */
class Side {
  life!: Incarnation
  sqs!: AwsClient
  amqp!: AmqpClient
  readonly handles: string[] = []
  readonly held: Awaited<ReturnType<PortQueue<string>['receive']>> = []
  readonly heard: string[] = []
  #store: FaultDisk | MemoryEngine
  readonly #clock: VirtualClock
  #lives = 0

  constructor(store: FaultDisk | MemoryEngine, clock: VirtualClock) {
    this.#store = store
    this.#clock = clock
  }

  async start(): Promise<void> {
    this.life = await Incarnation.start({ disk: this.#store, clock: this.#clock, number: ++this.#lives, seed: 1 })
    this.sqs = new AwsClient(this.life)
    const client = await AmqpClient.connect(this.life)
    if (client === undefined) throw new Error('no AMQP connection')
    this.amqp = client
    client.onDelivery = ({ body }) => this.heard.push(body)
  }

  /** The broker dies: with its power where it has a disk. */
  async die(): Promise<void> {
    this.life.kill()
    if (this.#store instanceof FaultDisk) this.#store = this.#store.powerCut({ mode: 'lost' })
    await this.start()
  }

  queue(): PortQueue<string> {
    return new PortQueue(this.life.broker, 'plain', this.#clock)
  }
}

function callOf(random: ReturnType<typeof seededRandom>, serial: number): Call {
  const below = (limit: number): number => Math.floor(random.float() * limit)
  const body = `${serial}|`.padEnd(below(2_000), 'b')
  const pick = random.float()
  const priority = below(4)
  const delayMs = below(8) === 0 ? below(5_000) : 0
  const max = 1 + below(6)
  const dedupId = String(serial - below(2))
  switch (below(11)) {
    case 0:
    case 1:
      return async (side) =>
        (await side.queue().sendMany([{ body, options: { priority, ...(delayMs > 0 ? { delayMs } : {}) } }])).map(
          ({ kind }) => kind,
        )
    case 2:
      return async (side) => {
        const got = await side.queue().receive({ max, leaseMs: LEASE_MS })
        side.held.push(...got)
        return got.map((message) => [message.body, message.attempt])
      }
    case 3:
      return async (side) => {
        const [message] = side.held.splice(Math.floor(pick * side.held.length), 1)
        return message === undefined ? 'none' : (await side.queue().ack(message)).map(({ kind }) => kind)
      }
    case 4:
      return async (side) => {
        const [message] = side.held.splice(Math.floor(pick * side.held.length), 1)
        return message === undefined ? 'none' : message.release({ delayMs })
      }
    case 5:
    case 6:
      return async ({ sqs }) => {
        // Whose turn it is among groups does not outlive a process, so there is one.
        const group = 'g'
        const answer = await sqs.call('SendMessage', {
          QueueUrl: `${QueueUrl}.fifo`,
          MessageBody: body,
          MessageGroupId: group,
          MessageDeduplicationId: dedupId,
        })
        return answer.kind === 'answer'
          ? [answer.status, answer.value['MD5OfMessageBody'], answer.value['SequenceNumber'] !== undefined]
          : 'lost'
      }
    case 7:
      return async (side) => {
        const answer = await side.sqs.call('ReceiveMessage', {
          QueueUrl: `${QueueUrl}.fifo`,
          MaxNumberOfMessages: max,
          VisibilityTimeout: LEASE_MS / 1_000,
          AttributeNames: ['ApproximateReceiveCount'],
        })
        if (answer.kind === 'lost') return 'lost'
        const messages = (answer.value['Messages'] ?? []) as {
          Body: string
          ReceiptHandle: string
          Attributes: unknown
        }[]
        side.handles.push(...messages.map(({ ReceiptHandle }) => ReceiptHandle))
        return messages.map(({ Body, Attributes }) => [Body, Attributes])
      }
    case 8:
      return async (side) => {
        const [handle] = side.handles.splice(Math.floor(pick * side.handles.length), 1)
        if (handle === undefined) return 'none'
        const answer = await side.sqs.call('DeleteMessage', { QueueUrl: `${QueueUrl}.fifo`, ReceiptHandle: handle })
        return answer.kind === 'answer' ? [answer.status, answer.value['__type']] : 'lost'
      }
    case 9:
      return async (side) => {
        const confirmed = new Promise<boolean>((resolve) => {
          side.amqp.onConfirm = (_number, ok) => resolve(ok)
        })
        side.amqp.publish('wire', body)
        return confirmed
      }
    default:
      return async (side) =>
        (await side.life.broker.measure()).map(({ queue, ready, delayed, leased, dead }) => [
          queue,
          ready,
          delayed,
          leased,
          dead,
        ])
  }
}

it('answers as the reference does, over power cuts', async () => {
  const rounds = longRun ? 60 : 3
  for (let round = 0; round < rounds; round++) {
    const random = seededRandom(500 + round)
    const clock = new VirtualClock({ monotonicMs: 1_000_000 })
    const reference = new MemoryEngine({ clock, random: seededRandom(1) })
    // The broker before it is abandoned, not closed, so one engine serves all its lives.
    const opened = reference.open()
    reference.open = () => opened
    const sides = [new Side(new FaultDisk(), clock), new Side(reference, clock)] as const
    for (const side of sides) {
      await side.start()
      await side.life.broker.declareQueue('plain', { attemptsMax: 3, onDeath: { kind: 'hold' } })
      await side.sqs.call('CreateQueue', { QueueName: 'both.fifo', Attributes: { FifoQueue: 'true' } })
      await side.amqp.declare('wire')
    }
    let cuts = 0
    for (let serial = 1; serial <= 600; serial++) {
      const call = callOf(random, serial)
      const [embedded, plain] = [await call(sides[0]), await call(sides[1])]
      expect(embedded, `round ${round}, call ${serial}`).toEqual(plain)
      const dice = random.float()
      if (dice < 0.1) await clock.advance(Math.floor(random.float() * 4_000))
      if (dice < 0.98) continue
      // A reopen starts the terms of leases anew, so none may be under way.
      await clock.advance(LEASE_MS + 1)
      // That they ended is written, and synced with the next thing that asks for it.
      const value = Buffer.from(String(serial))
      for (const side of sides) {
        await side.life.broker.transact([{ kind: 'record', key: 'flush', value }])
        await side.die()
      }
      cuts++
    }
    expect(cuts).toBeGreaterThan(2)
    for (const side of sides) {
      expect(await side.amqp.consume('wire', 0)).toBe(true)
      await clock.advance(100)
    }
    expect(sides[0].heard.length).toBeGreaterThan(10)
    expect(sides[0].heard).toEqual(sides[1].heard)
    for (const side of sides) side.life.kill()
  }
}, 600_000)
