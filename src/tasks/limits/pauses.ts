/**
 * What is paused. A queue is paused by its policy: the engine hands out nothing. A task type or a key within a queue is
 * known to the workers instead: what they are handed of it goes back, unspent, for HOLD_MS at a time.
 */
import type { Port } from '../../client/port.ts'
import { SpindleError } from '../../model/errors.ts'
import { validateName } from '../../model/validate.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { breakerKey, decodeBreaker } from './breaker-record.ts'
import type { PauseTarget } from './types.ts'

/** How long what is held goes back for, ms: a resume is felt within this. */
export const HOLD_MS = 5_000
const PREFIX = 'spindle/pause/'
const CHANNEL = 'task-pause'
/** For announcements that were not heard, ms. */
const BEAT_MS = 10_000
const PAGE = 1_000
const NOTHING = new Uint8Array(0)

/** Idempotent; false: it was so already. Rejects `no-such-queue`. */
export async function setPaused(port: Port, target: PauseTarget, paused: boolean): Promise<boolean> {
  const key = pauseKey(target)
  const stored = await port.read(key)
  if ((stored !== undefined) === paused) return false
  const record = { key, value: paused ? Buffer.from(JSON.stringify(target)) : null }
  if (target.queue !== undefined && target.key === undefined) {
    const { queue } = target
    if ((await port.measure([queue])).length === 0) throw new SpindleError('no-such-queue', `pause queue '${queue}'`)
    // What an open breaker holds up stays so.
    const breaker = await port.read(breakerKey(queue))
    const open = breaker !== undefined && decodeBreaker(breaker.value)?.state === 'open'
    await port.declareQueue(queue, { paused: paused || open }, { records: [record] })
  } else {
    await port.transact([{ kind: 'record', ...record }])
    port.announce(CHANNEL, NOTHING)
  }
  return true
}

export async function isQueuePaused(port: Port, queue: string): Promise<boolean> {
  return (await port.read(pauseKey({ queue }))) !== undefined
}

export async function listPauses(port: Port): Promise<PauseTarget[]> {
  const targets: PauseTarget[] = []
  let after: string | undefined
  for (;;) {
    const records = await port.scan(PREFIX, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    for (const { value } of records) targets.push(JSON.parse(Buffer.from(value).toString('utf8')) as PauseTarget)
    after = records.at(-1)?.key
    if (records.length < PAGE) return targets
  }
}

function pauseKey({ queue, key, task }: PauseTarget): string {
  if (task !== undefined) {
    validateName('task', task)
    return `${PREFIX}task/${task}`
  }
  validateName('queue', queue)
  if (key === undefined) return `${PREFIX}queue/${queue}`
  validateName('group', key)
  return `${PREFIX}key/${JSON.stringify([queue, key])}`
}

/** The pauses that a worker must keep by itself. */
export class Pauses {
  readonly #port: Port
  readonly #clock: Clock
  readonly #log: Log
  readonly #unlisten: () => void
  #held: ReadonlySet<string> = new Set()
  #timer: Timer | undefined
  #stopped = false

  constructor(parts: { readonly port: Port; readonly clock: Clock; readonly log: Log }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#log = parts.log
    const look = (): void => void this.#load()
    this.#unlisten = parts.port.listen(CHANNEL, look, look)
  }

  /** Resolves once it knows what is paused. */
  async start(): Promise<void> {
    await this.#load()
    this.#beat()
  }

  stop(): void {
    this.#stopped = true
    this.#unlisten()
    this.#timer?.cancel()
  }

  holds(task: string, queue: string, group: string | undefined): boolean {
    if (this.#held.size === 0) return false
    return (
      this.#held.has(pauseKey({ task })) || (group !== undefined && this.#held.has(pauseKey({ queue, key: group })))
    )
  }

  #beat(): void {
    if (this.#stopped) return
    this.#timer = this.#clock.setTimer(BEAT_MS, () => {
      void this.#load()
      this.#beat()
    })
  }

  async #load(): Promise<void> {
    try {
      const targets = await listPauses(this.#port)
      this.#held = new Set(targets.map(pauseKey))
    } catch (fault) {
      if (!this.#stopped) this.#log.warn('what is paused could not be read and is tried again', { fault })
    }
  }
}
