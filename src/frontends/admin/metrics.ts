/**
 * Prometheus text (exposition format 0.0.4). Sums cover every queue; series of single queues stop at QUEUES_MAX, those that hold most, so
 * that a hundred thousand queues do not become a million series.
 */
import type { MeasuredQueue } from '../../broker/port.ts'
import type { ProcessFigures } from './api.ts'
import { fullest, sumOf } from './stats.ts'

const QUEUES_MAX = 1_000
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

const STATES = ['delayed', 'ready', 'leased', 'done', 'dead'] as const
const TOTALS = {
  appended: 'Messages stored since the store was opened.',
  delivered: 'Deliveries, redeliveries included, since the store was opened.',
  acked: 'Messages acked since the store was opened.',
  released: 'Deliveries given back since the store was opened.',
  lost: 'Deliveries that ended in silence since the store was opened.',
  died: 'Messages that died since the store was opened.',
} as const

export function prometheusText(
  measures: readonly MeasuredQueue[],
  { nowMs, figures }: { readonly nowMs: number; readonly figures: ProcessFigures },
): string {
  const told = fullest(measures, QUEUES_MAX)
  const lines: string[] = []
  const family = (name: string, kind: 'gauge' | 'counter', help: string): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`)
  }
  const sums = sumOf(measures, [...STATES, 'bytes'])
  family('spindle_messages', 'gauge', 'Messages in all queues, by state.')
  for (const state of STATES) lines.push(`spindle_messages{state="${state}"} ${sums[state]}`)
  family('spindle_message_bytes', 'gauge', 'Bytes of heads and bodies in all queues.')
  lines.push(`spindle_message_bytes ${sums.bytes}`)
  const totals = sumOf(
    measures.map((measure) => measure.totals),
    Object.keys(TOTALS) as (keyof typeof TOTALS)[],
  )
  for (const [total, help] of Object.entries(TOTALS)) {
    family(`spindle_${total}_total`, 'counter', help)
    lines.push(`spindle_${total}_total ${totals[total as keyof typeof TOTALS]}`)
  }
  family('spindle_queues', 'gauge', 'Queues there are.')
  lines.push(`spindle_queues ${measures.length}`)
  family('spindle_queues_not_told', 'gauge', `Queues beyond the ${QUEUES_MAX} that have series of their own.`)
  lines.push(`spindle_queues_not_told ${measures.length - told.length}`)

  family('spindle_queue_messages', 'gauge', 'Messages in a queue, by state.')
  for (const measure of told) {
    const queue = labelValue(measure.queue)
    for (const state of STATES) {
      lines.push(`spindle_queue_messages{queue="${queue}",state="${state}"} ${measure[state]}`)
    }
  }
  family('spindle_queue_message_bytes', 'gauge', 'Bytes of heads and bodies in a queue.')
  for (const { queue, bytes } of told) lines.push(`spindle_queue_message_bytes{queue="${labelValue(queue)}"} ${bytes}`)
  family(
    'spindle_queue_oldest_ready_age_seconds',
    'gauge',
    'Age of the first ready message of a queue; 0: none is ready.',
  )
  for (const { queue, oldestReadyAtMs } of told) {
    const seconds = oldestReadyAtMs === undefined ? 0 : Math.max(0, nowMs - oldestReadyAtMs) / 1_000
    lines.push(`spindle_queue_oldest_ready_age_seconds{queue="${labelValue(queue)}"} ${seconds}`)
  }
  for (const [total, help] of Object.entries(TOTALS)) {
    family(`spindle_queue_${total}_total`, 'counter', help)
    for (const measure of told) {
      const value = measure.totals[total as keyof typeof TOTALS]
      lines.push(`spindle_queue_${total}_total{queue="${labelValue(measure.queue)}"} ${value}`)
    }
  }
  family('spindle_queue_run_seconds_p99', 'gauge', '99th percentile of the time from delivery to settlement, lately.')
  for (const { queue, runP99Ms } of told) {
    if (runP99Ms !== undefined) {
      lines.push(`spindle_queue_run_seconds_p99{queue="${labelValue(queue)}"} ${runP99Ms / 1_000}`)
    }
  }

  family('spindle_build_info', 'gauge', 'The version that runs.')
  lines.push(`spindle_build_info{version="${labelValue(figures.version)}"} 1`)
  family('process_cpu_seconds_total', 'counter', 'Processor time used, seconds.')
  lines.push(`process_cpu_seconds_total ${figures.cpuSeconds}`)
  family('process_resident_memory_bytes', 'gauge', 'Memory in RAM, bytes.')
  lines.push(`process_resident_memory_bytes ${figures.residentBytes}`)
  family('process_start_time_seconds', 'gauge', 'When the process started, seconds since the Unix epoch.')
  lines.push(`process_start_time_seconds ${nowMs / 1_000 - figures.upSeconds}`)
  family('nodejs_heap_size_used_bytes', 'gauge', 'Heap of V8 in use, bytes.')
  lines.push(`nodejs_heap_size_used_bytes ${figures.heapBytes}`)
  return `${lines.join('\n')}\n`
}

/** Names are free text: a quote or a line break must not end the label. */
function labelValue(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
