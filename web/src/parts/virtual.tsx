/** A long list of rows of one height: only those in view are in the page. The window itself scrolls. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

const SPARE = 12

export function Virtual({
  total,
  rowPx,
  row,
  onRange,
}: {
  readonly total: number
  readonly rowPx: number
  readonly row: (index: number) => ComponentChildren
  readonly onRange?: (from: number, to: number) => void
}) {
  const box = useRef<HTMLDivElement>(null)
  const [range, setRange] = useState({ from: 0, to: 40 })
  useEffect(() => {
    let frame = 0
    const look = (): void => {
      frame = 0
      const top = box.current?.getBoundingClientRect().top ?? 0
      const from = Math.max(0, Math.floor(-top / rowPx) - SPARE)
      const to = Math.min(total, Math.ceil((innerHeight - top) / rowPx) + SPARE)
      setRange((was) => (was.from === from && was.to === to ? was : { from, to }))
    }
    const soon = (): void => {
      if (frame === 0) frame = requestAnimationFrame(look)
    }
    look()
    addEventListener('scroll', soon, { passive: true })
    addEventListener('resize', soon)
    return () => {
      cancelAnimationFrame(frame)
      removeEventListener('scroll', soon)
      removeEventListener('resize', soon)
    }
  }, [total, rowPx])
  const to = Math.min(range.to, total)
  useEffect(() => onRange?.(range.from, to), [range.from, to, onRange])
  const rows: ComponentChildren[] = []
  for (let index = range.from; index < to; index++) rows.push(row(index))
  return (
    <div ref={box} class="virtual" role="rowgroup" style={{ height: `${total * rowPx}px` }}>
      <div style={{ transform: `translateY(${range.from * rowPx}px)` }} role="presentation">
        {rows}
      </div>
    </div>
  )
}
