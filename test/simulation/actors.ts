/** Clients of every front end. Each is a loop that goes on over the lives of the broker until it is told to stop. */
import { z } from 'zod'
import { PortQueue } from '../../src/client/queue.ts'
import { SpindleError } from '../../src/model/errors.ts'
import type { Random } from '../../src/runtime/random.ts'
import { task } from '../../src/tasks/define.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { AmqpClient, type AmqpDelivery } from './amqp-client.ts'
import { AwsClient } from './aws-client.ts'
import type { Incarnation } from './incarnation.ts'
import type { Ledger } from './ledger.ts'

export interface Stage {
  readonly clock: VirtualClock
  readonly ledger: Ledger
  readonly random: Random
  /** The life that runs now, once one does; undefined: it is over. */
  life(): Promise<Incarnation | undefined>
  /** A turn of the event loop, in which a fault may come. */
  turn(): Promise<void>
  /** A moment of virtual time, or until the life ends. */
  pause(ms: number): Promise<void>
}

export type Actor = (stage: Stage, name: string) => Promise<void>

const LEASE_MS = 30_000
export const QUEUES = ['sim-embedded', 'sim-sqs', 'sim-sqs.fifo', 'sim-sns', 'sim-amqp'] as const

const below = (random: Random, limit: number): number => Math.floor(random.float() * limit)
const keyOf = (body: string): string => body.slice(0, body.indexOf('|'))

function bodyOf(random: Random, key: string): string {
  const dice = below(random, 100)
  return `${key}|`.padEnd(dice < 90 ? below(random, 300) : dice < 99 ? below(random, 9_000) : 70_000, key)
}

/** Sends and receives by the library's own queues, several at a time. */
export const embedded: Actor = async (stage, name) => {
  const { ledger, random, clock } = stage
  for (let life = await stage.life(); life !== undefined; life = await stage.life()) {
    const current = life
    const queue = new PortQueue<string>(current.broker, 'sim-embedded', clock)
    const alive = (): boolean => current.alive
    try {
      if (random.float() < 0.5 && !ledger.isFull('sim-embedded')) {
        const sends = Array.from({ length: 1 + below(random, 20) }, () => {
          const body = bodyOf(random, ledger.newKey('e'))
          return { body, fact: ledger.sending('sim-embedded', keyOf(body), body) }
        })
        const outcomes = await queue.sendMany(sends.map(({ body }) => ({ body })))
        if (alive()) for (const [at, { fact }] of sends.entries()) ledger.stored(fact, outcomes[at]?.kind === 'stored')
      } else {
        const askedMs = clock.monotonicMs()
        const waitMs = below(random, 3) * 1_000
        const messages = await queue.receive({ max: 1 + below(random, 20), waitMs, leaseMs: LEASE_MS })
        if (!alive()) continue
        ledger.delivered(
          messages.map(({ body }) => keyOf(body)),
          { by: name, askedMs, heardMs: clock.monotonicMs(), leaseMs: LEASE_MS },
        )
        if (random.float() < 0.05) await stage.pause(LEASE_MS + 5_000)
        const acks = messages.filter(() => random.float() < 0.9)
        const settled = acks.map(({ body }) => ledger.settling('sim-embedded', keyOf(body), 'ack'))
        const outcomes = await queue.ack(...acks)
        if (alive()) for (const [at, told] of settled.entries()) told(outcomes[at]?.kind === 'settled')
      }
    } catch (fault) {
      if (!(fault instanceof SpindleError)) throw fault
      await stage.pause(500)
    }
  }
}

