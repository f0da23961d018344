/** Exchanges, bindings and queues as a picture, and a question: where would this message go? */
import { useState } from 'preact/hooks'
import type { ExchangeInfo, MatchAnswer, Page } from '../../../src/frontends/admin/api.ts'
import { get, post, seg } from '../client.ts'
import { useData } from '../data.ts'
import { plural } from '../format.ts'
import { Badge, Empty, Fault, Field, Heading } from '../parts/basics.tsx'
import { go, link, type Place, refine } from '../route.ts'

const SHOWN_MAX = 60
const ROW = 34
const WIDTH = 860
const BOX = 250

export function TopologyPage({ place }: { readonly place: Place }) {
  const chosen = place.query.get('exchange') ?? ''
  const { data, fault } = useData((signal) => get<Page<ExchangeInfo>>('/exchanges', {}, signal), 'exchanges', 4_000)
  const [hits, setHits] = useState<ReadonlySet<string>>(new Set())
  if (data === undefined) return fault === undefined ? <p class="faint">Looking…</p> : <Fault fault={fault} />
  const all = data.items.filter(({ bindings }) => bindings.length > 0 || data.items.length < SHOWN_MAX)
  const shown = (chosen === '' ? all : all.filter(({ name }) => name === chosen)).slice(0, SHOWN_MAX)
  if (all.length === 0) {
    return (
      <>
        <Heading title="Topology" />
        <Empty title="No exchanges or topics">
          SNS topics, AMQP exchanges and <code>spindle.topic()</code> are drawn here.
        </Empty>
      </>
    )
  }
  return (
    <>
      <Heading title="Topology" sub={`${plural(all.length, 'exchange')} and topics`}>
        <select
          aria-label="Show one exchange"
          value={chosen}
          onChange={(event) => refine(['topology'], { exchange: event.currentTarget.value })}
        >
          <option value="">All exchanges</option>
          {all.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </Heading>
      <Tester exchanges={all} chosen={chosen} onHits={setHits} />
      {all.length > shown.length && chosen === '' && (
        <p class="note">
          The first {shown.length} of {all.length}; choose one to see it.
        </p>
      )}
      <Picture exchanges={shown} hits={hits} />
    </>
  )
}

function Tester({
  exchanges,
  chosen,
  onHits,
}: {
  readonly exchanges: readonly ExchangeInfo[]
  readonly chosen: string
  readonly onHits: (hits: ReadonlySet<string>) => void
}) {
  const [exchange, setExchange] = useState(chosen || (exchanges[0]?.name ?? ''))
  const [key, setKey] = useState('')
  const [headers, setHeaders] = useState('')
  const [body, setBody] = useState('')
  const [answer, setAnswer] = useState<MatchAnswer['matches'][number]>()
  const [fault, setFault] = useState<Error>()
  const ask = (event: Event): void => {
    event.preventDefault()
    let named: unknown = {}
    try {
      if (headers.trim() !== '') named = JSON.parse(headers)
    } catch {
      setFault(new Error('Headers must be a JSON object.'))
      return
    }
    const message = { body, key, headers: named }
    post<MatchAnswer>(`/exchanges/${seg(exchange)}/match`, { messages: [message] }).then(
      ({ matches: [found = []] }) => {
        setFault(undefined)
        setAnswer(found)
        onHits(new Set(found.map(({ exchange: from, id }) => `${from}\n${id}`)))
      },
      setFault,
    )
  }
  return (
    <form class="filters tester" onSubmit={ask} aria-label="Where would this message go?">
      <Field label="Published to">
        <select value={exchange} onChange={(event) => setExchange(event.currentTarget.value)}>
          {exchanges.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </Field>
      <Field label="Routing key">
        <input value={key} onInput={(event) => setKey(event.currentTarget.value)} />
      </Field>
      <Field label="Headers (JSON)">
        <input value={headers} spellcheck={false} onInput={(event) => setHeaders(event.currentTarget.value)} />
      </Field>
      <Field label="Body">
        <input value={body} onInput={(event) => setBody(event.currentTarget.value)} />
      </Field>
      <button type="submit" class="primary">
        Where would it go?
      </button>
      <div role="status" class="answer">
        {answer !== undefined &&
          (answer.length === 0 ? (
            <Badge tone="warn">nowhere</Badge>
          ) : (
            answer.map(({ target }) => (
              <a key={target.name} href={link(['queues', target.name])}>
                <Badge tone="leased">{target.name}</Badge>
              </a>
            ))
          ))}
      </div>
      <Fault fault={fault} />
    </form>
  )
}

function Picture({
  exchanges,
  hits,
}: {
  readonly exchanges: readonly ExchangeInfo[]
  readonly hits: ReadonlySet<string>
}) {
  const names = new Set(exchanges.map(({ name }) => name))
  const targets = [
    ...new Set(
      exchanges.flatMap(({ bindings }) =>
        bindings.flatMap(({ target }) => (target.kind === 'exchange' && names.has(target.name) ? [] : [target.name])),
      ),
    ),
  ]
  const rows = Math.max(exchanges.length, targets.length, 1)
  const place = (index: number, of: number): number => (index + 0.5) * (rows / Math.max(1, of)) * ROW
  const left = new Map(exchanges.map(({ name }, i) => [name, place(i, exchanges.length)]))
  const right = new Map(targets.map((name, i) => [name, place(i, targets.length)]))
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Picture of the bindings">
      <svg
        class="topology"
        viewBox={`0 0 ${WIDTH} ${rows * ROW + 8}`}
        width={WIDTH}
        height={rows * ROW + 8}
        role="group"
        aria-label="Exchanges and the queues they lead to"
      >
        {exchanges.flatMap(({ name, bindings }) =>
          bindings.map(({ id, target, key, filter, headers }) => {
            const fromY = left.get(name) ?? 0
            const inner = left.get(target.name)
            const isInner = target.kind === 'exchange' && inner !== undefined
            const toY = isInner ? inner : (right.get(target.name) ?? 0)
            const toX = isInner ? BOX : WIDTH - BOX
            const hit = hits.has(`${name}\n${id}`)
            const bend = isInner ? 60 : 120
            const d = `M${BOX} ${fromY}C${BOX + bend} ${fromY} ${isInner ? toX + bend : toX - bend} ${toY} ${toX} ${toY}`
            const words = [key, headers && 'headers', filter && 'filter'].filter(Boolean).join(' ')
            return (
              <g key={`${name}${id}`} class={hit ? 'edge hit' : 'edge'}>
                <path d={d} />
                {words !== '' && !isInner && (
                  <text x={(BOX + toX) / 2} y={(fromY + toY) / 2 - 4} text-anchor="middle">
                    {clip(words, 34)}
                  </text>
                )}
              </g>
            )
          }),
        )}
        {exchanges.map(({ name, settings }) => (
          <Box
            key={name}
            x={0}
            y={left.get(name) ?? 0}
            name={name}
            note={settings.kind}
            tone="exchange"
            href={link(['topology'], { exchange: name })}
          />
        ))}
        {targets.map((name) => (
          <Box
            key={name}
            x={WIDTH - BOX}
            y={right.get(name) ?? 0}
            name={name}
            note=""
            tone="queue"
            href={link(['queues', name])}
          />
        ))}
      </svg>
    </div>
  )
}

function Box({
  x,
  y,
  name,
  note,
  tone,
  href,
}: {
  readonly x: number
  readonly y: number
  readonly name: string
  readonly note: string
  readonly tone: string
  readonly href: string
}) {
  return (
    <a href={href} class={`node ${tone}`} onClick={() => go(href)}>
      <title>{name}</title>
      <rect x={x + 1} y={y - 13} width={BOX - 2} height={26} rx={5} />
      <text x={x + 12} y={y + 4}>
        {clip(name, 28)}
      </text>
      <text x={x + BOX - 10} y={y + 4} text-anchor="end" class="kind">
        {note}
      </text>
    </a>
  )
}

const clip = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text)
