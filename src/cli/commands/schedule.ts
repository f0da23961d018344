/** `spindle schedule …`: what is enqueued when. Schedules are declared in code; here they are looked at and steered. */
import type { Command } from 'commander'
import type { Spindle } from '../../spindle.ts'
import type { Schedule, ScheduleView, WhenView } from '../../tasks/schedules/types.ts'
import { type AdminFlags, commandGroup, printJson, storeCommand, tell, withStore } from '../admin-command.ts'
import { printTable } from '../table.ts'
import { UsageError } from '../usage.ts'

const EXAMPLES = `
Examples:
  spindle schedule list
  spindle schedule show nightly-report --runs 10
  spindle schedule run nightly-report
  spindle schedule pause nightly-report`

const PAGE = 1_000

export function scheduleCommand(): Command {
  const act = (usage: string, summary: string, run: (schedule: Schedule) => Promise<string>): Command =>
    storeCommand(`${usage} <name>`, summary).action((name: string, flags: AdminFlags) =>
      withStore(flags, async (store) => {
        const said = await run(await found(store, name))
        tell(flags, { schedule: name, outcome: said }, `${name}: ${said}`)
      }),
    )
  const list = storeCommand('list', 'list schedules with their next runs').action((flags: AdminFlags) =>
    withStore(flags, (store) => listSchedules(store, flags)),
  )
  const show = storeCommand('show <name>', 'show one schedule and the runs to come')
    .option('--runs <n>', 'runs to show (default: 5)', Number)
    .action((name: string, flags: AdminFlags & { runs?: number }) =>
      withStore(flags, async (store) => {
        const view = await (await found(store, name)).view({ runs: flags.runs ?? 5 })
        if (flags.json === true) printJson(view)
        else
          printTable(fieldsOf(view), [
            { title: 'FIELD', of: ([field]) => field },
            { title: 'VALUE', of: ([, value]) => value },
          ])
      }),
    )
  return commandGroup('schedule', 'list, show, run, pause and remove schedules', [
    list,
    show,
    act('run', 'fire once now, beside its instants', async (schedule) => `enqueued ${await schedule.runNow()}`),
    act('pause', 'leave out what comes until it is resumed', async (one) =>
      (await one.pause()) ? 'paused' : 'was paused already',
    ),
    act('resume', 'go on with the next instant', async (one) => ((await one.resume()) ? 'resumed' : 'was not paused')),
    act('remove', 'remove it; what it has enqueued stays', async (one) =>
      (await one.remove()) ? 'removed' : 'was removed already',
    ),
  ]).addHelpText('after', EXAMPLES)
}

async function found(store: Spindle, name: string): Promise<Schedule> {
  const schedule = await store.findSchedule(name)
  if (schedule === undefined) throw new UsageError(`there is no schedule ${name} (spindle schedule list)`)
  return schedule
}

async function listSchedules(store: Spindle, flags: AdminFlags): Promise<void> {
  const views: ScheduleView[] = []
  for (;;) {
    const after = views.at(-1)?.name
    const page = await store.listSchedules({ limit: PAGE, runs: 1, ...(after === undefined ? {} : { after }) })
    views.push(...page)
    if (page.length < PAGE) break
  }
  if (flags.json === true) printJson(views)
  else {
    printTable(views, [
      { title: 'SCHEDULE', of: ({ name }) => name },
      { title: 'WHEN', of: ({ when }) => whenText(when) },
      { title: 'DOES', of: ({ task, queue }) => (task === undefined ? `sends to ${queue}` : `enqueues ${task}`) },
      { title: 'NEXT', of: ({ paused, nextRunsMs }) => (paused ? 'paused' : instant(nextRunsMs[0])) },
      { title: 'LAST', of: ({ lastRunMs }) => instant(lastRunMs) },
      { title: 'FIRED', of: ({ fired }) => fired },
    ])
  }
}

function fieldsOf(view: ScheduleView): readonly (readonly [string, string])[] {
  const { when, nextRunsMs, lastRunMs, ...rest } = view
  return [
    ...Object.entries(rest).map(
      ([field, value]) => [field, typeof value === 'string' ? value : JSON.stringify(value)] as const,
    ),
    ['when', whenText(when)],
    ['last run', instant(lastRunMs)],
    ...nextRunsMs.map((atMs, at) => [at === 0 ? 'next runs' : '', instant(atMs)] as const),
  ]
}

function whenText(when: WhenView): string {
  switch (when.kind) {
    case 'cron':
      return `${when.cron} (${when.timezone})`
    case 'every':
      return `every ${when.everyMs / 1_000} s`
    case 'at':
      return `once at ${instant(when.atMs)}`
    default:
      return when satisfies never
  }
}

function instant(atMs: number | undefined): string {
  return atMs === undefined ? '-' : new Date(atMs).toISOString()
}
