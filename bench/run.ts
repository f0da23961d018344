/** `npm run bench`: measures and writes RESULTS.md, or holds one group of figures and exits 1 when one is missed. */
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Verdict } from './figures.ts'
import { describeRun } from './machine.ts'
import { fullPlan, quickPlan } from './plan.ts'
import { backlogSection, queuesSection, reportPage, tasksSection, throughputSection } from './report.ts'
import { type Bench, measureBacklog, measureQueues, measureTasks, measureThroughput } from './suite.ts'
import { judgeBacklog, judgeThroughput } from './verdicts.ts'

const USAGE = `npm run bench -- [throughput | backlog] [OPTION]...
  (nothing)       measures everything and writes bench/RESULTS.md
  throughput      holds the figures of throughput; exit 1 when one is missed
  backlog         holds the figures of a long queue; exit 1 when one is missed
  --quick         small and short, in this process: shows that it runs, its figures mean nothing;
                  prints the page unless --out is given
  --engine URL    file: (default) or memory:
  --package FILE  the build to measure (default dist/index.js)
  --out FILE      instead of bench/RESULTS.md`

interface Measured {
  readonly verdicts: readonly Verdict[]
  readonly section: string
}

async function throughput(bench: Bench): Promise<Measured> {
  const measured = await measureThroughput(bench)
  return { verdicts: judgeThroughput(measured), section: throughputSection(measured) }
}

async function backlog(bench: Bench): Promise<Measured> {
  const measured = await measureBacklog(bench)
  return { verdicts: judgeBacklog(measured), section: backlogSection(measured) }
}

async function writeResults(bench: Bench, out: string | undefined): Promise<void> {
  const held = [await throughput(bench), await backlog(bench)]
  const verdicts = held.flatMap((measured) => measured.verdicts)
  const queues = queuesSection(await measureQueues(bench))
  const tasks = tasksSection(await measureTasks(bench))
  const sections = [...held.map(({ section }) => section), queues, tasks]
  const page = reportPage({ run: describeRun(), runs: bench.plan.queuePace.runs, verdicts, sections })
  if (out === undefined) console.log(page)
  else writeFileSync(out, page)
}

/** Prints what was measured; a missed figure becomes the exit code. */
function hold({ section, verdicts }: Measured): void {
  console.log(`${describeRun()}\n\n${section}\n`)
  for (const { what, measured, figure, met } of verdicts) {
    console.log(`${met ? 'met   ' : 'MISSED'}  ${what}: ${measured} (promised ${figure})`)
  }
  if (verdicts.some(({ met }) => !met)) process.exitCode = 1
}

class UsageError extends Error {}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      engine: { type: 'string', default: 'file:' },
      package: { type: 'string', default: 'dist/index.js' },
      out: { type: 'string' },
    },
  })
  const { quick, engine, package: build, out } = values
  if (engine !== 'file:' && engine !== 'memory:') throw new UsageError(`no engine is called '${engine}'`)
  const [what = 'everything', ...rest] = positionals
  if (!['everything', 'throughput', 'backlog'].includes(what) || rest.length > 0) {
    throw new UsageError(`nothing to measure is called '${positionals.join(' ')}'`)
  }
  const bench: Bench = {
    plan: quick ? quickPlan : fullPlan,
    processes: quick ? 'this' : 'fresh',
    store: { package: build, engine },
    say: (progress) => console.error(progress),
  }
  return { what, bench, out: out ?? (quick ? undefined : 'bench/RESULTS.md') }
}

async function main({ what, bench, out }: ReturnType<typeof readArguments>): Promise<void> {
  if (what === 'throughput') hold(await throughput(bench))
  else if (what === 'backlog') hold(await backlog(bench))
  else await writeResults(bench, out)
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
try {
  await main(readArguments())
} catch (error) {
  const usage = error instanceof UsageError || (error instanceof TypeError && 'code' in error) // parseArgs' own
  console.error(usage ? `${error.message}\n\n${USAGE}` : error)
  process.exitCode = usage ? 2 : 1
}
