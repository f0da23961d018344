/**
 * Server-sent events of the store's figures. One measurement a tick serves everybody who listens, and none is made while nobody does.
 * A listener that reads too slowly misses ticks; it never makes them pile up.
 */
import type { Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { AdminParts } from './admin-parts.ts'
import type { Stats } from './api.ts'
import type { Caller } from './guard.ts'
import { HttpFault } from './problem.ts'
import { statsOf } from './stats.ts'
import { accessTo } from './visibility.ts'

/** What happens is seen within a second, its way to the eye included. */
const TICK_MS = 500
/** A store with very many queues is measured less often, so that looking at it costs at most this share of the process. */
const SHARE_MAX = 0.02
const LISTENERS_MAX = 100

/** Where events go, over whatever transport. */
export interface EventSink {
  write(text: string): void
  /** Has it more than it can pass on? */
  busy(): boolean
  end(): void
  /** Calls back once when whoever listens is gone. */
  onClose(gone: () => void): void
}

export const EVENT_HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
  'X-Content-Type-Options': 'nosniff',
} as const

interface Listener {
  readonly sink: EventSink
  readonly caller: Pick<Caller, 'renew'>
}

export class EventStream {
  readonly #parts: AdminParts
  readonly #log: Log
  readonly #listeners = new Set<Listener>()
  #timer: Timer | undefined
  #closed = false

  constructor(parts: AdminParts, log: Log) {
    this.#parts = parts
    this.#log = log
  }

  /** Throws `HttpFault` 503 when too many listen. To be asked before `open` sends the head of the answer. */
  add(open: () => EventSink, caller: Pick<Caller, 'renew'>): void {
    if (this.#closed || this.#listeners.size >= LISTENERS_MAX) {
      throw new HttpFault(503, 'Too many listen to events already.', { 'Retry-After': '5' })
    }
    const sink = open()
    const listener = { sink, caller }
    this.#listeners.add(listener)
    sink.onClose(() => this.#listeners.delete(listener))
    void this.#tell([listener])
    this.#timer ??= this.#next(0)
  }

  /** Ends every stream, so that a server that drains need not wait for them. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const { sink } of this.#listeners) sink.end()
    this.#listeners.clear()
  }

  #next(tookMs: number): Timer {
    const { clock } = this.#parts
    return clock.setTimer(Math.max(TICK_MS, tookMs / SHARE_MAX), () => {
      this.#timer = undefined
      if (this.#listeners.size === 0 || this.#closed) return
      const startedMs = clock.monotonicMs()
      void this.#tell([...this.#listeners]).finally(() => {
        if (!this.#closed) this.#timer ??= this.#next(clock.monotonicMs() - startedMs)
      })
    })
  }

  async #tell(listeners: readonly Listener[]): Promise<void> {
    try {
      const seen = new Map<(queue: string) => boolean, string>()
      for (const listener of listeners) {
        const { sink, caller } = listener
        if (sink.busy()) continue
        // Whoever logged out, or lost a grant, hears no more of it.
        const now = await caller.renew()
        if (now === undefined) {
          this.#listeners.delete(listener)
          sink.end()
          continue
        }
        const visible = accessTo(now.identity)
        let event = seen.get(visible)
        if (event === undefined) {
          const stats: Stats = await statsOf(this.#parts, visible)
          event = `event: stats\ndata: ${JSON.stringify(stats)}\n\n`
          seen.set(visible, event)
        }
        if (this.#listeners.has(listener)) sink.write(event)
      }
    } catch (fault) {
      if (!this.#closed) this.#log.warn('the figures could not be read for those who listen', { fault })
    }
  }
}
