/** `spindle doctor DIR`: what is in a data folder, what is damaged, and a copy of what can be saved. */
import process from 'node:process'
import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { systemRandom } from '../../runtime/random.ts'
import type { DoctorReport } from '../../server/doctor.ts'
import { printJson } from '../admin-command.ts'
import { wholeNumber } from '../options.ts'
import { printable, printTable } from '../table.ts'

interface DoctorFlags {
  readonly salvage?: string
  readonly json?: boolean
  readonly limit: number
}

const EXPLAINED = `
The folder is only read, never written, and must not be open in any process.

--salvage writes every message that can be read into a new folder, with its id, order, attempts and results, and every record. Its
leases are over, so what was being worked on is delivered again. Whole messages whose own record is damaged, or whose queue is
unknown, go to the queue salvage.strays. "Uncertain" ones are there, but may have been settled in what is missing.

Exit code 0: the folder is sound, or what could be saved was; 1: it is damaged, empty, open elsewhere or of a newer format.

Examples:
  spindle doctor ./data
  spindle doctor ./data --salvage ./data-saved`

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('examine a data folder, and salvage a damaged one')
    .description('Reads every record and body of a data folder, says what is damaged and names what is lost.')
    .argument('<dir>', 'data folder')
    .option('--salvage <new-dir>', 'write what can be saved there; must be empty or new')
    .option('--json', 'print everything as JSON')
    .option('--limit <n>', 'lines of each list', wholeNumber(1), 20)
    .addHelpText('after', EXPLAINED)
    .action(run)
}

async function run(dir: string, flags: DoctorFlags): Promise<void> {
  const { examineFolder } = await import('../../server/doctor.ts')
  const report = await examineFolder(dir, {
    clock: systemClock,
    random: systemRandom,
    ...(flags.salvage === undefined ? {} : { salvageTo: flags.salvage }),
  })
  if (flags.json === true) printJson(report)
  else print(report, flags.limit)
  if (report.verdict !== 'sound' && report.salvaged === null) process.exitCode = 1
}

function print(report: DoctorReport, limit: number): void {
  const { verdict, folder, segments, checkpoint, queues, findings, notes, lost, lostRanges, uncertain, strays } = report
  if (verdict === 'empty') {
    say(`${folder} holds no store`)
    return
  }
  const records = segments.reduce((sum, segment) => sum + segment.records, 0)
  const base =
    checkpoint === null ? 'no checkpoint' : `checkpoint ${checkpoint.number}${checkpoint.whole ? '' : ', damaged'}`
  say(`${folder}: format ${report.format}, ${segments.length} segments, ${records} journal records read, ${base}`)
  say(`${report.records} records of the catalog and of applications`)
  printTable(queues, [
    { title: 'QUEUE', of: ({ name }) => name },
    { title: 'WAITING', of: ({ waiting }) => waiting },
    { title: 'LEASED', of: ({ leased }) => leased },
    { title: 'DONE', of: ({ done }) => done },
    { title: 'DEAD', of: ({ dead }) => dead },
  ])
  const list = (title: string, lines: readonly string[]): void => {
    if (lines.length === 0) return
    say(`\n${title}: ${lines.length}`)
    for (const line of lines.slice(0, limit)) say(`  ${line}`)
    if (lines.length > limit) say(`  and ${lines.length - limit} more (--limit, --json)`)
  }
  const queueOf = (queue: string | undefined): string => (queue === undefined ? 'queue unknown' : `queue ${queue}`)
  list(
    'damage',
    findings.map(({ where, what }) => `${where}: ${what}`),
  )
  list(
    'lost messages',
    lost.map(({ id, queue, why }) => `${id}  ${queueOf(queue)}: ${why}`),
  )
  list('lost without a trace but their ids', lostRanges.map(rangeLine))
  list(
    'whole, but their queue is not certain',
    strays.map(({ id, queue }) => `${id}  ${queueOf(queue)}`),
  )
  list('uncertain (may have been settled in what is missing)', uncertain)
  list(
    'notes',
    notes.map(({ where, what }) => `${where}: ${what}`),
  )
  if (report.salvaged !== null) {
    const { folder: target, messages, strays: strayCount, records: recordCount, queues: queueCount } = report.salvaged
    say(
      `\nsalvaged into ${target}: ${messages} messages, ${strayCount} strays, ${recordCount} records, ${queueCount} queues; read again and whole`,
    )
  } else
    say(
      verdict === 'sound'
        ? '\nsound: everything in it can be read'
        : '\ndamaged: --salvage NEW-DIR saves what can be read',
    )
}

function rangeLine({ where, first, last, count }: DoctorReport['lostRanges'][number]): string {
  if (count === undefined) return `${first} and whatever came after it (${where})`
  return count === 1 ? `${first} (${where})` : `${first} to ${last}, at most ${count} messages (${where})`
}

function say(line: string): void {
  process.stdout.write(`${line.split('\n').map(printable).join('\n')}\n`)
}
