/** One message: what it says, what became of it, and what can be done with it. */
import { useState } from 'preact/hooks'
import type { MessageInfo, RetryAnswer, RetryOrder } from '../../../src/frontends/admin/api.ts'
import { get, post, seg } from '../client.ts'
import { useData } from '../data.ts'
import { plural } from '../format.ts'
import { link } from '../route.ts'
import { useWriting } from '../session.ts'
import { Badge, Empty, Fault, Field, Time, type Tone } from './basics.tsx'
import { BodyView } from './body-view.tsx'
import type { BulkWish } from './bulk-dialog.tsx'
import { TaskPart } from './task-part.tsx'

export interface ErrorWords {
  readonly name: string | null
  readonly message: string
  readonly stack?: string
}

/** What a task's failed attempt left, or plain words. */
export function errorWords(note: string | null): ErrorWords | undefined {
  if (note === null) return undefined
  try {
    const { name, message, stack } = JSON.parse(note) as Record<string, unknown>
    if (typeof message === 'string') {
      return { name: typeof name === 'string' ? name : null, message, ...(typeof stack === 'string' ? { stack } : {}) }
    }
  } catch {
    // Plain words.
  }
  return { name: null, message: note }
}

export function MessageDrawer({
  id,
  onClose,
  onWish,
}: {
  readonly id: string
  readonly onClose: () => void
  readonly onWish: (wish: BulkWish) => void
}) {
  const { data: message, fault } = useData((signal) => get<MessageInfo>(`/messages/${seg(id)}`, {}, signal), id, 1_500)
  const [editing, setEditing] = useState(false)
  const [answer, setAnswer] = useState<RetryAnswer>()
  const writing = useWriting()
  return (
    <aside class="drawer" aria-label="Message">
      <div class="drawer-head">
        <h2>
          Message <code>{id}</code>
        </h2>
        <button type="button" class="quiet" aria-label="Close the message" onClick={onClose}>
          ✕
        </button>
      </div>
      {answer !== undefined && (
        <p class="note" role="status">
          Sent to <a href={link(['queues', answer.queue])}>{answer.queue}</a>.
        </p>
      )}
      {message === undefined ? (
        fault === undefined ? (
          <p class="faint">Looking…</p>
        ) : (
          <Empty title="It is gone">Settled, moved on or removed since the list was read.</Empty>
        )
      ) : (
        <>
          <Facts message={message} />
          <Problem message={message} />
          {message.type !== null && <TaskPart id={id} />}
          {editing ? (
            <EditForm
              message={message}
              onDone={(done) => {
                setAnswer(done)
                setEditing(false)
              }}
              onCancel={() => setEditing(false)}
            />
          ) : (
            <BodyView body={message.body} encoding={message.encoding} size={message.bodyBytes} />
          )}
          <Headers message={message} />
          <History message={message} />
          {writing && !editing && message.state !== 'leased' && message.state !== 'done' && (
            <div class="drawer-foot">
              <button type="button" class="primary" onClick={() => onWish(wishOf(message, 'retry'))}>
                {message.state === 'dead' ? 'Redrive' : 'Send again'}
              </button>
              <button type="button" onClick={() => setEditing(true)}>
                Edit and retry
              </button>
              <button type="button" onClick={() => onWish(wishOf(message, 'move'))}>
                Move
              </button>
              <button type="button" class="danger" onClick={() => onWish(wishOf(message, 'discard'))}>
                Discard
              </button>
            </div>
          )}
        </>
      )}
    </aside>
  )
}

function wishOf({ queue, id, state }: MessageInfo, action: BulkWish['action']): BulkWish {
  return { queue, action, filter: { ids: [id], states: [state] } }
}

