/** Messages of one queue that pass a filter: page by page, with a selection. */
import { useEffect, useState } from 'preact/hooks'
import type { FoundMessages, MessageFilter, MessageInfo } from '../../../src/frontends/admin/api.ts'
import { get, seg } from '../client.ts'
import { useData } from '../data.ts'
import { exactly } from '../format.ts'
import { Badge, Empty, Fault, Time, type Tone } from './basics.tsx'
import { filterQuery } from './bulk-dialog.tsx'
import { errorWords } from './message-drawer.tsx'

const PAGE = 50

export function MessageList({
  queue,
  filter,
  opened,
  onOpen,
  selected,
  onSelect,
}: {
  readonly queue: string
  readonly filter: MessageFilter
  readonly opened: string | null
  readonly onOpen: (id: string) => void
  readonly selected: ReadonlySet<string>
  readonly onSelect: (selected: ReadonlySet<string>) => void
}) {
  const key = `${queue}\n${JSON.stringify(filter)}`
  const [cursors, setCursors] = useState<readonly string[]>([])
  useEffect(() => setCursors([]), [key])
  const cursor = cursors.at(-1) ?? ''
  const { data, fault } = useData(
    (signal) =>
      get<FoundMessages>(`/queues/${seg(queue)}/search`, { ...filterQuery(filter), cursor, limit: PAGE }, signal),
    `${key}\n${cursor}`,
    900,
  )
  if (data === undefined) return fault === undefined ? <p class="faint">Looking…</p> : <Fault fault={fault} />
  const { items, next, looked } = data
  const all = items.length > 0 && items.every(({ id }) => selected.has(id))
  const toggle = (id: string): void => {
    const changed = new Set(selected)
    if (!changed.delete(id)) changed.add(id)
    onSelect(changed)
  }
  return (
    <>
      {items.length === 0 ? (
        <Empty title={next === null ? 'No message like that' : 'None among those looked at so far'}>
          {looked > 0 && `${exactly(looked)} messages looked at.`}
        </Empty>
      ) : (
        <div class="scroll">
          <table class="messages">
            <thead>
              <tr>
                <th scope="col">
                  <input
                    type="checkbox"
                    aria-label="Select all of this page"
                    checked={all}
                    onChange={() => onSelect(new Set(all ? [] : items.map(({ id }) => id)))}
                  />
                </th>
                <th scope="col">Message</th>
                <th scope="col">Type</th>
                <th scope="col">State</th>
                <th scope="col" class="num">
                  Attempts
                </th>
                <th scope="col">Enqueued</th>
              </tr>
            </thead>
            <tbody>
              {items.map((message) => (
                <Row
                  key={message.id}
                  message={message}
                  opened={message.id === opened}
                  selected={selected.has(message.id)}
                  onOpen={onOpen}
                  onToggle={toggle}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div class="pager">
        <button type="button" disabled={cursors.length === 0} onClick={() => setCursors(cursors.slice(0, -1))}>
          ‹ Before
        </button>
        <button type="button" disabled={next === null} onClick={() => next !== null && setCursors([...cursors, next])}>
          {items.length === 0 && next !== null ? 'Look on ›' : 'Next ›'}
        </button>
        {looked > items.length && <span class="faint">{exactly(looked)} looked at</span>}
      </div>
    </>
  )
}

function Row({
  message,
  opened,
  selected,
  onOpen,
  onToggle,
}: {
  readonly message: MessageInfo
  readonly opened: boolean
  readonly selected: boolean
  readonly onOpen: (id: string) => void
  readonly onToggle: (id: string) => void
}) {
  const { id, body, encoding, type, state, attempts, enqueuedAtMs, dueAtMs, groupId, note, history } = message
  const error = errorWords(note)
  const reason = history.at(-1)?.reason
  return (
    <tr class={opened ? 'opened' : ''}>
      <td>
        <input type="checkbox" aria-label={`Select message ${id}`} checked={selected} onChange={() => onToggle(id)} />
      </td>
      <td class="body-cell">
        <button type="button" class="row-link quiet" title={id} onClick={() => onOpen(id)}>
          <span class="unseen">Open message</span>
          <code>{encoding === 'base64' ? `${message.bodyBytes} bytes` : body.slice(0, 160) || '(empty)'}</code>
        </button>
        {(error !== undefined || state === 'dead') && (
          <small class="why">
            {reason !== undefined && <b>{reason}</b>} {error?.name} {error?.message.slice(0, 200)}
          </small>
        )}
      </td>
      <td class="clip">
        {type}
        {groupId !== null && <small class="faint"> {groupId}</small>}
      </td>
      <td>
        <Badge tone={state as Tone}>{state}</Badge>
        {dueAtMs !== null && (
          <small class="faint">
            {' '}
            <Time at={dueAtMs} />
          </small>
        )}
      </td>
      <td class="num">{attempts}</td>
      <td>
        <Time at={enqueuedAtMs} />
      </td>
    </tr>
  )
}
