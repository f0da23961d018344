/** Runs the scenarios of a plan and gathers what they measured. */
import { inFreshProcess } from './fresh-process.ts'
import { type Answer, type Job, run } from './jobs.ts'
import { median, type Rate } from './measure.ts'
import type { Plan } from './plan.ts'
import type { FilledBacklog, IndexedBacklog, RestartedBacklog } from './scenarios/backlog.ts'
import type { QueueCase } from './scenarios/queues.ts'
import type { TaskCase } from './scenarios/tasks.ts'
import { type StoreChoice, withFolder } from './store.ts'

export interface Bench {
  readonly plan: Plan
  readonly store: StoreChoice
  /** A process for each scenario, or all of them in this one (which then cannot be killed and restarted). */
  readonly processes: 'fresh' | 'this'
  readonly say: (progress: string) => void
}

export interface Throughput {
  readonly roundTrips: Rate
  /** Records a second of the bare append + sync loop, measured between the runs. */
  readonly limitPerSecond: number
  readonly tasks: Rate
}

export interface Backlog {
  readonly messages: number
  readonly filled: FilledBacklog
  readonly afterKill: readonly RestartedBacklog[]
  readonly afterClose: readonly RestartedBacklog[]
  /** undefined where there is no file to open again. */
  readonly indexed: IndexedBacklog | undefined
}

export interface QueueRates {
  readonly it: QueueCase
  readonly send: Rate
  readonly receive: Rate
  readonly both: Rate
}

export interface TaskRates {
  readonly it: TaskCase
  readonly rate: Rate
}

export async function measureThroughput(bench: Bench): Promise<Throughput> {
  const { plan, store, say } = bench
  const pace = plan.throughputPace
  say('throughput: send + receive + ack, and the raw limit beside it')
  const { rate, limits } = await perform(bench, { kind: 'throughput', store, it: plan.throughput, pace })
  say('throughput: tasks')
  const tasks = await perform(bench, { kind: 'tasks', store, it: plan.throughputTasks, pace })
  return { roundTrips: rate, limitPerSecond: median(limits), tasks }
}

export function measureBacklog(bench: Bench): Promise<Backlog> {
  const { plan, store, say } = bench
  const { messages } = plan.backlog
  return withFolder(async (folder) => {
    const url = store.engine === 'file:' ? `file:${folder}` : store.engine
    say(`backlog: ${messages} messages, then traffic over them`)
    const filled = await perform(bench, { kind: 'fillBacklog', store, it: { ...plan.backlog, url } }, 'killed')
    const afterKill: RestartedBacklog[] = []
    const afterClose: RestartedBacklog[] = []
    const restarts = store.engine === 'file:' && bench.processes === 'fresh' ? plan.restarts : 0
    for (let i = 1; i <= restarts; i++) {
      say(`backlog: restart after a kill, ${i} of ${restarts}`)
      const close = i === restarts
      afterKill.push(
        await perform(bench, { kind: 'restartBacklog', store, it: { url, close } }, close ? 'well' : 'killed'),
      )
    }
    for (let i = 1; i <= restarts; i++) {
      say(`backlog: restart after a close, ${i} of ${restarts}`)
      afterClose.push(await perform(bench, { kind: 'restartBacklog', store, it: { url, close: true } }))
    }
    const indexed = restarts === 0 ? undefined : await perform(bench, { kind: 'indexBacklog', store, it: { folder } })
    return { messages, filled, afterKill, afterClose, indexed }
  })
}

export async function measureQueues(bench: Bench): Promise<QueueRates[]> {
  const { plan, store, say } = bench
  const rates: QueueRates[] = []
  for (const it of plan.queues) {
    say(`queue ${rates.length + 1} of ${plan.queues.length}: ${JSON.stringify(it)}`)
    const { send, receive } = await perform(bench, { kind: 'sendThenReceive', store, it, pace: plan.queuePace })
    const both = await perform(bench, { kind: 'roundTrips', store, it, pace: plan.queuePace })
    rates.push({ it, send, receive, both })
  }
  return rates
}

export async function measureTasks(bench: Bench): Promise<TaskRates[]> {
  const { plan, store, say } = bench
  const rates: TaskRates[] = []
  for (const it of plan.tasks) {
    say(`tasks ${rates.length + 1} of ${plan.tasks.length}: ${JSON.stringify(it)}`)
    rates.push({ it, rate: await perform(bench, { kind: 'tasks', store, it, pace: plan.taskPace }) })
  }
  return rates
}

function perform<J extends Job>(bench: Bench, job: J, ending: 'well' | 'killed' = 'well'): Promise<Answer<J>> {
  return bench.processes === 'fresh' ? inFreshProcess(job, ending) : (run(job) as Promise<Answer<J>>)
}
