/**
 * Prometheus text (exposition format 0.0.4). Sums cover every queue; series of single queues stop at QUEUES_MAX, those that hold most, so
 * that a hundred thousand queues do not become a million series. Names end in their unit, counters in `_total`.
 */
import type { MeasuredQueue } from '../../broker/port.ts'
import type { HistogramView } from '../../runtime/histogram.ts'
import type { ProcessFigures, ServerFigures } from './api.ts'
import { fullest } from './stats.ts'

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const QUEUES_MAX = 1_000
const STATES = ['delayed', 'ready', 'leased', 'done', 'dead'] as const

/** What is told of each queue, and as a sum of all: `spindle_…` and `spindle_queue_…{queue}`. */
const COUNTERS = [
  ['messages_appended_total', 'Messages stored', ({ totals }) => totals.appended],
  ['deliveries_total', 'Deliveries, redeliveries included', ({ totals }) => totals.delivered],
  ['redeliveries_total', 'Deliveries that were not the first of their message', ({ redelivered }) => redelivered],
  ['messages_acked_total', 'Messages acked', ({ totals }) => totals.acked],
  ['deliveries_released_total', 'Deliveries that consumers gave back', ({ totals }) => totals.released],
  [
    'lease_expiries_total',
    'Deliveries that ended in silence: the lease ran out or its holder went',
    ({ totals }) => totals.lost,
  ],
  ['messages_dead_total', 'Messages that died', ({ totals }) => totals.died],
] as const satisfies readonly (readonly [string, string, (measure: MeasuredQueue) => number])[]

export interface MetricsParts {
  readonly nowMs: number
  readonly process: ProcessFigures
  readonly server: ServerFigures
}

export function prometheusText(measures: readonly MeasuredQueue[], parts: MetricsParts): string {
  const page = new Page()
  sums(page, measures, parts.nowMs)
  queues(page, fullest(measures, QUEUES_MAX), parts.nowMs)
  server(page, parts.server)
  process(page, parts)
  return page.text()
}

function sums(page: Page, measures: readonly MeasuredQueue[], nowMs: number): void {
  const sum = (of: (measure: MeasuredQueue) => number): number => measures.reduce((all, one) => all + of(one), 0)
  const oldest = measures.reduce((most, measure) => Math.max(most, ageSeconds(measure, nowMs)), 0)
  page.family('spindle_messages', 'gauge', 'Messages in all queues, by state.')
  for (const state of STATES)
    page.sample(
      `{state="${state}"}`,
      sum((measure) => measure[state]),
    )
  page.gauge(
    'spindle_message_bytes',
    'Bytes of heads and bodies in all queues.',
    sum(({ bytes }) => bytes),
  )
  page.gauge('spindle_oldest_ready_age_seconds', 'Age of the oldest first ready message of any queue.', oldest)
  for (const [name, help, of] of COUNTERS) {
    page.family(`spindle_${name}`, 'counter', `${help}, in all queues, since the store was opened.`)
    page.sample('', sum(of))
  }
  page.gauge('spindle_queues', 'Queues there are.', measures.length)
  const untold = Math.max(0, measures.length - QUEUES_MAX)
  page.gauge(
    'spindle_queues_untold',
    `Queues beyond the ${QUEUES_MAX} fullest, which have no series of their own.`,
    untold,
  )
}

