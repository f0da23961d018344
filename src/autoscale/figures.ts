/** The pools for others who scale: JSON for KEDA's metrics-api scaler, Prometheus text (0.0.4) for HPA through an adapter. */
import type { PoolView } from './pool.ts'

export interface PoolFigures {
  readonly queue: string
  readonly waiting: number
  readonly delayed: number
  readonly inFlight: number
  readonly oldestAgeSeconds: number
  readonly arrivalsPerSecond: number
  /** What one busy worker ends. */
  readonly servicePerSecond: number
  readonly wanted: number
  /** Ready, starting and leaving. */
  readonly actual: number
  readonly ready: number
  readonly starting: number
  readonly leaving: number
  readonly min: number
  readonly max: number
  readonly targetLatencySeconds: number
  readonly looks: number
  readonly lastChange: {
    readonly look: number
    readonly from: number
    readonly to: number
    readonly reason: string
  } | null
}

export function figuresOf(view: PoolView): PoolFigures {
  const { queue, waiting, delayed, inFlight, wanted, looks, settings, fleet } = view
  const { ready, starting, leaving } = fleet
  return {
    queue,
    waiting,
    delayed,
    inFlight,
    oldestAgeSeconds: (view.oldestAgeMs ?? 0) / 1_000,
    arrivalsPerSecond: rounded(view.arrivalsPerS),
    servicePerSecond: rounded(view.servicePerS),
    wanted,
    actual: ready + starting + leaving,
    ready,
    starting,
    leaving,
    min: settings.min,
    max: settings.max,
    targetLatencySeconds: settings.targetLatencyMs / 1_000,
    looks,
    lastChange: view.lastChange ?? null,
  }
}

const GAUGES = [
  ['spindle_autoscale_waiting_messages', 'Messages that wait for a worker.', 'waiting'],
  ['spindle_autoscale_in_flight_messages', 'Messages that workers have in hand.', 'inFlight'],
  [
    'spindle_autoscale_oldest_age_seconds',
    'Age of the first message that waits; 0 when none does.',
    'oldestAgeSeconds',
  ],
  ['spindle_autoscale_wanted_workers', 'Workers that the pool should have.', 'wanted'],
  ['spindle_autoscale_actual_workers', 'Workers that the pool has, those that start or leave included.', 'actual'],
] as const

export function poolsAsPrometheus(pools: readonly PoolFigures[]): string {
  const lines = GAUGES.flatMap(([name, help, figure]) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    ...pools.map((pool) => `${name}{queue="${labelValue(pool.queue)}"} ${pool[figure]}`),
  ])
  return `${lines.join('\n')}\n`
}

/** Names are free text: a quote or a line break must not end the label. */
function labelValue(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
