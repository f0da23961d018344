/** The small pieces that every page is made of. */
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { exactTime, relative } from '../format.ts'

/** One beat for every relative time of the page. */
function useNow(): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return now
}

export function Time({ at }: { readonly at: number | null | undefined }) {
  const now = useNow()
  if (at === null || at === undefined) return <span class="faint">–</span>
  return (
    <time dateTime={new Date(at).toISOString()} title={exactTime(at)}>
      {relative(at, now)}
    </time>
  )
}

export type Tone = 'ready' | 'delayed' | 'leased' | 'dead' | 'done' | 'plain' | 'warn'

export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return <span class={`badge tone-${tone}`}>{children}</span>
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Spike />
      <p class="empty-title">{title}</p>
      {children !== undefined && <p>{children}</p>}
    </div>
  )
}

/** A spindle with nothing on it. */
function Spike() {
  return (
    <svg viewBox="0 0 48 48" width="48" height="48" aria-hidden="true">
      <path d="M24 5v34" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
      <path d="M14 41h20" stroke="currentColor" stroke-width="3.5" stroke-linecap="round" />
    </svg>
  )
}

export function Fault({ fault }: { readonly fault: Error | undefined }) {
  if (fault === undefined) return null
  return (
    <p class="fault" role="alert">
      {fault.message}
    </p>
  )
}

export function Heading({
  title,
  sub,
  children,
}: {
  readonly title: ComponentChildren
  readonly sub?: ComponentChildren
  readonly children?: ComponentChildren
}) {
  return (
    <header class="heading">
      <div>
        <h1>{title}</h1>
        {sub !== undefined && <p class="sub">{sub}</p>}
      </div>
      {children !== undefined && <div class="actions">{children}</div>}
    </header>
  )
}

export function Field({
  label,
  hint,
  children,
  wide,
}: {
  readonly label: string
  readonly hint?: string
  readonly wide?: boolean
  readonly children: ComponentChildren
}) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is the child
    <label class={wide === true ? 'field wide' : 'field'}>
      <span>
        {label}
        {hint !== undefined && <small> {hint}</small>}
      </span>
      {children}
    </label>
  )
}

export function Spark({ points, label }: { readonly points: readonly number[]; readonly label: string }) {
  if (points.length < 2) return <span class="spark" />
  const max = Math.max(1, ...points)
  const path = points
    .map(
      (value, i) =>
        `${i === 0 ? 'M' : 'L'}${((i / (points.length - 1)) * 78 + 1).toFixed(1)} ${(19 - (value / max) * 17).toFixed(1)}`,
    )
    .join('')
  return (
    <svg class="spark" viewBox="0 0 80 20" role="img" aria-label={label}>
      <path d={path} />
    </svg>
  )
}
