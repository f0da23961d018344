/** An embedded engine on a disk in memory, and the few verbs that these tests need. */
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import type { EmbeddedOptions } from '../../src/engine/embedded/opening.ts'
import type { Delivery, MessageView, Op, Outcome } from '../../src/engine/engine.ts'
import type { MessageId, NewMessage } from '../../src/model/message.ts'
import { defaultPolicy, type QueuePolicy } from '../../src/model/policy.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

export const STATES = ['delayed', 'ready', 'leased', 'done', 'dead'] as const
const NO_HEAD = new Uint8Array(0)
const TURNS_MAX = 200_000

export class Rig {
  readonly clock = new VirtualClock({ monotonicMs: 1_000_000 })
  disk = new FaultDisk()
  engine: EmbeddedEngine
  readonly #options: EmbeddedOptions

  private constructor(options: EmbeddedOptions) {
    this.#options = options
    this.engine = this.#make()
  }

  static async open(options: EmbeddedOptions = {}): Promise<Rig> {
    const rig = new Rig({ segmentBytes: 65_536, cacheBytes: 262_144, ...options })
    await rig.engine.open()
    return rig
  }

  /** Opens what a kill of the process leaves; the engine before is abandoned. */
  async crash(): Promise<void> {
    this.disk = this.disk.crash()
    this.engine = this.#make()
    await this.engine.open()
  }

  /** Opens what a power cut leaves, in the worst case. */
  async cut(): Promise<void> {
    this.disk = this.disk.powerCut({ mode: 'lost' })
    this.engine = this.#make()
    await this.engine.open()
  }

  async reopen(): Promise<void> {
    await this.engine.close()
    this.engine = this.#make()
    await this.engine.open()
  }

  async unit(...ops: readonly Op[]): Promise<Outcome[]> {
    return (await this.engine.commit([{ ops }]))[0] ?? []
  }

  async declare(queue: string, policy: Partial<QueuePolicy> = {}): Promise<void> {
    await this.unit({ kind: 'putQueue', queue, policy: { ...defaultPolicy, ...policy } })
  }

  async send(queue: string, body: Uint8Array, extras: Omit<NewMessage, 'content'> = {}): Promise<MessageId> {
    const [outcome] = await this.unit({
      kind: 'append',
      queue,
      message: { content: { body, head: NO_HEAD }, ...extras },
    })
    if (outcome?.kind !== 'stored') throw new Error(`not stored: ${outcome?.kind}`)
    return outcome.id
  }

  take(queue: string, max = 1): Promise<Delivery[]> {
    return this.engine.lease({ queue, max, lease: { kind: 'clock' } })
  }

  async ack(deliveries: readonly Delivery[]): Promise<void> {
    await this.engine.commit(
      deliveries.map(({ receipt }) => ({ ops: [{ kind: 'settle', receipt, how: { kind: 'ack' } }] })),
    )
  }

  /** Every message of the queue, as callers see it; instants of leases left out, since a reopen starts them over. */
  async everything(queue: string): Promise<MessageView[]> {
    const all: MessageView[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await this.engine.browse({
        queue,
        states: STATES,
        limit: 1_000,
        ...(cursor === undefined ? undefined : { cursor }),
      })
      all.push(...page.messages.map((view) => (view.state === 'leased' ? { ...view, dueAtMs: undefined } : view)))
      cursor = page.cursor
      if (cursor === undefined) return all
    }
  }

  checkpoints(): Promise<string[]> {
    return this.disk.list('checkpoint').then((names) => names.filter((name) => name.endsWith('.ckpt')))
  }

  segments(): Promise<string[]> {
    return this.disk.list('journal').then((names) => names.filter((name) => name.endsWith('.seg')))
  }

  #make(): EmbeddedEngine {
    return new EmbeddedEngine({
      disk: this.disk,
      clock: this.clock,
      random: seededRandom(1),
      options: this.#options,
    })
  }
}

/** Lets the event loop turn until `holds`; a condition that never comes is an error, not a wait. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    if (await holds()) return
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  throw new Error('what the test waits for did not come')
}

export function bytes(size: number, seed: number): Uint8Array {
  const random = seededRandom(seed)
  return Uint8Array.from({ length: size }, () => Math.floor(random.float() * 256))
}
