/** Compares what was measured with the figures. */
import { atLeast, atMost, figures, type Verdict } from './figures.ts'
import { median } from './measure.ts'
import type { Backlog, Throughput } from './suite.ts'

export function judgeThroughput({ roundTrips, tasks }: Throughput): Verdict[] {
  return [
    atLeast('send + receive + ack', roundTrips.perSecond, figures.roundTripsPerSecondMin, 'messages/s'),
    atLeast('tasks, enqueue to done', tasks.perSecond, figures.tasksPerSecondMin, 'tasks/s'),
  ]
}

/** A run without restarts (`memory:`) is judged by its pauses alone. */
export function judgeBacklog(backlog: Backlog): Verdict[] {
  const restarts = [...backlog.afterKill, ...backlog.afterClose]
  const pause = atMost('longest event-loop pause', backlog.filled.longestPauseMs, figures.pauseMsMax, 'ms')
  if (restarts.length === 0) return [pause]
  return [
    atMost('index memory of a waiting message', indexBytes(backlog), figures.indexBytesMax, 'B'),
    atMost('restart after kill -9 to first delivery', firstDeliveryMs(backlog.afterKill), figures.restartMsMax, 'ms'),
    atMost('restart after a close to first delivery', firstDeliveryMs(backlog.afterClose), figures.restartMsMax, 'ms'),
    pause,
  ]
}

/** What a process that has just opened the backlog holds more than before, by message: nothing but the index is in memory yet. */
export function indexBytes({ afterKill, afterClose }: Backlog): number {
  return median([...afterKill, ...afterClose].map((it) => (it.full.heldBytes - it.before.heldBytes) / it.waiting))
}

export function firstDeliveryMs(restarts: readonly { readonly firstDeliveryMs: number }[]): number {
  return median(restarts.map((restart) => restart.firstDeliveryMs))
}
