/** What the admin API shows of tasks: schedules and workflows of the store, and what autoscalers decided. */

import { readScalings } from '../autoscale/scaling-log.ts'
import type { TaskDesk } from '../frontends/admin/admin-parts.ts'
import type { ScheduleInfo, TaskInfo } from '../frontends/admin/api.ts'
import { SpindleError } from '../model/errors.ts'
import type { Spindle } from '../spindle.ts'
import { flowDetail, listFlows } from '../tasks/flows/flow-views.ts'
import type { ScheduleView, WhenView } from '../tasks/schedules/types.ts'
import type { TaskStatus } from '../tasks/types.ts'

export function taskDesk(store: Spindle): TaskDesk {
  const { port } = store
  return {
    schedules: async (page) => (await store.listSchedules(page)).map(scheduleInfo),
    async steer(name, act) {
      const schedule = await store.findSchedule(name)
      if (schedule === undefined) throw new SpindleError('no-such-schedule', `${act} schedule '${name}'`)
      switch (act) {
        case 'run':
          return { changed: true, id: await schedule.runNow() }
        case 'pause':
          return { changed: await schedule.pause(), id: null }
        case 'resume':
          return { changed: await schedule.resume(), id: null }
        case 'remove':
          return { changed: await schedule.remove(), id: null }
        default:
          return act satisfies never
      }
    },
    flows: (page) => listFlows(port, page),
    flow: (id) => flowDetail(port, id),
    steerFlow: (id, act) => store.flow(id)[act](),
    task: async (id) => taskInfo(await store.job(id).status()),
    scalings: (limit) => readScalings(port, limit),
  }
}

function taskInfo(status: TaskStatus<unknown>): TaskInfo {
  const { state, timings, log = [] } = status
  return {
    state,
    progress: state === 'running' ? (status.progress ?? null) : null,
    data: state === 'running' ? inJson(status.data) : null,
    result: state === 'succeeded' ? inJson(status.result) : null,
    waitMs: timings.waitMs ?? null,
    runMs: timings.runMs ?? null,
    log,
  }
}

function inJson(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value, null, 2)
}

function scheduleInfo({ name, queue, task, when, paused, nextRunsMs, lastRunMs, fired }: ScheduleView): ScheduleInfo {
  return {
    name,
    queue,
    task: task ?? null,
    when: inWords(when),
    paused,
    nextRunsMs,
    lastRunMs: lastRunMs ?? null,
    fired,
  }
}

function inWords(when: WhenView): string {
  switch (when.kind) {
    case 'cron':
      return `${when.cron} (${when.timezone})`
    case 'every':
      return `every ${inUnits(when.everyMs)}`
    case 'at':
      return 'once'
    default:
      return when satisfies never
  }
}

function inUnits(ms: number): string {
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ] as const) {
    if (ms % size === 0) return `${ms / size} ${unit}`
  }
  return `${ms} ms`
}
