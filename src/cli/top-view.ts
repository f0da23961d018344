/** What `spindle top` draws, from two looks at the store. Pure. */
import type { Stats } from '../server/admin-access.ts'
import { printable } from './table.ts'

export type TopOrder = 'oldest' | 'ready' | 'in' | 'dead' | 'name'

export interface TopFacts {
  /** The look before; undefined: this is the first, and there are no rates yet. */
  readonly before: Stats | undefined
  readonly now: Stats
  readonly order: TopOrder
  readonly columns: number
  readonly rows: number
  readonly colour: boolean
  readonly age: (atMs: number | null) => string
}

interface Row {
  readonly name: string
  readonly ready: number
  readonly leased: number
  readonly delayed: number
  readonly dead: number
  readonly in: number | undefined
  readonly out: number | undefined
  readonly oldestReadyAtMs: number | null
}

const HEAD = ['QUEUE', 'READY', 'LEASED', 'DELAYED', 'DEAD', 'IN/S', 'OUT/S', 'OLDEST']
const RED = '\u001b[31m'
const BOLD = '\u001b[1m'
const PLAIN = '\u001b[0m'
const NAME_WIDTH_MAX = 48

export function drawTop(facts: TopFacts): readonly string[] {
  const { before, now, order, columns, rows, colour, age } = facts
  const table = rowsOf(before, now).sort(comparing(order))
  const { sums, queueCount, process } = now
  const head = [
    `${queueCount} queues   ready ${sums.ready}   leased ${sums.leased}   delayed ${sums.delayed}   dead ${sums.dead}`,
    `in ${shownRate(rateOf(before, now, 'appended'))}/s   out ${shownRate(rateOf(before, now, 'acked'))}/s   ${megabytes(sums.bytes)} of messages   process ${megabytes(process.residentBytes)}, up ${Math.round(process.upSeconds)} s`,
    '',
  ]
  const room = Math.max(1, rows - head.length - 1)
  const shown = table.slice(0, room)
  const cells = shown.map((row) => [
    printable(row.name).slice(0, NAME_WIDTH_MAX),
    String(row.ready),
    String(row.leased),
    String(row.delayed),
    String(row.dead),
    shownRate(row.in),
    shownRate(row.out),
    age(row.oldestReadyAtMs),
  ])
  const widths = HEAD.map((title, at) => Math.max(title.length, ...cells.map((row) => row[at]?.length ?? 0)))
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0)))
      .join('  ')
      .slice(0, columns)
  const titles = line(HEAD)
  return [
    ...head.map((text) => text.slice(0, columns)),
    colour ? `${BOLD}${titles}${PLAIN}` : titles,
    ...cells.map((row, at) => (colour && (shown[at]?.dead ?? 0) > 0 ? `${RED}${line(row)}${PLAIN}` : line(row))),
  ]
}

function rowsOf(before: Stats | undefined, now: Stats): Row[] {
  const earlier = new Map(before?.queues.map((queue) => [queue.name, queue]))
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1_000
  return now.queues.map(({ name, ready, leased, delayed, dead, oldestReadyAtMs, totals }) => {
    const then = earlier.get(name)?.totals
    const rate = (field: 'appended' | 'acked'): number | undefined =>
      then === undefined || seconds <= 0 ? undefined : Math.max(0, totals[field] - then[field]) / seconds
    return { name, ready, leased, delayed, dead, oldestReadyAtMs, in: rate('appended'), out: rate('acked') }
  })
}

function comparing(order: TopOrder): (a: Row, b: Row) => number {
  const byName = (a: Row, b: Row): number => (a.name < b.name ? -1 : 1)
  switch (order) {
    case 'oldest':
      return (a, b) => (a.oldestReadyAtMs ?? Infinity) - (b.oldestReadyAtMs ?? Infinity) || byName(a, b)
    case 'in':
      return (a, b) => (b.in ?? 0) - (a.in ?? 0) || byName(a, b)
    case 'ready':
    case 'dead':
      return (a, b) => b[order] - a[order] || byName(a, b)
    case 'name':
      return byName
    default:
      return order satisfies never
  }
}

function rateOf(before: Stats | undefined, now: Stats, field: 'appended' | 'acked'): number | undefined {
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1_000
  return before === undefined || seconds <= 0
    ? undefined
    : Math.max(0, now.totals[field] - before.totals[field]) / seconds
}

function shownRate(perSecond: number | undefined): string {
  if (perSecond === undefined) return '-'
  return perSecond < 10 && perSecond > 0 ? perSecond.toFixed(1) : String(Math.round(perSecond))
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
