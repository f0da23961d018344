/**
 * The queues as SQS sees them: found by URL, with their attributes at hand. What is found is remembered for a second, and
 * forgotten at once when any front end of the store says that it changed; so a hot queue costs one look-up in a map.
 */
import type { Port } from '../../broker/port.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { AwsCall } from '../aws/call.ts'
import { missingParameter, queueDoesNotExist } from './errors.ts'
import { MESSAGE_BYTES_MAX } from './limits.ts'
import { type HomeRealm, isFifoName, parseQueueUrl, type QueueAddress, storeName } from './queue-address.ts'
import { type Attributes, defaultAttributes } from './queue-attributes.ts'
import { overlaid } from './queue-policy.ts'
import { decodeRecord, type QueueRecord, recordKey } from './queue-record.ts'

/** One queue, as it was a moment ago. */
export interface SqsQueue {
  /** Its name in the store. */
  readonly store: string
  readonly address: QueueAddress
  readonly isFifo: boolean
  /** In force, defaults included. */
  readonly attributes: Attributes
  readonly tags: Readonly<Record<string, string>>
  readonly createdAtMs: number
  readonly modifiedAtMs: number
  /** Of its record; 0: SQS has none, another protocol made the queue. */
  readonly version: number
  readonly policy: QueuePolicy
  /** What sending and receiving ask for at every call. */
  readonly messageBytesMax: number
  readonly waitMs: number
  readonly isContentDeduped: boolean
  readonly isDedupedPerGroup: boolean
  readonly isThroughputHigh: boolean
}

const FRESH_MS = 1_000
const REMEMBERED_MAX = 10_000
const CHANGES = 'spindle/sqs/queues'

export class QueueDirectory {
  readonly home: HomeRealm
  readonly #port: Port
  readonly #clock: Clock
  readonly #messageBytesMax: number
  readonly #queues = new Map<string, { readonly queue: SqsQueue; readonly untilMs: number }>()
  /** Where a URL led, by the realm of its request (nothing before the URL: the home realm). Found queues only. */
  readonly #urls = new Map<string, string>()

  constructor(parts: {
    readonly port: Port
    readonly clock: Clock
    readonly home: HomeRealm
    /** Default 1 MiB. */
    readonly messageBytesMax?: number
  }) {
    this.#messageBytesMax = parts.messageBytesMax ?? MESSAGE_BYTES_MAX
    this.#port = parts.port
    this.#clock = parts.clock
    this.home = parts.home
    parts.port.listen(CHANGES, (data) => this.#queues.delete(Buffer.from(data).toString('utf8')))
  }

  /** The queue that a call names by its `QueueUrl`, or by the path it was sent to. Throws `QueueDoesNotExist`, `MissingParameter`. */
  named(call: AwsCall): SqsQueue | Promise<SqsQueue> {
    const url = (call.params['QueueUrl'] as string | undefined) ?? (call.path === '/' ? undefined : call.path)
    if (url === undefined || url === '') throw missingParameter('QueueUrl')
    const { region, account } = call
    const isHome = region === this.home.region && account === this.home.account
    const memo = isHome ? url : `${region} ${account} ${url}`
    const store = this.#urls.get(memo)
    const known = store === undefined ? undefined : this.#queues.get(store)
    // What nearly every call finds; a promise for it would cost more than the look-up.
    if (known !== undefined && known.untilMs > this.#clock.monotonicMs()) return known.queue
    return this.#find(call, { url, memo, store })
  }

  async #find(call: AwsCall, named: { url: string; memo: string; store: string | undefined }): Promise<SqsQueue> {
    const known = named.store === undefined ? undefined : await this.get(named.store)
    if (known !== undefined) return known
    for (const address of this.#candidates(named.url, call)) {
      const queue = await this.at(address)
      if (queue === undefined) continue
      if (this.#urls.size >= REMEMBERED_MAX) this.#urls.clear()
      this.#urls.set(named.memo, queue.store)
      return queue
    }
    throw queueDoesNotExist()
  }

  /** Our own URLs name every region but the home one; so a URL without a region means that first, then the request's. */
  #candidates(url: string, { region, account }: AwsCall): QueueAddress[] {
    const { isRegionNamed, ...address } = parseQueueUrl(url, { region, account })
    if (isRegionNamed || region === this.home.region) return [address]
    return [{ ...address, region: this.home.region }, address]
  }

  at(address: QueueAddress): Promise<SqsQueue | undefined> {
    return this.get(storeName(address, this.home), address)
  }

  /** By its name in the store; undefined: there is none. */
  async get(store: string, address?: QueueAddress): Promise<SqsQueue | undefined> {
    const known = this.#queues.get(store)
    if (known !== undefined && known.untilMs > this.#clock.monotonicMs()) return known.queue
    return this.fresh(store, address ?? known?.queue.address)
  }

  /** As `get`, but as the store has it now. */
  async fresh(store: string, address: QueueAddress | undefined): Promise<SqsQueue | undefined> {
    const [record, measures] = await Promise.all([this.#port.read(recordKey(store)), this.#port.measure([store])])
    const measure = measures[0]
    this.#queues.delete(store)
    if (measure === undefined || address === undefined) return undefined
    const stored = record === undefined ? undefined : decodeRecord(record.value)
    const { policy } = measure
    const messageBytesMax = this.#messageBytesMax
    const version = record?.version ?? 0
    const queue = view({ store, address, policy, stored, version, home: this.home, messageBytesMax })
    if (this.#queues.size >= REMEMBERED_MAX) this.#queues.clear()
    this.#queues.set(store, { queue, untilMs: this.#clock.monotonicMs() + FRESH_MS })
    return queue
  }

  /** After a change by this front end: everybody looks again. */
  changed(store: string): void {
    this.#queues.delete(store)
    this.#port.announce(CHANGES, Buffer.from(store, 'utf8'))
  }
}

function view(found: {
  readonly store: string
  readonly address: QueueAddress
  readonly policy: QueuePolicy
  readonly stored: QueueRecord | undefined
  readonly version: number
  readonly home: HomeRealm
  readonly messageBytesMax: number
}): SqsQueue {
  const { store, address, policy, stored, version, home, messageBytesMax } = found
  const isFifo = isFifoName(address.name)
  const attributes = overlaid(stored?.attributes ?? defaultAttributes({ isFifo, messageBytesMax }), policy, home)
  return {
    store,
    address,
    isFifo,
    attributes,
    tags: stored?.tags ?? {},
    createdAtMs: stored?.createdAtMs ?? 0,
    modifiedAtMs: stored?.modifiedAtMs ?? 0,
    version,
    policy,
    messageBytesMax: Number(attributes['MaximumMessageSize'] ?? messageBytesMax),
    waitMs: Number(attributes['ReceiveMessageWaitTimeSeconds'] ?? 0) * 1_000,
    isContentDeduped: attributes['ContentBasedDeduplication'] === 'true',
    isDedupedPerGroup: attributes['DeduplicationScope'] === 'messageGroup',
    isThroughputHigh: attributes['FifoThroughputLimit'] === 'perMessageGroupId',
  }
}
