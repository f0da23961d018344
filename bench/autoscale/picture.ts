/** One simulated load as an SVG: load, workers, depth and latency over the same time. */
import type { SimulationRun } from './simulation.ts'
import type { Trace } from './traces.ts'

interface Line {
  readonly label: string
  readonly colour: string
  readonly points: readonly (readonly [number, number])[]
  /** Holds its value until the next point. */
  readonly steps?: boolean
  readonly dashed?: boolean
}

interface Panel {
  readonly title: string
  readonly lines: readonly Line[]
}

const WIDTH = 900
const LEFT = 60
const RIGHT = 20
const HEAD = 44
const PANEL = 130
const GAP = 34
/** Points a line has at most: more would only make the file larger. */
const POINTS_MAX = 600

export function drawTrace(trace: Trace, run: SimulationRun, targetLatencyS: number): string {
  const seconds = run.seconds
  const every = Math.max(1, Math.ceil(seconds.length / POINTS_MAX))
  const series = (read: (at: number) => number): [number, number][] =>
    seconds.flatMap(({ atS }, at) => {
      if (at % every !== 0) return []
      // The worst of what a point stands for.
      const values = seconds.slice(at, at + every).map((_, n) => read(at + n))
      return [[atS, Math.max(...values)] as [number, number]]
    })
  const of = (figure: 'arrived' | 'wanted' | 'actual' | 'waiting' | 'latencyS'): [number, number][] =>
    series((at) => seconds[at]?.[figure] ?? 0)
  const target: [number, number][] = [
    [0, targetLatencyS],
    [trace.seconds, targetLatencyS],
  ]
  const panels: Panel[] = [
    { title: 'messages a second', lines: [{ label: 'arrived', colour: '#6b7280', points: of('arrived') }] },
    {
      title: 'workers',
      lines: [
        { label: 'wanted', colour: '#2563eb', points: of('wanted'), steps: true },
        { label: 'actual', colour: '#ea580c', points: of('actual'), steps: true },
      ],
    },
    { title: 'messages waiting', lines: [{ label: 'depth', colour: '#7c3aed', points: of('waiting') }] },
    {
      title: 'longest wait, s',
      lines: [
        { label: 'wait', colour: '#059669', points: of('latencyS') },
        { label: 'target', colour: '#b91c1c', points: target, dashed: true },
      ],
    },
  ]
  const height = HEAD + panels.length * (PANEL + GAP) + 10
  const body = panels.map((panel, at) => drawPanel(panel, HEAD + at * (PANEL + GAP), trace.seconds)).join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" role="img">
<title>${trace.title}: workers wanted and actual, depth, latency</title>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="${LEFT}" y="24" font-size="15" fill="#111827">${trace.title}</text>
${body}
</svg>
`
}

function drawPanel({ title, lines }: Panel, top: number, seconds: number): string {
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(([, value]) => value)))
  const ceiling = niceCeiling(most)
  const x = (atS: number): string => (LEFT + (atS / seconds) * (WIDTH - LEFT - RIGHT)).toFixed(1)
  const y = (value: number): string => (top + PANEL - (value / ceiling) * (PANEL - 16)).toFixed(1)
  const grid = [0, 0.5, 1].map((part) => {
    const at = y(part * ceiling)
    return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#e5e7eb"/><text x="${LEFT - 6}" y="${at}" dy="4" text-anchor="end" fill="#4b5563">${round(part * ceiling)}</text>`
  })
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (part) =>
      `<text x="${x(part * seconds)}" y="${top + PANEL + 15}" text-anchor="middle" fill="#4b5563">${timeLabel(part * seconds)}</text>`,
  )
  const paths = lines.map(({ points, colour, steps, dashed }) => {
    const drawn = points.map(([atS, value], at) => {
      if (at === 0) return `M${x(atS)} ${y(value)}`
      return steps === true ? `H${x(atS)}V${y(value)}` : `L${x(atS)} ${y(value)}`
    })
    const dash = dashed === true ? ' stroke-dasharray="5 4"' : ''
    return `<path d="${drawn.join('')}" fill="none" stroke="${colour}" stroke-width="1.4"${dash}/>`
  })
  const legend = lines.map(
    ({ label, colour }, at) =>
      `<text x="${WIDTH - RIGHT - (lines.length - 1 - at) * 60}" y="${top + 8}" text-anchor="end" fill="${colour}">${label}</text>`,
  )
  const heading = `<text x="${LEFT}" y="${top + 8}" fill="#111827">${title}</text>`
  return [heading, ...grid, ...ticks, ...paths, ...legend].join('\n')
}

/** 1, 2, 4, 5 or 10 times a power of ten. */
function niceCeiling(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value))
  return (([1, 2, 4, 5].find((times) => times * unit >= value) ?? 10) as number) * unit
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100)
}

function timeLabel(seconds: number): string {
  return seconds >= 3_600 ? `${round(seconds / 3_600)} h` : `${round(seconds / 60)} min`
}
