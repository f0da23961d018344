/** What the server tells twice a second, what follows from two of them (rates, growth), and the last hour. */
import { useEffect, useState } from 'preact/hooks'
import type { Page, Sample, Stats } from '../../src/frontends/admin/api.ts'
import { eventsUrl, get } from './client.ts'

type QueueStats = Stats['queues'][number]

const WINDOW_MS = 4_000
const SAMPLES_MAX = 1_200
const SPARK_POINTS = 40
const SPARK_EVERY_MS = 1_500
const RETRY_MS = 2_000

export interface QueueRates {
  readonly in: number
  readonly out: number
  readonly died: number
  /** Depth, the oldest first. */
  readonly spark: readonly number[]
}

export interface LiveView {
  readonly stats: Stats | undefined
  readonly connected: boolean
  readonly samples: readonly Sample[]
  readonly rates: ReadonlyMap<string, QueueRates>
}

const NO_RATES: QueueRates = { in: 0, out: 0, died: 0, spark: [] }

class Live {
  view: LiveView = { stats: undefined, connected: false, samples: [], rates: new Map() }
  readonly #listeners = new Set<() => void>()
  readonly #window: Stats[] = []
  readonly #sparks = new Map<string, number[]>()
  #sparkedMs = 0
  #source: EventSource | undefined

  listen(heard: () => void): () => void {
    this.#listeners.add(heard)
    return () => this.#listeners.delete(heard)
  }

  start(): void {
    if (this.#source !== undefined) return
    void get<Page<Sample>>('/history').then(
      ({ items }) => this.#change({ samples: [...items, ...this.view.samples] }),
      () => {},
    )
    this.#connect()
  }

  #connect(): void {
    const source = new EventSource(eventsUrl)
    this.#source = source
    source.addEventListener('stats', (event) => this.#heard(JSON.parse(event.data as string) as Stats))
    source.onerror = () => {
      this.#change({ connected: false })
      // The browser itself comes back after a broken line, but not after a refusal.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.#connect(), RETRY_MS)
    }
  }

  #heard(stats: Stats): void {
    const window = this.#window
    // Totals of a server that was started anew begin at nothing.
    const before = window.at(-1)
    if (before !== undefined && stats.totals.appended < before.totals.appended) window.length = 0
    window.push(stats)
    while (window.length > 2 && stats.atMs - (window[0] as Stats).atMs > WINDOW_MS) window.shift()
    const first = window[0] as Stats
    const seconds = (stats.atMs - first.atMs) / 1_000
    const spark = stats.atMs - this.#sparkedMs >= SPARK_EVERY_MS
    if (spark) this.#sparkedMs = stats.atMs
    const rates = new Map<string, QueueRates>()
    const earlier = new Map(first.queues.map((queue) => [queue.name, queue]))
    for (const queue of stats.queues) {
      const was = earlier.get(queue.name)
      if (spark) this.#spark(queue)
      rates.set(queue.name, {
        in: rate(queue.totals.appended, was?.totals.appended, seconds),
        out: rate(queue.totals.acked, was?.totals.acked, seconds),
        died: rate(queue.totals.died, was?.totals.died, seconds),
        spark: this.#sparks.get(queue.name) ?? [],
      })
    }
    const samples = [...this.view.samples, sampleOf(stats, first, seconds)]
    if (samples.length > SAMPLES_MAX) samples.splice(0, samples.length - SAMPLES_MAX)
    this.#change({ stats, connected: true, samples, rates })
  }

  #spark({ name, ready, delayed, leased }: QueueStats): void {
    const points = [...(this.#sparks.get(name) ?? []), ready + delayed + leased]
    this.#sparks.set(name, points.slice(-SPARK_POINTS))
  }

  #change(change: Partial<LiveView>): void {
    this.view = { ...this.view, ...change }
    for (const heard of this.#listeners) heard()
  }
}

export const live = new Live()

export function useLive(): LiveView {
  const [view, setView] = useState(live.view)
  useEffect(() => {
    const heard = (): void => {
      if (document.visibilityState === 'visible') setView(live.view)
    }
    heard()
    document.addEventListener('visibilitychange', heard)
    const end = live.listen(heard)
    return () => {
      end()
      document.removeEventListener('visibilitychange', heard)
    }
  }, [])
  return view
}

export const ratesOf = ({ rates }: LiveView, queue: string): QueueRates => rates.get(queue) ?? NO_RATES

function rate(now: number, before: number | undefined, seconds: number): number {
  return before === undefined || seconds <= 0 ? 0 : Math.max(0, now - before) / seconds
}

function sampleOf(stats: Stats, first: Stats, seconds: number): Sample {
  const { atMs, sums, totals, queues } = stats
  const oldest = queues.flatMap(({ oldestReadyAtMs }) => (oldestReadyAtMs === null ? [] : [atMs - oldestReadyAtMs]))
  const run = queues.flatMap(({ runP99Ms }) => (runP99Ms === null ? [] : [runP99Ms]))
  return {
    atMs,
    in: rate(totals.appended, first.totals.appended, seconds),
    out: rate(totals.acked + totals.died, first.totals.acked + first.totals.died, seconds),
    depth: sums.delayed + sums.ready + sums.leased,
    dead: sums.dead,
    runP99Ms: run.length === 0 ? null : Math.max(...run),
    oldestMs: oldest.length === 0 ? null : Math.max(0, ...oldest),
  }
}
