/** What waits, what runs, what fails and why, at one look. */
import type { ComponentChildren } from 'preact'
import { useMemo } from 'preact/hooks'
import type { DeadLetters } from '../../../src/frontends/admin/api.ts'
import { get } from '../client.ts'
import { useData } from '../data.ts'
import { bytes, count, duration, exactly, perSecond } from '../format.ts'
import { type LiveView, ratesOf, useLive } from '../live.ts'
import { Badge, Empty, Heading, Spark } from '../parts/basics.tsx'
import { Chart } from '../parts/chart.tsx'
import { type ProblemQueue, problemsOf } from '../problems.ts'
import { link } from '../route.ts'

const SHOWN = 12
/** What a chart draws: more would be finer than its pixels. */
const POINTS_MAX = 400

export function OverviewPage() {
  const view = useLive()
  const { stats } = view
  const problems = problemsOf(view)
  if (stats === undefined) return <p class="faint">Reading the figures…</p>
  if (stats.queueCount === 0) {
    return (
      <>
        <Heading title="Overview" />
        <Empty title="Nothing on the spindle yet">
          Declare a queue and send to it: <code>npx spindle message send hello '"order up"'</code>, any SQS or AMQP
          client, or <a href="#/send">the form here</a>.
        </Empty>
      </>
    )
  }
  return (
    <>
      <Heading
        title="Overview"
        sub={`${exactly(stats.queueCount)} queues, up ${duration(stats.process.upSeconds * 1_000)}`}
      />
      <Slips view={view} />
      <div class="columns">
        <section aria-labelledby="attention">
          <h2 id="attention">Needs attention</h2>
          <Problems problems={problems} />
        </section>
        <section aria-labelledby="reasons">
          <h2 id="reasons">Why messages die</h2>
          <Reasons />
        </section>
      </div>
      <Charts view={view} />
      <section aria-labelledby="busy">
        <h2 id="busy">Busiest queues</h2>
        <Busiest view={view} />
      </section>
    </>
  )
}

function Slips({ view }: { readonly view: LiveView }) {
  const { stats, samples } = view
  if (stats === undefined) return null
  const { sums } = stats
  const latest = samples.at(-1)
  return (
    <div class="slips">
      <Slip label="Waiting" value={count(sums.ready)} exact={sums.ready} tone="ready" href="#/queues?sort=waiting">
        {sums.delayed > 0 ? `${count(sums.delayed)} more are not due yet` : 'ready to be taken'}
      </Slip>
      <Slip label="Running" value={count(sums.leased)} exact={sums.leased} tone="leased" href="#/connections">
        held by workers
      </Slip>
      <Slip label="Dead" value={count(sums.dead)} exact={sums.dead} tone="dead" href="#/dead">
        {sums.dead === 0 ? 'nothing gave up' : 'gave up, and wait for you'}
      </Slip>
      <Slip label="In" value={`${perSecond(latest?.in ?? 0)}/s`} tone="plain">
        {count(stats.totals.appended)} since the start
      </Slip>
      <Slip label="Out" value={`${perSecond(latest?.out ?? 0)}/s`} tone="plain">
        {count(stats.totals.acked)} done
      </Slip>
      <Slip
        label="Oldest waits"
        value={latest?.oldestMs == null ? '–' : duration(latest.oldestMs)}
        tone="plain"
        href="#/queues?sort=age"
      >
        {bytes(sums.bytes)} held
      </Slip>
    </div>
  )
}

function Slip({
  label,
  value,
  exact,
  tone,
  href,
  children,
}: {
  readonly label: string
  readonly value: string
  readonly exact?: number
  readonly tone: string
  readonly href?: string
  readonly children: ComponentChildren
}) {
  const inside = (
    <>
      <span class="slip-label">{label}</span>
      <strong data-figure={label} data-exact={exact} title={exact === undefined ? undefined : exactly(exact)}>
        {value}
      </strong>
      <small>{children}</small>
    </>
  )
  return href === undefined ? (
    <div class={`slip tone-${tone}`}>{inside}</div>
  ) : (
    <a class={`slip tone-${tone}`} href={href}>
      {inside}
    </a>
  )
}

const KINDS = { failing: 'dead', stuck: 'warn', growing: 'delayed', old: 'plain' } as const

