/** A live chart. uPlot draws it on a canvas; the figure's words say the latest value to those who do not see it. */
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'

export interface Line {
  readonly label: string
  /** A custom property of the style sheet. */
  readonly color: string
  readonly values: readonly (number | null)[]
  readonly fill?: boolean
}

export function Chart({
  title,
  times,
  lines,
  format,
  latest,
}: {
  readonly title: string
  readonly times: readonly number[]
  readonly lines: readonly Line[]
  readonly format: (value: number) => string
  readonly latest: string
}) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const scheme = useRef('')
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const style = getComputedStyle(document.documentElement)
    const color = (name: string): string => style.getPropertyValue(name).trim()
    // Colours are drawn, not styled: another scheme needs another drawing.
    const now = color('--ink')
    if (plot.current !== undefined && scheme.current !== now) {
      plot.current.destroy()
      plot.current = undefined
    }
    scheme.current = now
    const data = [times.map((ms) => ms / 1_000), ...lines.map(({ values }) => [...values])] as uPlot.AlignedData
    if (plot.current === undefined) {
      const axis = { stroke: color('--muted'), font: '11px system-ui, sans-serif', ticks: { show: false } }
      plot.current = new uPlot(
        {
          width: Math.max(120, element.clientWidth),
          height: 132,
          padding: [8, 6, 0, 0],
          legend: { show: false },
          cursor: { show: false },
          scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.08)] } },
          axes: [
            { ...axis, grid: { show: false }, size: 22, space: 70 },
            {
              ...axis,
              grid: { stroke: color('--line'), width: 1 },
              size: 46,
              space: 34,
              values: (_, splits) => splits.map((value) => format(value)),
            },
          ],
          series: [
            {},
            ...lines.map(({ label, color: name, fill }) => ({
              label,
              stroke: color(name),
              width: 1.6,
              points: { show: false },
              ...(fill === true ? { fill: `${color(name)}22` } : {}),
            })),
          ],
        },
        data,
        element,
      )
    } else plot.current.setData(data)
  })
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const watch = new ResizeObserver(() =>
      plot.current?.setSize({ width: Math.max(120, element.clientWidth), height: 132 }),
    )
    watch.observe(element)
    return () => {
      watch.disconnect()
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [])
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        <span class="legend">
          {lines.length > 1 &&
            lines.map(({ label, color }) => (
              <span key={label}>
                <i style={{ background: `var(${color})` }} />
                {label}
              </span>
            ))}
          <strong>{latest}</strong>
        </span>
      </figcaption>
      <div class="plot" ref={box} aria-hidden="true" />
    </figure>
  )
}
