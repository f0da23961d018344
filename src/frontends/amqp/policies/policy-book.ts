/**
 * The policies of a store: records `spindle/amqp/policy/VHOST/NAME` (both percent-encoded), answered from memory. A change is durable and
 * applied to every queue and exchange there is before the call resolves; those declared later ask here. Only what AMQP declared is
 * governed: the rules of queues that other protocols made are theirs.
 */
import type { Port, StoredRecord } from '../../../broker/port.ts'
import { isFault, SpindleError } from '../../../model/errors.ts'
import { textOf } from '../../../wire/amqp/field-table.ts'
import { allQueues, encodeQueue, exchangeDefinition, queueKey, readQueue } from '../definitions.ts'
import { storeName, wireName } from '../names.ts'
import { lifetimeOf, type QueueDefinition, queuePolicy } from '../queue-arguments.ts'
import { compileNamePattern, type NamePattern } from './name-pattern.ts'
import { alternateUnder, appliesTo, type Policy, underPolicy } from './policy.ts'

const PREFIX = 'spindle/amqp/policy/'
const CHANNEL = 'spindle/amqp/policy'
const PAGE = 1_000
const POLICIES_MAX = 10_000
/** Queues that are changed at one time: they share their syncs. */
const BATCH = 256

interface Known {
  readonly policy: Policy
  readonly fits: NamePattern
}

export class PolicyBook {
  readonly #port: Port
  #known: readonly Known[] = []
  #loaded: Promise<void> | undefined
  readonly #unlisten: () => void
  /** Grows with each change, so that a declaration can tell that it met one. */
  version = 0

  constructor(port: Port) {
    this.#port = port
    this.#unlisten = port.listen(CHANNEL, () => {
      this.#loaded = undefined
      this.version++
    })
  }

  close(): void {
    this.#unlisten()
  }

  /** Highest priority first. */
  async list(vhost?: string): Promise<Policy[]> {
    await this.#load()
    const all = this.#known.map(({ policy }) => policy)
    return vhost === undefined ? all : all.filter((policy) => policy.vhost === vhost)
  }

  async forQueue(stored: string, definition: QueueDefinition): Promise<Policy | undefined> {
    await this.#load()
    return this.#find(stored, textOf(definition.arguments.get('x-queue-type')) === 'quorum' ? 'quorum' : 'classic')
  }

  async forExchange(stored: string): Promise<Policy | undefined> {
    await this.#load()
    return this.#find(stored, 'exchange')
  }

  /** Throws `invalid-argument` for its pattern. */
  async put(policy: Policy): Promise<void> {
    compileNamePattern(policy.pattern)
    await this.#load()
    if (this.#known.length >= POLICIES_MAX)
      throw new SpindleError('invalid-argument', `there are ${POLICIES_MAX} policies already`)
    await this.#write(policy, Buffer.from(JSON.stringify(policy)))
  }

  /** false: there was none. */
  async remove(place: { readonly vhost: string; readonly name: string }): Promise<boolean> {
    if ((await this.#port.read(keyOf(place))) === undefined) return false
    await this.#write(place, null)
    return true
  }

  async #write(place: { readonly vhost: string; readonly name: string }, value: Uint8Array | null): Promise<void> {
    await this.#port.transact([{ kind: 'record', key: keyOf(place), value }])
    this.#loaded = undefined
    this.version++
    this.#port.announce(CHANNEL, new Uint8Array(0))
    await this.#applyToQueues(place.vhost)
    await this.#applyToExchanges(place.vhost)
  }

  /** Gives one queue the rules that it has under the policies of now. It is left alone if it is not there, or changes meanwhile. */
  async apply(stored: string): Promise<void> {
    const definition = await readQueue(this.#port, stored)
    const record = await this.#port.read(queueKey(stored))
    if (definition === undefined || record === undefined) return
    if ((await this.#port.measure([stored])).length === 0) return
    const ruled = underPolicy(definition, await this.forQueue(stored, definition))
    // The record must be as it was read: a queue that is deleted meanwhile must not come back by this.
    const records = [{ key: record.key, value: encodeQueue(definition), expect: record.version }]
    try {
      const { vhost } = wireName(stored)
      await this.#port.declareQueue(stored, queuePolicy(vhost, ruled), { lifetime: lifetimeOf(ruled), records })
    } catch (fault) {
      if (!isFault(fault, 'aborted')) throw fault
    }
  }

  async #applyToQueues(vhost: string): Promise<void> {
    let batch: Promise<void>[] = []
    for await (const { queue } of allQueues(this.#port)) {
      if (wireName(queue).vhost !== vhost) continue
      batch.push(this.apply(queue))
      if (batch.length < BATCH) continue
      await Promise.all(batch)
      batch = []
    }
    await Promise.all(batch)
  }

  async #applyToExchanges(vhost: string): Promise<void> {
    for (const { exchange, settings } of await this.#port.listExchanges()) {
      if (wireName(exchange).vhost !== vhost || settings.attributes['amqp'] === undefined) continue
      const { arguments: args, kind } = exchangeDefinition(settings)
      const wanted = alternateUnder(args, await this.forExchange(exchange))
      const alternate = wanted === undefined ? null : storeName(vhost, wanted)
      if (alternate !== settings.alternate) await this.#port.declareExchange(exchange, { kind, alternate })
    }
  }

  #find(stored: string, kind: 'classic' | 'quorum' | 'exchange'): Policy | undefined {
    const { vhost, name } = wireName(stored)
    return this.#known.find(({ policy, fits }) => policy.vhost === vhost && appliesTo(policy, kind) && fits(name))
      ?.policy
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#read()
    return this.#loaded
  }

  async #read(): Promise<void> {
    const found: Known[] = []
    let after: string | undefined
    for (;;) {
      const page = await this.#port.scan(PREFIX, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const record of page) found.push(decoded(record))
      after = page.at(-1)?.key
      if (page.length < PAGE) break
    }
    this.#known = found.sort(
      (a, b) => b.policy.priority - a.policy.priority || (a.policy.name < b.policy.name ? -1 : 1),
    )
  }
}

function keyOf({ vhost, name }: { readonly vhost: string; readonly name: string }): string {
  return `${PREFIX}${encodeURIComponent(vhost)}/${encodeURIComponent(name)}`
}

function decoded({ key, value }: StoredRecord): Known {
  try {
    const policy = JSON.parse(Buffer.from(value).toString('utf8')) as Policy
    return { policy, fits: compileNamePattern(policy.pattern) }
  } catch (cause) {
    throw new SpindleError('corrupt', `read the policy ${key}`, { cause })
  }
}
