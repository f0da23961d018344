/** The figures of a whole store at one moment, as a page or a person looks at them. */
import type { MeasuredQueue } from '../../broker/port.ts'
import type { AdminParts } from './admin-parts.ts'
import type { QueueInfo, Stats } from './api.ts'
import { queueInfo } from './views.ts'

/** Queues that are told one by one; sums count all. */
const QUEUES_MAX = 500

export async function statsOf(
  { port, clock, processFigures }: AdminParts,
  visible: (queue: string) => boolean,
): Promise<Stats> {
  const measures = (await port.measure()).filter(({ queue }) => visible(queue))
  return {
    atMs: clock.wallMs(),
    queues: fullest(measures, QUEUES_MAX).map(withoutPolicy),
    queueCount: measures.length,
    sums: sumOf(measures, ['delayed', 'ready', 'leased', 'done', 'dead', 'bytes']),
    totals: sumOf(
      measures.map(({ totals }) => totals),
      ['appended', 'delivered', 'acked', 'released', 'lost', 'died'],
    ),
    process: processFigures(),
  }
}

/** In the order of names; when there are more than `max`, those that hold most. */
export function fullest(measures: readonly MeasuredQueue[], max: number): readonly MeasuredQueue[] {
  return (measures.length <= max ? [...measures] : most(measures, max)).sort((a, b) => (a.queue < b.queue ? -1 : 1))
}

function most(measures: readonly MeasuredQueue[], max: number): MeasuredQueue[] {
  const held = Float64Array.from(measures, ({ delayed, ready, leased, dead }) => delayed + ready + leased + dead)
  const least = Float64Array.from(held).sort()[held.length - max] ?? 0
  const above = measures.filter((_, at) => (held[at] ?? 0) > least)
  const level = measures.filter((_, at) => held[at] === least)
  return [...above, ...level.slice(0, max - above.length)]
}

function withoutPolicy(measure: MeasuredQueue): Stats['queues'][number] {
  const { policy: _, lifetime: __, ...info }: QueueInfo = queueInfo(measure)
  return info
}

export function sumOf<const K extends string>(
  rows: readonly { readonly [field in K]: number }[],
  fields: readonly K[],
): { readonly [field in K]: number } {
  const sums = fields.map((field) => [field, rows.reduce((sum, row) => sum + row[field], 0)])
  return Object.fromEntries(sums) as { readonly [field in K]: number }
}