function Problems({ problems }: { readonly problems: readonly ProblemQueue[] }) {
  if (problems.length === 0) return <p class="calm">All calm: nothing fails, nothing is stuck, nothing grows.</p>
  return (
    <ul class="list">
      {problems.slice(0, SHOWN).map(({ name, kind, words }) => (
        <li key={name}>
          <a class="row-link" href={link(['queues', name], kind === 'failing' ? { state: 'dead' } : {})}>
            <Badge tone={KINDS[kind]}>{kind}</Badge>
            <span class="grow">{name}</span>
            <span class="faint">{words}</span>
          </a>
        </li>
      ))}
      {problems.length > SHOWN && (
        <li class="faint">
          and {problems.length - SHOWN} more: <a href="#/queues?sort=dead">see all queues</a>
        </li>
      )}
    </ul>
  )
}

function Reasons() {
  const { data } = useData((signal) => get<DeadLetters>('/dead', {}, signal), 'dead', 3_000)
  if (data === undefined) return <p class="faint">Looking…</p>
  if (data.groups.length === 0) return <p class="calm">No dead letters.</p>
  return (
    <ul class="list">
      {data.groups.slice(0, 6).map(({ queue, state, reason, error, message, diedIn, count: dead }) => (
        <li key={`${queue}${state}${reason}${error}${diedIn}`}>
          <a class="row-link" href={link(['queues', queue], { state, reason, error, diedIn })}>
            <strong class="num">{count(dead)}</strong>
            <span class="grow clip">
              <b>{error ?? reason ?? 'unknown'}</b> {message !== null && <span class="faint">{message}</span>}
            </span>
            <span class="faint">{diedIn ?? queue}</span>
          </a>
        </li>
      ))}
    </ul>
  )
}

function Charts({ view }: { readonly view: LiveView }) {
  const { samples } = view
  const points = useMemo(() => thinned(samples), [samples])
  const last = samples.at(-1)
  const times = points.map(({ atMs }) => atMs)
  return (
    <div class="charts">
      <Chart
        title="Rate"
        times={times}
        format={perSecond}
        latest={`${perSecond(last?.in ?? 0)}/s`}
        lines={[
          { label: 'in', color: '--ready', values: points.map((one) => one.in), fill: true },
          { label: 'out', color: '--leased', values: points.map((one) => one.out) },
        ]}
      />
      <Chart
        title="Depth"
        times={times}
        format={count}
        latest={count(last?.depth ?? 0)}
        lines={[{ label: 'depth', color: '--delayed', values: points.map(({ depth }) => depth), fill: true }]}
      />
      <Chart
        title="Oldest waits"
        times={times}
        format={duration}
        latest={last?.oldestMs == null ? '–' : duration(last.oldestMs)}
        lines={[{ label: 'oldest', color: '--warn', values: points.map(({ oldestMs }) => oldestMs), fill: true }]}
      />
      <Chart
        title="Work on one, p99"
        times={times}
        format={duration}
        latest={last?.runP99Ms == null ? '–' : duration(last.runP99Ms)}
        lines={[{ label: 'p99', color: '--accent', values: points.map(({ runP99Ms }) => runP99Ms), fill: true }]}
      />
    </div>
  )
}

function thinned<T>(points: readonly T[]): readonly T[] {
  if (points.length <= POINTS_MAX) return points
  const each = Math.ceil(points.length / POINTS_MAX)
  return points.filter((_, i) => i % each === 0 || i === points.length - 1)
}

function Busiest({ view }: { readonly view: LiveView }) {
  const queues = [...(view.stats?.queues ?? [])]
    .map((queue) => ({ queue, rates: ratesOf(view, queue.name) }))
    .sort((a, b) => b.rates.in + b.rates.out - a.rates.in - a.rates.out || b.queue.ready - a.queue.ready)
    .slice(0, 10)
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Queue</th>
            <th scope="col" class="num">
              In/s
            </th>
            <th scope="col" class="num">
              Out/s
            </th>
            <th scope="col" class="num">
              Waiting
            </th>
            <th scope="col" class="num">
              Running
            </th>
            <th scope="col" class="num">
              Dead
            </th>
            <th scope="col">Depth</th>
          </tr>
        </thead>
        <tbody>
          {queues.map(({ queue, rates }) => (
            <tr key={queue.name}>
              <td>
                <a class="row-link" href={link(['queues', queue.name])}>
                  {queue.name}
                </a>
              </td>
              <td class="num">{perSecond(rates.in)}</td>
              <td class="num">{perSecond(rates.out)}</td>
              <td class="num">{count(queue.ready + queue.delayed)}</td>
              <td class="num">{count(queue.leased)}</td>
              <td class={queue.dead > 0 ? 'num bad' : 'num'}>{count(queue.dead)}</td>
              <td>
                <Spark points={rates.spark} label={`Depth of ${queue.name}`} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
