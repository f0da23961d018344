/**
 * Writes what an examination found into an empty disk, as a journal of its own: ids, order, counts, histories, results, records and dedup
 * windows stay what they were; leases are over. Strays go to a queue of their own, so that nothing uncertain mixes with the rest.
 */

import type { Content } from '../../../model/message.ts'
import { storeTag, TAG_BYTES } from '../../../model/message-id.ts'
import { defaultPolicy } from '../../../model/policy.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Disk } from '../../../runtime/disk.ts'
import { silentLog } from '../../../runtime/log.ts'
import type { Random } from '../../../runtime/random.ts'
import { FORMAT_VERSION } from '../codec.ts'
import { MessageIndex } from '../index/message-index.ts'
import { Journal } from '../journal/journal.ts'
import { Ledger } from '../ledger.ts'
import type { Scribe } from '../scribe.ts'
import type { Examination } from './examine.ts'
import type { Remains } from './remains.ts'

/** Where whole messages go whose own record is damaged, or whose queue is unknown. */
export const STRAYS_QUEUE = 'salvage.strays'
/** Ids that may have been given in a lost end of the journal are not given again. */
const NUMBERS_SKIPPED = 1_000_000
/** As many deliveries as are written down one by one; more count as this many. */
const DELIVERIES_TOLD_MAX = 1_000
/** What the effects of one message take besides content, strings and history. */
const EFFECTS_BYTES = 512 + 40 * DELIVERIES_TOLD_MAX
const SYNC_EVERY_BYTES = 16 * 1_048_576
const NOTHING: Content = { head: new Uint8Array(0), body: new Uint8Array(0) }

export interface Salvaged {
  readonly messages: number
  readonly strays: number
  readonly records: number
  readonly queues: number
}

export interface SalvageParts {
  readonly examination: Examination
  readonly target: Disk
  readonly clock: Clock
  readonly random: Random
}

/** Durable when it resolves. Rejects `disk-full`, and with what the target's file system says. */
export async function salvage({ examination, target, clock, random }: SalvageParts): Promise<Salvaged> {
  const journal = await Journal.open({ disk: target, clock, log: silentLog, random, formatVersion: FORMAT_VERSION })
  try {
    await journal.recover(undefined, () => {})
    const writer = new SalvageWriter(journal, examination)
    return await writer.write(storeTag(random.bytes(TAG_BYTES)))
  } finally {
    await journal.close()
  }
}

class SalvageWriter {
  readonly #journal: Journal
  readonly #ledger: Ledger
  readonly #examination: Examination
  #unsyncedBytes = 0

  constructor(journal: Journal, examination: Examination) {
    this.#journal = journal
    this.#ledger = new Ledger({ journal, index: new MessageIndex() })
    this.#examination = examination
  }

  async write(newTag: string): Promise<Salvaged> {
    const { account, strays } = this.#examination
    let next = account.next + (account.gaps > 0 ? NUMBERS_SKIPPED : 0)
    const identity = { tag: account.tag ?? newTag }
    await this.#record(0, (scribe) => scribe.open(account.epoch, next + strays.length, identity))
    let strayQueue = 0
    for (const { id, rules } of account.queues.values()) {
      strayQueue = Math.max(strayQueue, id + 1)
      await this.#record(JSON.stringify(rules).length * 3, (scribe) => scribe.putQueue(id, rules))
    }
    await this.#goneKeys()
    let messages = 0
    for (const message of [...account.messages.values()].sort((a, b) => a.number - b.number))
      if (await this.#message(message)) messages++
    if (strays.length > 0) {
      const rules = {
        name: STRAYS_QUEUE,
        policy: { ...defaultPolicy, attemptsMax: null },
        lifetime: { kind: 'durable' as const },
      }
      await this.#record(4_096, (scribe) => scribe.putQueue(strayQueue, rules))
      for (const { content } of strays) await this.#stray(strayQueue, next++, content)
    }
    for (const [key, { value, version }] of account.records)
      await this.#record(key.length * 3 + value.length, (scribe) => scribe.record(key, version, value))
    await this.#journal.sync()
    const queues = account.queues.size + (strays.length > 0 ? 1 : 0)
    return { messages, strays: strays.length, records: account.records.size, queues }
  }

  /** Dedup keys whose message is gone: it comes and goes again, so that the key holds for the rest of its window. */
  async #goneKeys(): Promise<void> {
    const { account } = this.#examination
    for (const { queue, key, number, until } of account.dedups.values()) {
      const policy = account.queues.get(queue)?.rules.policy.dedup
      if (policy?.kind !== 'window' || account.messages.has(number)) continue
      const enqueuedAt = until - policy.windowMs
      const fields = {
        queue,
        number,
        sequence: number,
        priority: 0,
        enqueuedAt,
        due: 0,
        expires: 0,
        group: undefined,
        dedup: key,
        history: [],
      }
      await this.#record(key.length * 3, (scribe) => {
        scribe.append(fields, NOTHING, -1)
        scribe.remove(number)
      })
    }
  }

  /** false: its content is lost. */
  async #message(message: Remains): Promise<boolean> {
    const { contents } = this.#examination
    const content = contents.read(message.content)
    if (content === undefined) return false
    const note = message.note === undefined ? undefined : contents.read(message.note)?.body
    const kept = message.kept === undefined ? undefined : contents.read(message.kept)?.body
    const history = JSON.stringify(message.history)
    const names = (message.group?.length ?? 0) + (message.dedup?.length ?? 0) + history.length * 2
    const blobs = content.head.length + content.body.length + (note?.length ?? 0) + (kept?.length ?? 0)
    await this.#record(names * 3 + blobs, (scribe) => {
      scribe.append(message, content, -1)
      const { number } = message
      const deliveries = Math.min(message.deliveries, DELIVERIES_TOLD_MAX)
      for (let told = 0; told < deliveries; told++) scribe.lease(number, 0, message.firstLeasedAt, 0, '')
      const isDead = message.state === 'dead' || message.fromDead
      if (message.state === 'done') scribe.keep(number, message.endedAt, message.until, kept ?? new Uint8Array(0))
      else if (deliveries + message.attempts > 0 || note !== undefined)
        scribe.return(number, message.attempts, 2, message.due, note)
      if (isDead) scribe.die(number, message.endedAt, message.until, message.history, undefined)
    })
    return true
  }

  async #stray(
    queue: number,
    number: number,
    place: { segment: number; offset: number; length: number },
  ): Promise<void> {
    const content = this.#examination.contents.read(place)
    if (content === undefined) return
    const now = {
      queue,
      number,
      sequence: number,
      priority: 0,
      enqueuedAt: 0,
      due: 0,
      expires: 0,
      group: undefined,
      dedup: undefined,
      history: [],
    }
    await this.#record(content.head.length + content.body.length, (scribe) => scribe.append(now, content, -1))
  }

  async #record(bytes: number, write: (scribe: Scribe) => void): Promise<void> {
    const atMost = bytes + EFFECTS_BYTES
    const journal = this.#journal
    if (!journal.hasRoom(atMost)) await journal.makeRoom(atMost)
    write(this.#ledger.scribe)
    this.#ledger.seal('relaxed', 'append')
    this.#unsyncedBytes += atMost
    if (this.#unsyncedBytes < SYNC_EVERY_BYTES) return
    this.#unsyncedBytes = 0
    await journal.sync()
  }
}