/** A standard queue or a FIFO one over HTTP; one that a topic fills is only received from. */
export const sqs =
  (queue: 'sim-sqs' | 'sim-sqs.fifo' | 'sim-sns'): Actor =>
  async (stage, name) => {
    const { ledger, random, clock } = stage
    const fifo = queue.endsWith('.fifo')
    const QueueUrl = `http://sqs.us-east-1.localhost/000000000000/${queue}`
    let serial = 0
    for (let life = await stage.life(); life !== undefined; life = await stage.life()) {
      const client = new AwsClient(life)
      while (client.open && random.float() > 0.003) {
        if (queue !== 'sim-sns' && random.float() < 0.5 && !ledger.isFull(queue)) {
          const sends = Array.from({ length: 1 + below(random, 10) }, (_, index) => {
            const body = bodyOf(random, ledger.newKey(fifo ? 'f' : 's'))
            return { Id: String(index), MessageBody: body, fact: ledger.sending(queue, keyOf(body), body) }
          })
          // One group a client: its sends follow each other, so their order is known.
          const Entries = sends.map(({ Id, MessageBody }) => ({
            Id,
            MessageBody,
            ...(fifo ? { MessageGroupId: name, MessageDeduplicationId: `${name}-${++serial}` } : {}),
          }))
          const answer = await client.call('SendMessageBatch', { QueueUrl, Entries })
          if (answer.kind === 'lost') break
          const ok = new Set(((answer.value['Successful'] ?? []) as { Id: string }[]).map(({ Id }) => Id))
          for (const { Id, fact } of sends) {
            // An error is no promise that it was not stored.
            if (ok.has(Id)) ledger.stored(fact, true)
            if (ok.has(Id) && fifo) ledger.grouped(name, fact.key)
          }
          if (answer.status !== 200) await stage.pause(500)
          continue
        }
        const askedMs = clock.monotonicMs()
        const WaitTimeSeconds = below(random, 3)
        const answer = await client.call('ReceiveMessage', {
          QueueUrl,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds,
          VisibilityTimeout: LEASE_MS / 1_000,
        })
        if (answer.kind === 'lost') break
        const messages = (answer.value['Messages'] ?? []) as { Body: string; ReceiptHandle: string }[]
        ledger.delivered(
          messages.map(({ Body }) => keyOf(Body)),
          { by: name, askedMs, heardMs: clock.monotonicMs(), leaseMs: LEASE_MS },
        )
        const late = random.float() < 0.03
        if (late) await stage.pause(LEASE_MS + 5_000)
        const deletes = messages.filter(() => random.float() < 0.9)
        if (deletes.length === 0) continue
        const told = deletes.map(({ Body }) => ledger.settling(queue, keyOf(Body), 'ack'))
        const Entries = deletes.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }))
        const deleted = await client.call('DeleteMessageBatch', { QueueUrl, Entries })
        if (deleted.kind === 'lost') break
        // SQS says yes to a late delete that changed nothing.
        if (!late)
          for (const { Id } of (deleted.value['Successful'] ?? []) as { Id: string }[]) told[Number(Id)]?.(true)
      }
      client.drop()
      await stage.pause(below(random, 1_000))
    }
  }

/** Publishes to a topic with one subscription, the raw messages into a queue. */
export const snsPublisher: Actor = async (stage) => {
  const { ledger, random } = stage
  for (let life = await stage.life(); life !== undefined; life = await stage.life()) {
    const client = new AwsClient(life)
    while (client.open && random.float() > 0.005) {
      if (ledger.isFull('sim-sns')) {
        await stage.pause(200)
        continue
      }
      const sends = Array.from({ length: 1 + below(random, 10) }, () => {
        const body = bodyOf(random, ledger.newKey('n'))
        return { body, fact: ledger.sending('sim-sns', keyOf(body), body) }
      })
      const published = await client.publish(
        'sim-sns',
        sends.map(({ body }) => body),
      )
      if (published === 'lost') break
      for (const at of published) {
        const send = sends[at]
        if (send !== undefined) ledger.stored(send.fact, true)
      }
      if (published.length === 0) await stage.pause(500)
    }
    client.drop()
    await stage.pause(below(random, 1_000))
  }
}

