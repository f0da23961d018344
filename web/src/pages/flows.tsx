/** Workflows: a list, and one of them as a picture of its parts. */
import { useState } from 'preact/hooks'
import type { FlowDetail, FlowInfo, FlowPart, Page } from '../../../src/frontends/admin/api.ts'
import { get, post, seg } from '../client.ts'
import { useData } from '../data.ts'
import { duration } from '../format.ts'
import { Badge, Empty, Fault, Heading, Time, type Tone } from '../parts/basics.tsx'
import { link, type Place, refine } from '../route.ts'
import { useWriting } from '../session.ts'

const TONES: Readonly<Record<FlowPart['state'], Tone>> = {
  waiting: 'plain',
  running: 'leased',
  succeeded: 'done',
  failed: 'dead',
  cancelled: 'warn',
}
const ORDER: Readonly<Record<FlowInfo['state'], number>> = { failed: 0, running: 1, cancelled: 2, succeeded: 3 }

export function FlowsPage({ place }: { readonly place: Place }) {
  const id = place.parts[1]
  return id === undefined ? <FlowList place={place} /> : <FlowPage id={id} />
}

function FlowList({ place }: { readonly place: Place }) {
  const after = place.query.get('after') ?? ''
  const { data, fault } = useData((signal) => get<Page<FlowInfo>>('/flows', { after }, signal), after, 1_500)
  const items = [...(data?.items ?? [])].sort(
    (a, b) => ORDER[a.state] - ORDER[b.state] || b.startedAtMs - a.startedAtMs,
  )
  return (
    <>
      <Heading title="Workflows" sub="Tasks that follow from each other" />
      <Fault fault={fault} />
      {data?.items.length === 0 && (
        <Empty title="No workflows">
          <code>spindle.start(chain(step(first), step(second)))</code> begins one.
        </Empty>
      )}
      {items.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Workflow</th>
                <th scope="col">State</th>
                <th scope="col">Started</th>
                <th scope="col">Took</th>
                <th scope="col">Outcome</th>
              </tr>
            </thead>
            <tbody>
              {items.map(({ id, state, startedAtMs, endedAtMs, error, result }) => (
                <tr key={id}>
                  <td>
                    <a class="row-link" href={link(['flows', id])}>
                      <code>{id.slice(0, 12)}</code>
                    </a>
                  </td>
                  <td>
                    <Badge tone={TONES[state]}>{state}</Badge>
                  </td>
                  <td>
                    <Time at={startedAtMs} />
                  </td>
                  <td>{endedAtMs === null ? '' : duration(endedAtMs - startedAtMs)}</td>
                  <td class="clip">{error === null ? result : `${error.name}: ${error.message}`}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data?.next != null && (
        <div class="pager">
          <button type="button" onClick={() => refine(['flows'], { after: data.next })}>
            Next ›
          </button>
        </div>
      )}
    </>
  )
}

function FlowPage({ id }: { readonly id: string }) {
  const { data, fault, reload } = useData((signal) => get<FlowDetail>(`/flows/${seg(id)}`, {}, signal), id, 900)
  const [refused, setRefused] = useState<Error>()
  const writing = useWriting()
  if (data === undefined)
    return fault === undefined ? (
      <p class="faint">Looking…</p>
    ) : (
      <Empty title="There is no such workflow">{fault.message}</Empty>
    )
  const { state, startedAtMs, endedAtMs, error, result, root } = data
  const steer = (act: 'cancel' | 'retry'): void => void post(`/flows/${seg(id)}/${act}`).then(reload, setRefused)
  return (
    <>
      <Heading
        title={
          <>
            Workflow <code>{id.slice(0, 12)}</code> <Badge tone={TONES[state]}>{state}</Badge>
          </>
        }
        sub={
          <>
            started <Time at={startedAtMs} />
            {endedAtMs !== null && `, took ${duration(endedAtMs - startedAtMs)}`}
          </>
        }
      >
        {writing && state === 'running' && (
          <button type="button" class="danger" onClick={() => steer('cancel')}>
            Cancel
          </button>
        )}
        {writing && (state === 'failed' || state === 'cancelled') && (
          <button type="button" class="primary" onClick={() => steer('retry')}>
            Go on where it failed
          </button>
        )}
      </Heading>
      <Fault fault={refused} />
      {error !== null && (
        <section class="problem" aria-label="Error">
          <strong>{error.name}</strong>
          <p>{error.message}</p>
        </section>
      )}
      {result !== null && (
        <section aria-label="Result">
          <h2>Result</h2>
          <pre tabIndex={0}>{result}</pre>
        </section>
      )}
      {root !== null && (
        <section class="scroll flow" aria-label="Parts of the workflow" tabIndex={0}>
          <Part part={root} />
        </section>
      )}
    </>
  )
}

function Part({ part }: { readonly part: FlowPart }) {
  const { kind, name, state, queue, error, children, more } = part
  if (kind === 'step') {
    return (
      <a
        class={`step tone-${TONES[state]}`}
        href={link(['queues', queue ?? ''], { type: name })}
        title={error ?? undefined}
      >
        <b>{name}</b>
        <small>{state}</small>
        {error !== null && <small class="clip">{error}</small>}
      </a>
    )
  }
  const done = children.filter((child) => child.state === 'succeeded').length
  return (
    <div class={`part ${kind === 'group' ? 'side-by-side' : kind} tone-${TONES[state]}`}>
      {kind === 'group' && (
        <small class="part-name">
          {name}: {done} of {children.length + more}
        </small>
      )}
      <ol>
        {children.map((child) => (
          <li key={child.path}>
            <Part part={child} />
          </li>
        ))}
        {more > 0 && <li class="faint">and {more} more</li>}
      </ol>
    </div>
  )
}
