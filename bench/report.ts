/** Measurements as Markdown. Pure: the same results give the same page. */
import type { Verdict } from './figures.ts'
import { median, type Rate } from './measure.ts'
import { WORKER_CONCURRENCY } from './scenarios/tasks.ts'
import type { Backlog, QueueRates, TaskRates, Throughput } from './suite.ts'
import { firstDeliveryMs, indexBytes } from './verdicts.ts'

type Row = readonly string[]

export function reportPage(parts: {
  readonly run: string
  /** Of each scenario. */
  readonly runs: number
  readonly verdicts: readonly Verdict[]
  readonly sections: readonly string[]
}): string {
  const head = `# Bench results

Written by \`npm run bench\`; do not edit. Everything runs in one Node process over a data folder (\`file:\`), client, broker
and store together, after a short warm-up; ${parts.runs === 1 ? 'one short run: **these figures mean nothing**' : `the median of ${parts.runs} runs, each scenario in a fresh process`}.
*durable*: a call resolves once its message is on stable storage. *relaxed*: once the operating system has it.

${parts.run}`
  const verdicts = table(
    ['figure', 'promised', 'measured', ''],
    parts.verdicts.map(({ what, figure, measured, met }) => [what, figure, measured, met ? 'met' : '**missed**']),
  )
  return `${[head, `## Figures\n\n${verdicts}`, ...parts.sections].join('\n\n')}\n`
}

export function throughputSection({ roundTrips, limitPerSecond, tasks }: Throughput): string {
  const ratio = (roundTrips.perSecond / limitPerSecond).toFixed(2)
  const rows = [
    ['send + receive + ack, one message a call, 1,000 callers', ...rateCells(roundTrips)],
    [`tasks, enqueue to done, worker concurrency ${WORKER_CONCURRENCY}, 1,000 callers`, ...rateCells(tasks)],
    ['raw limit: as many records, written and synced in groups of 1,000', count(limitPerSecond), '', ''],
  ]
  return `## Throughput against the disk

Durable, 100 B. The raw limit is what this disk and runtime allow without any queue: the bytes of each message once,
appended to a file that was zero-filled first (its time included), measured between the runs.

${table(['', 'per second', 'p50 ms', 'p99 ms'], rows)}

Send + receive + ack reaches **${ratio}** of the raw limit; it stores a send, a lease and an ack for each message.`
}

export function backlogSection({ messages, filled, afterKill, afterClose, indexed }: Backlog): string {
  const each = (bytes: number): string => `${(bytes / messages).toFixed(1)} B`
  const restartRows: Row[] =
    indexed === undefined
      ? []
      : [
          ['restart after kill -9, to the first delivery', `${count(firstDeliveryMs(afterKill))} ms`],
          ['restart after a close, to the first delivery', `${count(firstDeliveryMs(afterClose))} ms`],
          ['index: heap and buffers a message, without the cache of bodies', `${indexBytes(indexed).toFixed(1)} B`],
          ['index: resident memory a message, without the cache of bodies', each(indexed.grown.residentBytes)],
          [
            'after a restart: resident memory a message, with that cache (64 MiB)',
            each(median(afterClose.map(({ grown }) => grown.residentBytes))),
          ],
        ]
  const rows: Row[] = [
    ['filling it (batches of 1,000)', `${count(filled.fillPerSecond)} messages/s`],
    ...restartRows,
    ['after filling: heap and buffers a message, with that cache', each(filled.grown.heldBytes)],
    ['after filling: resident memory a message, with that cache', each(filled.grown.residentBytes)],
    ['steady state: send + receive + ack over it, 100 callers', `${count(filled.steady.perSecond)} messages/s`],
    ['steady state: p50 / p99', `${ms(filled.steady.p50Ms)} / ${ms(filled.steady.p99Ms)} ms`],
    ['steady state: longest event-loop pause', `${ms(filled.longestPauseMs)} ms`],
  ]
  return `## A backlog of ${count(messages)} messages

Plain durable messages of 100 B. A restart is timed in a fresh process, from before the package is loaded to the first
message in hand, with the files in the page cache. Memory is what a process holds more than before it opened the folder,
after a full garbage collection.

${table(['', 'measured'], rows)}`
}

export function queuesSection(rates: readonly QueueRates[]): string {
  const kinds = [
    ['Send', 'send'],
    ['Receive + ack', 'receive'],
    ['Send + receive + ack', 'both'],
  ] as const
  const sizes = [...new Set(rates.map(({ it }) => it.bodyBytes))]
  const tables = kinds.flatMap(([title, kind]) =>
    sizes.map((bodyBytes) => {
      const cells = rates
        .filter(({ it }) => it.bodyBytes === bodyBytes)
        .map((cell) => ({ it: cell.it, head: [String(cell.it.batch), count(cell.it.callers)], rate: cell[kind] }))
      return `### ${title}, ${count(bodyBytes)} B\n\n${sideBySide(['batch', 'callers'], cells)}`
    }),
  )
  return `## Queues

Messages a second; latencies are those of a call, or of the three calls of "send + receive + ack".

${tables.join('\n\n')}`
}

export function tasksSection(rates: readonly TaskRates[]): string {
  const cells = rates.map(({ it, rate }) => ({ it, head: [`${count(it.bodyBytes)} B`, count(it.callers)], rate }))
  return `## Tasks

Enqueued by so many callers, one task a call, as fast as they can; run by one worker of concurrency ${WORKER_CONCURRENCY} in the same process;
the handler does nothing. Tasks a second from the first enqueue until the last is done; latencies from the call of
enqueue to the result in hand, the wait in the queue included.

${sideBySide(['input', 'callers'], cells)}`
}

interface Cell {
  readonly it: { readonly durability: string }
  readonly head: Row
  readonly rate: Rate
}

/** One row for each pair of cells that differ in durability alone. */
function sideBySide(head: Row, cells: readonly Cell[]): string {
  const rows = cells
    .filter(({ it }) => it.durability === 'durable')
    .map((durable): Row => {
      const relaxed = cells.find(
        ({ it, head: own }) => it.durability === 'relaxed' && own.join() === durable.head.join(),
      )
      return [...durable.head, ...rateCells(durable.rate), ...(relaxed ? rateCells(relaxed.rate) : ['', '', ''])]
    })
  return table([...head, 'durable /s', 'p50 ms', 'p99 ms', 'relaxed /s', 'p50 ms', 'p99 ms'], rows)
}

function rateCells({ perSecond, p50Ms, p99Ms }: Rate): Row {
  return [count(perSecond), ms(p50Ms), ms(p99Ms)]
}

export function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function ms(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1)
}