/** Publishes with confirms. */
export const amqpPublisher: Actor = async (stage) => {
  const { ledger, random } = stage
  for (let life = await stage.life(); life !== undefined; life = await stage.life()) {
    const client = await AmqpClient.connect(life)
    if (client === undefined || !(await client.declare('sim-amqp'))) {
      await stage.pause(500)
      continue
    }
    const facts = new Map<number, ReturnType<Ledger['sending']>>()
    let wake = (): void => {}
    client.onConfirm = (number, ok) => {
      const fact = facts.get(number)
      if (fact !== undefined && ok) ledger.stored(fact, true)
      facts.delete(number)
      if (facts.size === 0) wake()
    }
    client.onClosed = () => wake()
    while (client.open && random.float() > 0.005) {
      await stage.turn()
      if (ledger.isFull('sim-amqp')) {
        await stage.pause(50)
        continue
      }
      const bodies = Array.from({ length: 1 + below(random, 30) }, () => bodyOf(random, ledger.newKey('a')))
      for (const body of bodies) {
        const fact = ledger.sending('sim-amqp', keyOf(body), body)
        facts.set(client.publish('sim-amqp', body), fact)
      }
      await new Promise<void>((resolve) => {
        wake = resolve
        if (!client.open) resolve()
      })
    }
    client.drop()
    await stage.pause(below(random, 1_000))
  }
}

export const amqpConsumer: Actor = async (stage, name) => {
  const { ledger, random, clock } = stage
  let connections = 0
  for (let life = await stage.life(); life !== undefined; life = await stage.life()) {
    const current = life
    const client = await AmqpClient.connect(current)
    const by = `${name} ${++connections}`
    const closed = new Promise<void>((resolve) => {
      if (client === undefined || !client.open) resolve()
      else client.onClosed = resolve
    })
    if (client === undefined || !(await client.declare('sim-amqp'))) {
      await stage.pause(500)
      continue
    }
    const got = ({ tag, body }: AmqpDelivery): void => {
      const now = clock.monotonicMs()
      ledger.delivered([keyOf(body)], { by, askedMs: now, heardMs: now, leaseMs: Number.POSITIVE_INFINITY })
      const dice = random.float()
      if (dice > 0.9) return
      // An ack has no answer: whether it was carried out shows later. It asks for more, so some of them must not be sent at once.
      ledger.settling('sim-amqp', keyOf(body), dice < 0.85 ? 'ack' : 'release')
      if (dice < 0.85) client.ack(tag)
      else client.reject(tag)
    }
    client.onDelivery = (delivery) => current.alive && got(delivery)
    await client.consume('sim-amqp', 1 + below(random, 50))
    await Promise.race([closed, stage.pause(1_000 + below(random, 20_000))])
    ledger.letGo(by)
    client.drop()
  }
}

/** Tasks that fail now and then; the end of each is known by its job. */
export class TaskActors {
  /** Ids of jobs whose enqueueing was acknowledged -> input. */
  readonly enqueued = new Map<string, number>()
  readonly ran = new Map<number, number>()
  /** Inputs whose enqueueing was tried. */
  tried = 0
  #random: Random | undefined
  readonly task = task('sim.task', {
    input: z.number(),
    retry: { attempts: 50, backoff: () => 1_000 },
    run: async (input) => {
      this.ran.set(input, (this.ran.get(input) ?? 0) + 1)
      if ((this.#random?.float() ?? 1) < 0.1) throw new Error('it failed this time')
      return input
    },
  })

  readonly enqueuer: Actor = async (stage) => {
    const { random, ledger } = stage
    for (let life = await stage.life(); life !== undefined; life = await stage.life()) {
      const current = life
      try {
        const input = ++this.tried
        ledger.operations++
        const job = await current.tasks.enqueue(this.task, input)
        if (current.alive) this.enqueued.set(job.id, input)
        if (random.float() < 0.2) await stage.pause(below(random, 500))
      } catch (fault) {
        if (!(fault instanceof SpindleError)) throw fault
        await stage.pause(500)
      }
    }
  }

  /** Ends with each life. */
  readonly worker: Actor = async (stage) => {
    this.#random = stage.random
    for (let life = await stage.life(); life !== undefined; life = await stage.life()) {
      const current = life
      try {
        const ended = (): void => void stage.ledger.operations++
        const worker = await current.tasks.work([this.task], { concurrency: 5, ended })
        worker.stopped.catch(() => {})
        while (current.alive) await stage.pause(1_000)
      } catch (fault) {
        if (!(fault instanceof SpindleError)) throw fault
        await stage.pause(500)
      }
    }
  }
}
