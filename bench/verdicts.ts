/** Compares what was measured with the figures. */
import { atLeast, atMost, figures, type Verdict } from './figures.ts'
import { median } from './measure.ts'
import type { IndexedBacklog, RestartedBacklog } from './scenarios/backlog.ts'
import type { Backlog, Throughput } from './suite.ts'

export function judgeThroughput({ roundTrips, tasks }: Throughput): Verdict[] {
  return [
    atLeast('send + receive + ack', roundTrips.perSecond, figures.roundTripsPerSecondMin, 'messages/s'),
    atLeast('tasks, enqueue to done', tasks.perSecond, figures.tasksPerSecondMin, 'tasks/s'),
  ]
}

/** A run without restarts (`memory:`) is judged by its pauses alone. */
export function judgeBacklog({ filled, afterKill, afterClose, indexed }: Backlog): Verdict[] {
  const pause = atMost('longest event-loop pause', filled.longestPauseMs, figures.pauseMsMax, 'ms')
  if (indexed === undefined) return [pause]
  return [
    atMost('index memory of a waiting message', indexBytes(indexed), figures.indexBytesMax, 'B'),
    atMost('restart after kill -9 to first delivery', firstDeliveryMs(afterKill), figures.restartMsMax, 'ms'),
    atMost('restart after a close to first delivery', firstDeliveryMs(afterClose), figures.restartMsMax, 'ms'),
    pause,
  ]
}

export function indexBytes({ grown, waiting }: IndexedBacklog): number {
  return grown.heldBytes / waiting
}

export function firstDeliveryMs(restarts: readonly RestartedBacklog[]): number {
  return median(restarts.map((restart) => restart.firstDeliveryMs))
}
