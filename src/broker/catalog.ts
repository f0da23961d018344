/**
 * What the broker knows by name: queues with their policies (the engine keeps them), topics with their
 * bindings (records under `spindle/topic/`). Reads are answered from memory; every change is committed first.
 */
import type { Engine, Op } from '../engine/engine.ts'
import { SpindleError } from '../model/errors.ts'
import { defaultPolicy, type QueuePolicy } from '../model/policy.ts'
import { validateName, validatePolicy } from '../model/validate.ts'
import { FAILED_TOPIC, type TopicView } from './port.ts'

const TOPIC_PREFIX = 'spindle/topic/'
const PAGE = 1_000

export class Catalog {
  readonly #engine: Engine
  readonly #policies = new Map<string, QueuePolicy>()
  readonly #topics = new Map<string, readonly string[]>()
  /** Changes run one after the other: each reads what the one before left. */
  #lastChange: Promise<unknown> = Promise.resolve()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async load(): Promise<void> {
    for (const { queue, policy } of await this.#engine.measure()) this.#policies.set(queue, policy)
    let after: string | undefined
    for (;;) {
      const page = await this.#engine.scan(TOPIC_PREFIX, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const { key, value } of page) this.#topics.set(key.slice(TOPIC_PREFIX.length), decodeBindings(value))
      after = page.at(-1)?.key
      if (page.length < PAGE) return
    }
  }

  policy(queue: string): QueuePolicy | undefined {
    return this.#policies.get(queue)
  }

  /** Queues bound to `topic` in order of binding; undefined when the topic does not exist. */
  bound(topic: string): readonly string[] | undefined {
    return this.#topics.get(topic)
  }

  topics(): TopicView[] {
    return [...this.#topics].map(([topic, queues]) => ({ topic, queues }))
  }

  declareQueue(queue: string, fields: Partial<QueuePolicy>): Promise<QueuePolicy> {
    return this.#change(async () => {
      validateName('queue', queue)
      const policy = this.#withFailedEvents(
        queue,
        validatePolicy({ ...(this.#policies.get(queue) ?? defaultPolicy), ...fields }),
      )
      const known = this.#policies.get(queue)
      if (known === undefined || JSON.stringify(known) !== JSON.stringify(policy)) {
        await this.#engine.commit([{ ops: [{ kind: 'putQueue', queue, policy }] }])
        this.#policies.set(queue, policy)
      }
      return policy
    })
  }

  /** The queue goes with its messages and bindings, in one unit. */
  deleteQueue(queue: string): Promise<boolean> {
    return this.#change(async () => {
      if (!this.#policies.has(queue)) return false
      const topics = [...this.#topics].filter(([, queues]) => queues.includes(queue))
      const kept = topics.map(([topic, queues]) => [topic, queues.filter((name) => name !== queue)] as const)
      const failedTo = kept.find(([topic]) => topic === FAILED_TOPIC)?.[1]
      const ops: Op[] = [{ kind: 'dropQueue', queue }, ...kept.map(([topic, queues]) => bindingsOp(topic, queues))]
      const policies = failedTo === undefined ? [] : this.#policiesWithFailedEvents(failedTo, queue)
      await this.#engine.commit([{ ops: [...ops, ...policies.map(putQueueOp)] }])
      this.#policies.delete(queue)
      for (const [topic, queues] of kept) this.#topics.set(topic, queues)
      for (const [name, policy] of policies) this.#policies.set(name, policy)
      return true
    })
  }

  declareTopic(topic: string): Promise<void> {
    return this.#change(async () => {
      validateName('topic', topic)
      if (!this.#topics.has(topic)) await this.#store(topic, [])
    })
  }

  deleteTopic(topic: string): Promise<boolean> {
    return this.#change(async () => {
      if (!this.#topics.has(topic)) return false
      await this.#store(topic, null)
      return true
    })
  }

  bind(topic: string, queue: string): Promise<void> {
    return this.#change(async () => {
      validateName('topic', topic)
      if (!this.#policies.has(queue)) throw new SpindleError('no-such-queue', `bind '${queue}' to topic '${topic}'`)
      const queues = this.#topics.get(topic) ?? []
      if (!queues.includes(queue)) await this.#store(topic, [...queues, queue])
    })
  }

  unbind(topic: string, queue: string): Promise<void> {
    return this.#change(async () => {
      const queues = this.#topics.get(topic)
      if (queues?.includes(queue) === true) {
        await this.#store(
          topic,
          queues.filter((name) => name !== queue),
        )
      }
    })
  }

  /** `null` removes the topic. The failed topic's bindings stand in every queue's policy, and change in the same unit. */
  async #store(topic: string, queues: readonly string[] | null): Promise<void> {
    const policies = topic === FAILED_TOPIC ? this.#policiesWithFailedEvents(queues ?? []) : []
    await this.#engine.commit([{ ops: [bindingsOp(topic, queues), ...policies.map(putQueueOp)] }])
    if (queues === null) this.#topics.delete(topic)
    else this.#topics.set(topic, queues)
    for (const [queue, policy] of policies) this.#policies.set(queue, policy)
  }

  #policiesWithFailedEvents(failedTo: readonly string[], except?: string): (readonly [string, QueuePolicy])[] {
    return [...this.#policies]
      .filter(([queue]) => queue !== except)
      .map(([queue, policy]) => [queue, this.#withFailedEvents(queue, policy, failedTo)] as const)
  }

  /** A queue that receives failed events reports none of its own: its failures would feed themselves. */
  #withFailedEvents(queue: string, policy: QueuePolicy, failedTo = this.#topics.get(FAILED_TOPIC) ?? []): QueuePolicy {
    return { ...policy, failedEventsTo: failedTo.includes(queue) ? [] : failedTo }
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change)
    this.#lastChange = done.catch(() => undefined)
    return done
  }
}

function putQueueOp([queue, policy]: readonly [string, QueuePolicy]): Op {
  return { kind: 'putQueue', queue, policy }
}

function bindingsOp(topic: string, queues: readonly string[] | null): Op {
  return { kind: 'record', key: TOPIC_PREFIX + topic, value: queues === null ? null : encodeBindings(queues) }
}

function encodeBindings(queues: readonly string[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ queues }))
}

function decodeBindings(value: Uint8Array): readonly string[] {
  const parsed: unknown = JSON.parse(new TextDecoder().decode(value))
  if (typeof parsed === 'object' && parsed !== null && 'queues' in parsed && Array.isArray(parsed.queues)) {
    return parsed.queues.map(String)
  }
  throw new SpindleError('corrupt', 'read the bindings of a topic')
}