function Facts({ message }: { readonly message: MessageInfo }) {
  const {
    state,
    type,
    groupId,
    dedupId,
    priority,
    attempts,
    deliveries,
    enqueuedAtMs,
    dueAtMs,
    expiresAtMs,
    sequence,
  } = message
  return (
    <dl class="facts">
      <dt>State</dt>
      <dd>
        <Badge tone={state as Tone}>{state}</Badge>
      </dd>
      {type !== null && (
        <>
          <dt>Type</dt>
          <dd>{type}</dd>
        </>
      )}
      <dt>Enqueued</dt>
      <dd>
        <Time at={enqueuedAtMs} />
      </dd>
      {dueAtMs !== null && (
        <>
          <dt>{state === 'leased' ? 'Lease ends' : 'Due'}</dt>
          <dd>
            <Time at={dueAtMs} />
          </dd>
        </>
      )}
      {expiresAtMs !== null && (
        <>
          <dt>Expires</dt>
          <dd>
            <Time at={expiresAtMs} />
          </dd>
        </>
      )}
      <dt>Attempts</dt>
      <dd>
        {attempts} spent, {plural(deliveries, 'delivery', 'deliveries')}
      </dd>
      {groupId !== null && (
        <>
          <dt>Group</dt>
          <dd>{groupId}</dd>
        </>
      )}
      {dedupId !== null && (
        <>
          <dt>Dedup id</dt>
          <dd>{dedupId}</dd>
        </>
      )}
      <dt>Place</dt>
      <dd>
        priority {priority}, number {sequence}
      </dd>
    </dl>
  )
}

function Problem({ message }: { readonly message: MessageInfo }) {
  const error = errorWords(message.note)
  if (error === undefined) return null
  return (
    <section class="problem" aria-label="Error of the latest attempt">
      <strong>{error.name ?? 'Note'}</strong>
      <p>{error.message}</p>
      {error.stack !== undefined && (
        <details>
          <summary>Stack</summary>
          <pre tabIndex={0}>{error.stack}</pre>
        </details>
      )}
    </section>
  )
}

function Headers({ message }: { readonly message: MessageInfo }) {
  const entries = Object.entries(message.headers)
  if (entries.length === 0) return null
  return (
    <section aria-label="Headers">
      <h3>Headers</h3>
      <dl class="facts mono">
        {entries.map(([name, value]) => (
          <>
            <dt key={name}>{name}</dt>
            <dd>{typeof value === 'object' ? `${value.base64} (base64)` : String(value)}</dd>
          </>
        ))}
      </dl>
    </section>
  )
}

function History({ message }: { readonly message: MessageInfo }) {
  const { history, firstLeasedAtMs, endedAtMs, enqueuedAtMs } = message
  return (
    <section aria-label="History">
      <h3>History</h3>
      <ol class="history">
        <li>
          <Time at={enqueuedAtMs} /> appended to <code>{message.queue}</code>
        </li>
        {firstLeasedAtMs !== null && (
          <li>
            <Time at={firstLeasedAtMs} /> delivered for the first time
          </li>
        )}
        {history.map(({ queue, reason, count, atMs, attempts }) => (
          <li key={`${queue}/${reason}`}>
            <Time at={atMs} /> died in <code>{queue}</code> of <Badge tone="dead">{reason}</Badge> after{' '}
            {plural(attempts, 'attempt')}
            {count > 1 && `, ${count} times in all`}
          </li>
        ))}
        {endedAtMs !== null && history.length === 0 && (
          <li>
            <Time at={endedAtMs} /> came to its end
          </li>
        )}
      </ol>
    </section>
  )
}

function EditForm({
  message,
  onDone,
  onCancel,
}: {
  readonly message: MessageInfo
  readonly onDone: (answer: RetryAnswer) => void
  readonly onCancel: () => void
}) {
  const [body, setBody] = useState(message.body)
  const [target, setTarget] = useState(message.history.at(-1)?.queue ?? message.queue)
  const [fault, setFault] = useState<Error>()
  const headers: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(message.headers)) if (typeof value !== 'object') headers[name] = value
  const send = (event: Event): void => {
    event.preventDefault()
    const changed = {
      body,
      encoding: message.encoding,
      headers,
      ...(message.type === null ? {} : { type: message.type }),
    }
    post<RetryAnswer>(`/messages/${seg(message.id)}/retry`, { target, message: changed } satisfies RetryOrder).then(
      onDone,
      setFault,
    )
  }
  return (
    <form class="edit" onSubmit={send}>
      <Field label="Body" hint={message.encoding === 'base64' ? '(base64)' : ''} wide>
        <textarea rows={10} spellcheck={false} value={body} onInput={(event) => setBody(event.currentTarget.value)} />
      </Field>
      <Field label="To queue" wide>
        <input value={target} required onInput={(event) => setTarget(event.currentTarget.value)} />
      </Field>
      <Fault fault={fault} />
      <div class="row">
        <button type="submit" class="primary">
          Send it back
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  )
}
