/** A body as JSON, text or hex: always as text nodes, whatever it says. */
import { useMemo, useState } from 'preact/hooks'
import type { BodyEncoding } from '../../../src/frontends/admin/api.ts'
import { bytes } from '../format.ts'

const SHOWN_MAX = 100_000
const HEX_MAX = 4_096

export function BodyView({
  body,
  encoding,
  size,
}: {
  readonly body: string
  readonly encoding: BodyEncoding
  readonly size: number
}) {
  const json = useMemo(() => (encoding === 'base64' ? undefined : pretty(body)), [body, encoding])
  const [chosen, setChosen] = useState<'json' | 'text' | 'hex'>()
  const view = chosen ?? (json !== undefined ? 'json' : encoding === 'base64' ? 'hex' : 'text')
  const shown = view === 'json' ? (json ?? body) : view === 'hex' ? hex(body, encoding) : body
  return (
    <section class="body-view" aria-label="Body">
      <div class="tabs small" role="group" aria-label="Show the body as">
        {(['json', 'text', 'hex'] as const).map((kind) => (
          <button
            type="button"
            key={kind}
            aria-pressed={view === kind}
            disabled={kind === 'json' && json === undefined}
            onClick={() => setChosen(kind)}
          >
            {kind === 'hex' ? 'Hex' : kind === 'json' ? 'JSON' : 'Text'}
          </button>
        ))}
        <span class="faint">{bytes(size)}</span>
      </div>
      <pre tabIndex={0}>{shown.slice(0, SHOWN_MAX)}</pre>
      {shown.length > SHOWN_MAX && <p class="faint">Cut here; the admin API has all of it.</p>}
    </section>
  )
}

function pretty(body: string): string | undefined {
  const first = body.trimStart()[0]
  if (first !== '{' && first !== '[') return undefined
  try {
    return JSON.stringify(JSON.parse(body), null, 2)
  } catch {
    return undefined
  }
}

function hex(body: string, encoding: BodyEncoding): string {
  const raw =
    encoding === 'base64' ? Uint8Array.from(atob(body), (one) => one.charCodeAt(0)) : new TextEncoder().encode(body)
  const lines: string[] = []
  for (let at = 0; at < Math.min(raw.length, HEX_MAX); at += 16) {
    const row = [...raw.subarray(at, at + 16)]
    const digits = row.map((one) => one.toString(16).padStart(2, '0')).join(' ')
    const words = row.map((one) => (one >= 0x20 && one < 0x7f ? String.fromCharCode(one) : '·')).join('')
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(47)}  ${words}`)
  }
  return lines.join('\n')
}
