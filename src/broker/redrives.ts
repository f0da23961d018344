/** All redrives of the store: started, taken up again after a restart, listed, cancelled. One runs a source. */
import type { Engine } from '../engine/engine.ts'
import { SpindleError } from '../model/errors.ts'
import type { MessageId, NewMessage } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Catalog } from './catalog.ts'
import type { RedriveRequest, RedriveView } from './redrive.ts'
import { redriveOp, removalOp, storedRedrives } from './redrive-records.ts'
import { Redriver } from './redriver.ts'

const RATE_MIN = 0.1
const RATE_MAX = 100_000
/** Redrives that ended, remembered for each source. */
const ENDED_MAX = 10

interface Running {
  readonly redriver: Redriver
  readonly done: Promise<void>
}

export class Redrives {
  readonly #engine: Engine
  readonly #catalog: Catalog
  readonly #clock: Clock
  readonly #log: Log
  readonly #changed: (view: RedriveView) => void
  readonly #moved: (id: MessageId, queue: string, message: NewMessage) => void
  readonly #views = new Map<string, RedriveView>()
  readonly #running = new Map<string, Running>()
  /** Sources whose redrive is just being started. */
  readonly #starting = new Set<string>()
  #next = 1
  #closed = false

  constructor(parts: {
    engine: Engine
    catalog: Catalog
    clock: Clock
    log: Log
    changed: (view: RedriveView) => void
    moved: (id: MessageId, queue: string, message: NewMessage) => void
  }) {
    this.#engine = parts.engine
    this.#catalog = parts.catalog
    this.#clock = parts.clock
    this.#log = parts.log
    this.#changed = parts.changed
    this.#moved = parts.moved
  }

  /** Takes up those that ran when the store was closed. */
  async start(): Promise<void> {
    for (const view of await storedRedrives(this.#engine)) {
      this.#views.set(view.id, view)
      if (view.state === 'running') this.#run(view)
    }
  }

  /** Those that run go on at the next start. */
  async stop(): Promise<void> {
    this.#closed = true
    for (const { redriver } of this.#running.values()) redriver.stop('closed')
    await Promise.all([...this.#running.values()].map(({ done }) => done))
  }

  async begin(request: RedriveRequest): Promise<RedriveView> {
    const { source, target, ratePerSecond } = request
    const attempted = `redrive '${source}'`
    if (this.#closed) throw new SpindleError('closed', attempted)
    if (ratePerSecond !== undefined && !(ratePerSecond >= RATE_MIN && ratePerSecond <= RATE_MAX)) {
      throw invalid(`${attempted}: ratePerSecond is ${ratePerSecond} but must be ${RATE_MIN} to ${RATE_MAX}`)
    }
    if (request.from !== undefined && request.from !== 'ready' && request.from !== 'dead') {
      throw invalid(`${attempted}: from must be ready or dead`)
    }
    for (const queue of target === undefined ? [source] : [source, target]) {
      if (this.#catalog.policy(queue) === undefined)
        throw new SpindleError('no-such-queue', `${attempted} (queue '${queue}')`)
    }
    const from = request.from ?? (this.#isDeadLetterQueue(source) ? 'ready' : 'dead')
    if (from === 'ready' && target === source) throw invalid(`${attempted}: its target is the source itself`)
    const runs = [...this.#running.values()].some(({ redriver }) => redriver.view.source === source)
    if (runs || this.#starting.has(source)) throw new SpindleError('redrive-running', attempted)
    this.#starting.add(source)
    try {
      const [measure] = await this.#engine.measure([source])
      const view: RedriveView = {
        id: this.#newId(),
        source,
        from,
        target: target ?? null,
        ratePerSecond: ratePerSecond ?? null,
        state: 'running',
        reason: null,
        moved: 0,
        failed: 0,
        about: measure?.[from] ?? 0,
        startedAtMs: this.#clock.wallMs(),
        endedAtMs: null,
      }
      await this.#engine.commit([{ ops: [{ ...redriveOp(view), expect: 0, required: true }] }])
      this.#views.set(view.id, view)
      this.#run(view)
      return view
    } finally {
      this.#starting.delete(source)
    }
  }

  list(source?: string): RedriveView[] {
    return [...this.#views.values()]
      .filter((view) => source === undefined || view.source === source)
      .sort((a, b) => b.startedAtMs - a.startedAtMs || (a.id < b.id ? 1 : -1))
  }

  async cancel(id: string): Promise<RedriveView | undefined> {
    const running = this.#running.get(id)
    running?.redriver.stop('cancelled')
    await running?.done
    return this.#views.get(id)
  }

  #run(view: RedriveView): void {
    const { id } = view
    const redriver = new Redriver({
      engine: this.#engine,
      clock: this.#clock,
      view,
      exists: (queue) => this.#catalog.policy(queue) !== undefined,
      changed: (changed) => {
        this.#views.set(id, changed)
        this.#changed(changed)
      },
      moved: this.#moved,
    })
    const done = redriver
      .run()
      .then(() => this.#trim(view.source))
      .catch((fault: unknown) =>
        this.#log.error('a redrive stopped; it goes on when the store is opened again', { id, fault }),
      )
      .finally(() => this.#running.delete(id))
    this.#running.set(id, { redriver, done })
  }

  async #trim(source: string): Promise<void> {
    const ended = this.list(source).filter(({ state }) => state !== 'running')
    const old = ended.slice(ENDED_MAX)
    if (old.length === 0 || this.#closed) return
    await this.#engine.commit([{ ops: old.map(({ id }) => removalOp(id)) }])
    for (const { id } of old) this.#views.delete(id)
  }

  #isDeadLetterQueue(queue: string): boolean {
    for (const [, { onDeath }] of this.#catalog.policies()) {
      if (onDeath.kind === 'deadLetter' && onDeath.queue === queue) return true
    }
    return false
  }

  /** Unique in the store: the time, and a number within it. */
  #newId(): string {
    for (;;) {
      const id = `${this.#clock.wallMs().toString(36)}-${(this.#next++).toString(36)}`
      if (!this.#views.has(id)) return id
    }
  }
}

function invalid(attempted: string): SpindleError {
  return new SpindleError('invalid-argument', attempted)
}
