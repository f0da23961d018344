/** All queues: tens of thousands are paged from the server, and only those in view are in the page. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { QueueInfo } from '../../../src/frontends/admin/api.ts'
import { get, put, seg } from '../client.ts'
import { count, duration, exactly, perSecond } from '../format.ts'
import { live, ratesOf, useLive } from '../live.ts'
import { Badge, Empty, Fault, Field, Heading, Spark } from '../parts/basics.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Virtual } from '../parts/virtual.tsx'
import { go, link, type Place, refine } from '../route.ts'
import { useWriting } from '../session.ts'

const ROW_PX = 36
const PAGE = 100
const AGAIN_MS = 900

interface QueueList {
  readonly items: readonly QueueInfo[]
  readonly total: number
}

const COLUMNS = [
  { sort: 'name', title: 'Queue', numeric: false },
  { sort: 'waiting', title: 'Waiting', numeric: true },
  { sort: 'leased', title: 'Running', numeric: true },
  { sort: 'dead', title: 'Dead', numeric: true },
  { sort: 'age', title: 'Oldest', numeric: true },
] as const

export function QueuesPage({ place }: { readonly place: Place }) {
  const sort = place.query.get('sort') ?? 'name'
  const text = place.query.get('text') ?? ''
  const [adding, setAdding] = useState(false)
  const writing = useWriting()
  const { rows, total, onRange, fault } = useQueues(sort, text)
  const view = useLive()
  const now = view.stats?.atMs ?? Date.now()
  return (
    <>
      <Heading title="Queues" sub={total === undefined ? ' ' : `${exactly(total)} ${text === '' ? 'queues' : 'found'}`}>
        <input
          type="search"
          aria-label="Search queues"
          placeholder="Search   /"
          value={text}
          onInput={(event) => refine(['queues'], { sort, text: event.currentTarget.value })}
        />
        {writing && (
          <button type="button" onClick={() => setAdding(true)}>
            New queue
          </button>
        )}
      </Heading>
      <Fault fault={fault} />
      {total === 0 ? (
        <Empty title={text === '' ? 'No queue yet' : 'No queue has that in its name'} />
      ) : (
        <div class="scroll">
          <div class="grid queues" role="table" aria-label="Queues" aria-rowcount={(total ?? 0) + 1}>
            <div class="grid-head" role="row">
              {COLUMNS.map(({ sort: by, title, numeric }) => (
                <span
                  key={by}
                  role="columnheader"
                  class={numeric ? 'num' : ''}
                  aria-sort={by === sort ? (by === 'name' ? 'ascending' : 'descending') : 'none'}
                >
                  <button type="button" class="sort" onClick={() => refine(['queues'], { sort: by, text })}>
                    {title}
                    {by === sort ? ' ▾' : ''}
                  </button>
                </span>
              ))}
              <span role="columnheader" class="num">
                In/s
              </span>
              <span role="columnheader" class="num">
                Out/s
              </span>
              <span role="columnheader" class="num">
                p99
              </span>
              <span role="columnheader">Depth</span>
            </div>
            <Virtual
              total={total ?? 0}
              rowPx={ROW_PX}
              onRange={onRange}
              row={(index) => {
                const queue = rows.get(index)
                if (queue === undefined)
                  return <div key={index} class="grid-row" role="row" aria-rowindex={index + 2} />
                const { name, ready, delayed, leased, dead, oldestReadyAtMs, runP99Ms, policy } = queue
                const rates = ratesOf(view, name)
                return (
                  <div key={index} class="grid-row" role="row" aria-rowindex={index + 2}>
                    <span role="cell" class="clip">
                      <a class="row-link" href={link(['queues', name])} title={name}>
                        {name}
                      </a>
                      {policy.paused && <Badge tone="warn">paused</Badge>}
                    </span>
                    <span role="cell" class="num">
                      {count(ready)}
                      {delayed > 0 && <small class="faint"> +{count(delayed)}</small>}
                    </span>
                    <span role="cell" class="num">
                      {count(leased)}
                    </span>
                    <span role="cell" class={dead > 0 ? 'num bad' : 'num'}>
                      {count(dead)}
                    </span>
                    <span role="cell" class="num">
                      {oldestReadyAtMs === null ? '–' : duration(now - oldestReadyAtMs)}
                    </span>
                    <span role="cell" class="num">
                      {perSecond(rates.in)}
                    </span>
                    <span role="cell" class="num">
                      {perSecond(rates.out)}
                    </span>
                    <span role="cell" class="num">
                      {runP99Ms === null ? '–' : duration(runP99Ms)}
                    </span>
                    <span role="cell">
                      <Spark points={rates.spark} label={`Depth of ${name}`} />
                    </span>
                  </div>
                )
              }}
            />
          </div>
        </div>
      )}
      {adding && <NewQueue onClose={() => setAdding(false)} />}
    </>
  )
}

function useQueues(sort: string, text: string) {
  const key = `${sort}\n${text}`
  const [state, setState] = useState<{ key: string; rows: ReadonlyMap<number, QueueInfo>; total: number | undefined }>({
    key,
    rows: new Map(),
    total: undefined,
  })
  const [fault, setFault] = useState<Error>()
  const range = useRef({ from: 0, to: PAGE })
  const load = useRef<() => void>(() => {})
  useEffect(() => {
    const abort = new AbortController()
    let busy = false
    let startedMs = 0
    const run = (): void => {
      if (busy) return
      busy = true
      startedMs = performance.now()
      const offset = range.current.from
      const limit = Math.max(PAGE, range.current.to - offset)
      get<QueueList>('/queues', { sort, text, offset, limit }, abort.signal)
        .then(
          ({ items, total }) => {
            setFault(undefined)
            setState({ key, total, rows: new Map(items.map((item, i) => [offset + i, item])) })
          },
          (thrown: Error) => {
            if (!abort.signal.aborted) setFault(thrown)
          },
        )
        .finally(() => {
          busy = false
          if (!abort.signal.aborted && range.current.from !== offset) run()
        })
    }
    load.current = run
    run()
    const end = live.listen(() => {
      if (document.visibilityState === 'visible' && performance.now() - startedMs >= AGAIN_MS) run()
    })
    return () => {
      abort.abort()
      end()
    }
  }, [key, sort, text])
  const onRange = useCallback((from: number, to: number) => {
    range.current = { from, to }
    load.current()
  }, [])
  return { rows: state.rows, total: state.total, onRange, fault }
}

function NewQueue({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('')
  const [deadLetter, setDeadLetter] = useState('')
  const [fault, setFault] = useState<Error>()
  const create = (event: Event): void => {
    event.preventDefault()
    const policy = deadLetter === '' ? {} : { onDeath: { kind: 'deadLetter', queue: deadLetter } }
    put(`/queues/${seg(name)}`, { policy, expect: 'absent' }).then(() => go(link(['queues', name])), setFault)
  }
  return (
    <Dialog title="New queue" onClose={onClose}>
      <form onSubmit={create}>
        <Field label="Name" wide>
          <input value={name} required onInput={(event) => setName(event.currentTarget.value)} />
        </Field>
        <Field label="Dead letters go to" hint="(empty: they stay here)" wide>
          <input value={deadLetter} onInput={(event) => setDeadLetter(event.currentTarget.value)} />
        </Field>
        <Fault fault={fault} />
        <div class="dialog-foot">
          <button type="submit" class="primary">
            Create
          </button>
        </div>
      </form>
    </Dialog>
  )
}
