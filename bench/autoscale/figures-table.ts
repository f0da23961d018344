/** The figures of all traces as the table of docs/concepts/autoscale.md, and the page with it. */
import { type SimulationRun, turnsAfterSteps } from './simulation.ts'
import type { Trace } from './traces.ts'

const BEGIN = '<!-- figures -->'
const END = '<!-- /figures -->'

export function figuresTable(runs: readonly { readonly trace: Trace; readonly run: SimulationRun }[]): string {
  const rows = runs.map(({ trace, run }) => {
    const most = Math.max(...run.seconds.map(({ wanted }) => wanted))
    const busy = Math.round((run.busyWorkerS / run.workerS) * 100)
    const waits = [run.latencyP50S, run.latencyP99S, run.latencyMaxS].map((value) => value.toFixed(2))
    const turns = turnsAfterSteps(run, trace.steps).join(', ')
    return `| ${[trace.title, run.arrived, waits.join(' / '), most, `${busy} %`, turns].join(' | ')} |`
  })
  return [
    '| load | messages | wait p50 / p99 / max, s | most workers | busy | turns |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** Throws when the page has no place for them. */
export function withFigures(page: string, table: string): string {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error(`the page has no ${BEGIN} … ${END}`)
  return `${page.slice(0, from + BEGIN.length)}\n${table}\n${page.slice(to)}`
}
