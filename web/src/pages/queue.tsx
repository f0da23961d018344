/** One queue: its figures, its messages, and what can be done with both. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { MessageFilter, PurgeAnswer, QueueInfo } from '../../../src/frontends/admin/api.ts'
import { get, post, put, remove, seg } from '../client.ts'
import { useData } from '../data.ts'
import { bytes, count, duration, exactly, perSecond, plural } from '../format.ts'
import { ratesOf, useLive } from '../live.ts'
import { Badge, Empty, Fault, Field, Heading, Spark } from '../parts/basics.tsx'
import { BulkDialog, type BulkWish } from '../parts/bulk-dialog.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { MessageDrawer } from '../parts/message-drawer.tsx'
import { MessageList } from '../parts/message-list.tsx'
import { go, link, type Place, refine } from '../route.ts'
import { useWriting } from '../session.ts'

const STATES = ['ready', 'delayed', 'leased', 'dead', 'done'] as const
const WORDS = { ready: 'Waiting', delayed: 'Delayed', leased: 'Running', dead: 'Dead', done: 'Done' } as const
const FIELDS = ['type', 'group', 'header', 'text', 'reason', 'error', 'diedIn'] as const
const AGES = [
  ['', 'any'],
  ['o60000', 'over 1 min'],
  ['o3600000', 'over 1 h'],
  ['o86400000', 'over 1 day'],
  ['n60000', 'under 1 min'],
  ['n3600000', 'under 1 h'],
  ['n86400000', 'under 1 day'],
] as const

export function QueuePage({ place }: { readonly place: Place }) {
  const name = place.parts[1] ?? ''
  const {
    data: queue,
    fault,
    reload,
  } = useData((signal) => get<QueueInfo>(`/queues/${seg(name)}`, {}, signal), name, 400)
  const [wish, setWish] = useState<BulkWish>()
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const state = (place.query.get('state') ??
    (queue !== undefined && queue.ready === 0 && queue.dead > 0 ? 'dead' : 'ready')) as (typeof STATES)[number]
  const opened = place.query.get('message')
  const filter = useMemo(() => filterOf(place.query, state), [place.query, state])
  const writing = useWriting()
  useEffect(() => setSelected(new Set()), [state])
  const change = (changes: Record<string, string | null>): void =>
    refine(['queues', name], { ...Object.fromEntries(place.query), ...changes })
  if (queue === undefined) {
    return fault === undefined ? (
      <p class="faint">Looking…</p>
    ) : (
      <Empty title="There is no such queue">{fault.message}</Empty>
    )
  }
  const acts = writing && state !== 'leased' && state !== 'done'
  return (
    <>
      <Top queue={queue} reload={reload} />
      <div class="tabs" role="group" aria-label="Messages by state">
        {STATES.map((one) => (
          <button
            type="button"
            key={one}
            class={`tone-${one}`}
            aria-pressed={one === state}
            onClick={() => change({ state: one, message: null })}
          >
            {WORDS[one]} <span class="num">{count(queue[one])}</span>
          </button>
        ))}
      </div>
      <Filters query={place.query} onChange={change} />
      {acts && queue[state] > 0 && (
        <div class="bulk-bar" role="toolbar" aria-label="Acts on many messages">
          <span>{selected.size > 0 ? `${plural(selected.size, 'message')} selected` : 'All that match:'}</span>
          {(['retry', 'move', 'discard'] as const).map((action) => (
            <button
              type="button"
              key={action}
              class={action === 'discard' ? 'danger' : ''}
              onClick={() =>
                setWish({
                  queue: name,
                  action,
                  filter: selected.size > 0 ? { ids: [...selected], states: [state] } : filter,
                })
              }
            >
              {action === 'retry'
                ? state === 'dead'
                  ? 'Redrive'
                  : 'Send again'
                : action === 'move'
                  ? 'Move'
                  : 'Discard'}
            </button>
          ))}
        </div>
      )}
      <div class={opened === null ? '' : 'with-drawer'}>
        <section aria-label="Messages">
          <MessageList
            queue={name}
            filter={filter}
            opened={opened}
            selected={selected}
            onSelect={setSelected}
            onOpen={(id) => change({ message: id })}
          />
        </section>
        {opened !== null && (
          <MessageDrawer key={opened} id={opened} onClose={() => change({ message: null })} onWish={setWish} />
        )}
      </div>
      {wish !== undefined && (
        <BulkDialog
          wish={wish}
          onClose={() => {
            setWish(undefined)
            setSelected(new Set())
            reload()
          }}
        />
      )}
    </>
  )
}

function filterOf(query: URLSearchParams, state: (typeof STATES)[number]): MessageFilter {
  const filter: Record<string, unknown> = { states: [state] }
  for (const field of FIELDS) if (query.get(field)) filter[field] = query.get(field)
  const age = query.get('age') ?? ''
  if (age.startsWith('o')) filter['olderThanMs'] = Number(age.slice(1))
  if (age.startsWith('n')) filter['newerThanMs'] = Number(age.slice(1))
  return filter as MessageFilter
}

function Top({ queue, reload }: { readonly queue: QueueInfo; readonly reload: () => void }) {
  const { name, policy, bytes: held, oldestReadyAtMs, runP99Ms } = queue
  const view = useLive()
  const rates = ratesOf(view, name)
  const writing = useWriting()
  const [asked, setAsked] = useState<'purge' | 'delete'>()
  const [fault, setFault] = useState<Error>()
  const pause = (): void => {
    put(`/queues/${seg(name)}`, { policy: { paused: !policy.paused } }).then(reload, setFault)
  }
  return (
    <>
      <Heading
        title={
          <>
            {name} {policy.paused && <Badge tone="warn">paused</Badge>}
          </>
        }
        sub={
          <>
            {perSecond(rates.in)} in/s, {perSecond(rates.out)} out/s · {bytes(held)} · oldest{' '}
            {oldestReadyAtMs === null ? '–' : duration((view.stats?.atMs ?? Date.now()) - oldestReadyAtMs)} · p99{' '}
            {runP99Ms === null ? '–' : duration(runP99Ms)} <Spark points={rates.spark} label={`Depth of ${name}`} />
          </>
        }
      >
        {writing && (
          <>
            <a class="button primary" href={link(['send'], { queue: name })}>
              Send
            </a>
            <button type="button" onClick={pause}>
              {policy.paused ? 'Resume' : 'Pause'}
            </button>
            <button type="button" class="danger" onClick={() => setAsked('purge')}>
              Purge
            </button>
            <button type="button" class="danger" onClick={() => setAsked('delete')}>
              Delete
            </button>
          </>
        )}
      </Heading>
      <Fault fault={fault} />
      <details class="policy">
        <summary>{rulesOf(queue)}</summary>
        <dl class="facts mono">
          {Object.entries(policy).map(([field, value]) => (
            <>
              <dt key={field}>{field}</dt>
              <dd>{typeof value === 'object' ? JSON.stringify(value) : String(value)}</dd>
            </>
          ))}
        </dl>
      </details>
      {asked !== undefined && <Ask queue={queue} what={asked} onClose={() => setAsked(undefined)} />}
    </>
  )
}

function rulesOf({ policy, lifetime }: QueueInfo): string {
  const { leaseMs, attemptsMax, onDeath, groups, dedup, concurrency } = policy
  return [
    `lease ${duration(leaseMs)}`,
    attemptsMax === null ? 'attempts without end' : `${attemptsMax} attempts`,
    onDeath.kind === 'deadLetter' ? `dead go to ${onDeath.queue}` : `dead: ${onDeath.kind}`,
    groups.kind === 'none' ? '' : `groups ${groups.kind}`,
    dedup.kind === 'none' ? '' : `dedup ${dedup.kind}`,
    concurrency === null ? '' : `at most ${concurrency} at a time`,
    lifetime.kind === 'durable' ? '' : lifetime.kind,
  ]
    .filter((words) => words !== '')
    .join(' · ')
}

function Ask({
  queue,
  what,
  onClose,
}: {
  readonly queue: QueueInfo
  readonly what: 'purge' | 'delete'
  readonly onClose: () => void
}) {
  const [fault, setFault] = useState<Error>()
  const { name, ready, delayed, leased, dead } = queue
  const doIt = (event: Event): void => {
    event.preventDefault()
    const done = what === 'purge' ? post<PurgeAnswer>(`/queues/${seg(name)}/purge`) : remove(`/queues/${seg(name)}`)
    done.then(() => (what === 'purge' ? onClose() : go('#/queues')), setFault)
  }
  const gone = what === 'purge' ? ready + delayed : ready + delayed + leased + dead
  return (
    <Dialog title={what === 'purge' ? `Purge ${name}` : `Delete ${name}`} onClose={onClose}>
      <form onSubmit={doIt}>
        <p>
          {what === 'purge'
            ? `${plural(gone, 'waiting message')} will be gone for good. What runs and what is dead stays.`
            : `The queue goes with its ${plural(gone, 'message')} and every binding to it.`}
        </p>
        <Fault fault={fault} />
        <div class="dialog-foot">
          <button type="submit" class="danger">
            {what === 'purge' ? `Purge ${exactly(gone)}` : 'Delete the queue'}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function Filters({
  query,
  onChange,
}: {
  readonly query: URLSearchParams
  readonly onChange: (changes: Record<string, string | null>) => void
}) {
  const set = FIELDS.some((field) => query.get(field)) || query.get('age')
  const input = (field: (typeof FIELDS)[number], label: string) => {
    const value = query.get(field) ?? ''
    const changed = (event: { currentTarget: HTMLInputElement }): void =>
      onChange({ [field]: event.currentTarget.value || null })
    return (
      <Field label={label}>
        {field === 'text' ? (
          <input type="search" value={value} onChange={changed} />
        ) : (
          <input value={value} onChange={changed} />
        )}
      </Field>
    )
  }
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()} aria-label="Filter messages">
      {input('text', 'Text')}
      {input('type', 'Type')}
      {input('group', 'Group')}
      {input('header', 'Header (name:value)')}
      {input('reason', 'Died of')}
      {input('error', 'Error')}
      <Field label="Age">
        <select
          value={query.get('age') ?? ''}
          onChange={(event) => onChange({ age: event.currentTarget.value || null })}
        >
          {AGES.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      </Field>
      {set && (
        <button
          type="button"
          class="quiet"
          onClick={() => onChange({ ...Object.fromEntries(FIELDS.map((field) => [field, null])), age: null })}
        >
          Clear
        </button>
      )}
    </form>
  )
}
