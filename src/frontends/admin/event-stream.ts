/**
 * Server-sent events of the store's figures. One measurement a tick serves everybody who listens, and none is made while nobody does.
 * A listener that reads too slowly misses ticks; it never makes them pile up.
 */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { ServerResponse } from 'node:http'
import type { Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Stats } from './api.ts'
import type { Caller } from './guard.ts'
import { HttpFault } from './problem.ts'
import type { AdminParts } from './route.ts'
import { statsOf } from './stats.ts'
import { accessTo } from './visibility.ts'

const TICK_MS = 1_000
/** A store with very many queues is measured less often, so that looking at it costs at most this share of the process. */
const SHARE_MAX = 0.05
const LISTENERS_MAX = 100

interface Listener {
  readonly response: ServerResponse
  readonly caller: Caller
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

  /** Throws `HttpFault` 503 when too many listen. */
  add(response: ServerResponse, caller: Caller): void {
    if (this.#closed || this.#listeners.size >= LISTENERS_MAX) {
      throw new HttpFault(503, 'Too many listen to events already.', { 'Retry-After': '5' })
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
    })
    const listener = { response, caller }
    this.#listeners.add(listener)
    response.once('close', () => this.#listeners.delete(listener))
    void this.#tell([listener])
    this.#timer ??= this.#next(0)
  }

  /** Ends every stream, so that a server that drains need not wait for them. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const { response } of this.#listeners) response.end()
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
      for (const { response, caller } of listeners) {
        if (response.writableNeedDrain || response.destroyed) continue
        // Whoever logged out, or lost a grant, hears no more of it.
        const now = await caller.renew()
        if (now === undefined) {
          response.end()
          continue
        }
        const visible = accessTo(now.identity)
        let event = seen.get(visible)
        if (event === undefined) {
          const stats: Stats = await statsOf(this.#parts, visible)
          event = `event: stats\ndata: ${JSON.stringify(stats)}\n\n`
          seen.set(visible, event)
        }
        if (!response.writableEnded) response.write(event)
      }
    } catch (fault) {
      if (!this.#closed) this.#log.warn('the figures could not be read for those who listen', { fault })
    }
  }
}