function queues(page: Page, told: readonly MeasuredQueue[], nowMs: number): void {
  const labels = told.map(({ queue }) => `queue="${labelValue(queue)}"`)
  const each = (of: (measure: MeasuredQueue) => number | undefined): void => {
    told.forEach((measure, at) => {
      const value = of(measure)
      if (value !== undefined) page.sample(`{${labels[at]}}`, value)
    })
  }
  page.family('spindle_queue_messages', 'gauge', 'Messages in a queue, by state.')
  told.forEach((measure, at) => {
    for (const state of STATES) page.sample(`{${labels[at]},state="${state}"}`, measure[state])
  })
  page.family('spindle_queue_message_bytes', 'gauge', 'Bytes of heads and bodies in a queue.')
  each(({ bytes }) => bytes)
  page.family(
    'spindle_queue_oldest_ready_age_seconds',
    'gauge',
    'Age of the first ready message of a queue; 0: none is ready.',
  )
  each((measure) => ageSeconds(measure, nowMs))
  for (const [name, help, of] of COUNTERS) {
    page.family(`spindle_queue_${name}`, 'counter', `${help}, in a queue, since the store was opened.`)
    each(of)
  }
  page.family(
    'spindle_queue_run_seconds_p99',
    'gauge',
    '99th percentile of the time from delivery to settlement, lately.',
  )
  each(({ runP99Ms }) => (runP99Ms === undefined ? undefined : runP99Ms / 1_000))
}

function server(page: Page, { connections, disk, folder, loopLagP99Ms }: ServerFigures): void {
  page.family('spindle_connections', 'gauge', 'Sockets that are open, by listener.')
  for (const [protocol, count] of Object.entries(connections)) page.sample(`{protocol="${protocol}"}`, count)
  if (disk !== null) {
    page.histogram('spindle_disk_sync_seconds', 'How long each sync of the journal took.', disk.syncs)
    page.family('spindle_disk_written_bytes_total', 'counter', 'Bytes written to the data folder.')
    page.sample('', disk.writtenBytes)
  }
  if (folder !== null) {
    page.gauge('spindle_disk_used_bytes', 'Bytes on disk that the data folder takes.', folder.usedBytes)
    page.gauge('spindle_disk_free_bytes', 'Bytes that may still be written where the data folder is.', folder.freeBytes)
  }
  const help = 'Delay of the event loop, 99th percentile since the last scrape.'
  page.gauge('nodejs_eventloop_lag_p99_seconds', help, loopLagP99Ms / 1_000)
}

function process(page: Page, { nowMs, process: figures }: MetricsParts): void {
  page.family('spindle_build_info', 'gauge', 'The version that runs.')
  page.sample(`{version="${labelValue(figures.version)}"}`, 1)
  page.family('process_cpu_seconds_total', 'counter', 'Processor time used.')
  page.sample('', figures.cpuSeconds)
  page.gauge('process_resident_memory_bytes', 'Memory in RAM.', figures.residentBytes)
  page.gauge(
    'process_start_time_seconds',
    'When the process started, since the Unix epoch.',
    nowMs / 1_000 - figures.upSeconds,
  )
  page.gauge('nodejs_heap_size_used_bytes', 'Heap of V8 in use.', figures.heapBytes)
}

class Page {
  readonly #lines: string[] = []
  #name = ''

  /** The samples that follow are of this family. */
  family(name: string, kind: 'gauge' | 'counter' | 'histogram', help: string): void {
    this.#name = name
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`)
  }

  sample(labels: string, value: number): void {
    this.#lines.push(`${this.#name}${labels} ${value}`)
  }

  gauge(name: string, help: string, value: number): void {
    this.family(name, 'gauge', help)
    this.sample('', value)
  }

  histogram(name: string, help: string, { bounds, counts, sumSeconds }: HistogramView): void {
    this.family(name, 'histogram', help)
    let upTo = 0
    counts.forEach((count, at) => {
      upTo += count
      this.#lines.push(`${name}_bucket{le="${bounds[at] ?? '+Inf'}"} ${upTo}`)
    })
    this.#lines.push(`${name}_sum ${sumSeconds}`, `${name}_count ${upTo}`)
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`
  }
}

function ageSeconds({ oldestReadyAtMs }: MeasuredQueue, nowMs: number): number {
  return oldestReadyAtMs === undefined ? 0 : Math.max(0, nowMs - oldestReadyAtMs) / 1_000
}

/** Names are free text: a quote or a line break must not end the label. */
function labelValue(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
