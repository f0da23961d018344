/** Every scenario by name, so that it can be asked for across a process boundary. */
import type { Rate } from './measure.ts'
import {
  type BacklogCase,
  type FilledBacklog,
  fillBacklog,
  type IndexedBacklog,
  indexBacklog,
  type RestartCase,
  type RestartedBacklog,
  restartBacklog,
} from './scenarios/backlog.ts'
import { type Pace, type QueueCase, roundTrips, sendThenReceive } from './scenarios/queues.ts'
import { rawLimit } from './scenarios/raw-limit.ts'
import { type TaskCase, tasks } from './scenarios/tasks.ts'
import type { StoreChoice } from './store.ts'

export type Job = { readonly store: StoreChoice } & (
  | { readonly kind: 'sendThenReceive' | 'roundTrips' | 'throughput'; readonly it: QueueCase; readonly pace: Pace }
  | { readonly kind: 'tasks'; readonly it: TaskCase; readonly pace: Pace }
  | { readonly kind: 'fillBacklog'; readonly it: BacklogCase }
  | { readonly kind: 'restartBacklog'; readonly it: RestartCase }
  | { readonly kind: 'indexBacklog'; readonly it: { readonly folder: string } }
)

interface Answers {
  sendThenReceive: { send: Rate; receive: Rate }
  roundTrips: Rate
  /** Round trips, and the raw limit measured after each run over as many records. */
  throughput: { rate: Rate; limits: number[] }
  tasks: Rate
  fillBacklog: FilledBacklog
  restartBacklog: RestartedBacklog
  indexBacklog: IndexedBacklog
}

export type Answer<J extends Job> = Answers[J['kind']]

export async function run(job: Job): Promise<Answer<Job>> {
  switch (job.kind) {
    case 'sendThenReceive':
      return sendThenReceive(job.store, job.it, job.pace)
    case 'roundTrips':
      return (await roundTrips(job.store, job.it, job.pace)).rate
    case 'throughput': {
      const { bodyBytes, callers } = job.it
      const raw = ({ messages }: Rate): Promise<number> =>
        rawLimit({ records: messages, recordBytes: bodyBytes, group: callers, zeroFilled: true })
      const { rate, beside } = await roundTrips(job.store, job.it, job.pace, raw)
      return { rate, limits: beside }
    }
    case 'tasks':
      return tasks(job.store, job.it, job.pace)
    case 'fillBacklog':
      return fillBacklog(job.store, job.it)
    case 'indexBacklog':
      return indexBacklog(job.store, job.it)
    case 'restartBacklog':
      return restartBacklog(job.store, job.it)
    default:
      return job satisfies never
  }
}
