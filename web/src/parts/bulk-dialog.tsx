/** What is about to happen to how many messages: counted first, then done, with progress. */
import { useEffect, useState } from 'preact/hooks'
import type { BulkAction, BulkInfo, CountedMessages, MessageFilter } from '../../../src/frontends/admin/api.ts'
import { get, post, remove, seg } from '../client.ts'
import { exactly, plural } from '../format.ts'
import { Fault, Field } from './basics.tsx'
import { Dialog } from './dialog.tsx'

const POLL_MS = 250

export interface BulkWish {
  readonly queue: string
  readonly action: BulkAction
  readonly filter: MessageFilter
}

const VERBS: Readonly<Record<BulkAction, { readonly title: string; readonly button: string; readonly done: string }>> =
  {
    retry: { title: 'Send back to work', button: 'Redrive', done: 'sent back' },
    move: { title: 'Move to another queue', button: 'Move', done: 'moved' },
    discard: { title: 'Discard for good', button: 'Discard', done: 'discarded' },
  }

export function filterQuery({ states, ids, ...rest }: MessageFilter): Record<string, string | number | undefined> {
  return { ...rest, ...(states && { state: states.join(',') }), ...(ids && { ids: ids.join(',') }) }
}

export function BulkDialog({ wish, onClose }: { readonly wish: BulkWish; readonly onClose: () => void }) {
  const { queue, action, filter } = wish
  const { title, button, done } = VERBS[action]
  const [counted, setCounted] = useState<{ count: number; looked: number; complete: boolean }>()
  const [bulk, setBulk] = useState<BulkInfo>()
  const [target, setTarget] = useState('')
  const [fault, setFault] = useState<Error>()

  useEffect(() => {
    let going = true
    const count = async (): Promise<void> => {
      let [sum, looked] = [0, 0]
      let cursor: string | null = ''
      while (cursor !== null && going) {
        const page: CountedMessages = await get(`/queues/${seg(queue)}/count`, { ...filterQuery(filter), cursor })
        sum += page.count
        looked += page.looked
        cursor = page.next
        if (going) setCounted({ count: sum, looked, complete: cursor === null })
      }
    }
    count().catch(setFault)
    return () => {
      going = false
    }
  }, [queue, filter])

  useEffect(() => {
    if (bulk?.state !== 'running') return
    const timer = setTimeout(() => get<BulkInfo>(`/bulks/${bulk.id}`).then(setBulk, setFault), POLL_MS)
    return () => clearTimeout(timer)
  }, [bulk])

  const start = (event: Event): void => {
    event.preventDefault()
    const order = { queue, action, filter, ...(action === 'move' ? { target } : {}) }
    post<BulkInfo>('/bulks', order).then(setBulk, setFault)
  }
  const cancel = (): void => {
    if (bulk !== undefined) remove<BulkInfo>(`/bulks/${bulk.id}`).then(setBulk, setFault)
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={start}>
        <p>
          {counted === undefined ? (
            'Counting…'
          ) : (
            <span data-count={counted.complete ? counted.count : undefined}>
              <strong>{plural(counted.count, 'message')}</strong> of <code>{queue}</code>
              {counted.complete ? '.' : ` so far, of ${exactly(counted.looked)} looked at…`}
            </span>
          )}
          {action === 'discard' && ' What is discarded cannot be brought back.'}
          {action === 'retry' && ' Each goes back to the queue where it died, with its attempts anew.'}
        </p>
        {action === 'move' && (
          <Field label="To queue">
            <input value={target} required onInput={(event) => setTarget(event.currentTarget.value)} />
          </Field>
        )}
        {bulk !== undefined && (
          <div class="progress" role="status" data-bulk={bulk.state}>
            <progress
              value={bulk.state === 'running' ? bulk.looked : Math.max(1, bulk.about)}
              max={Math.max(1, bulk.about)}
            />
            <p>
              {exactly(bulk.done)} {done}
              {bulk.failed > 0 && `, ${exactly(bulk.failed)} left where they were`}
              {bulk.state === 'completed' && '. Done.'}
              {bulk.state === 'cancelled' && '. Stopped; the rest is where it was.'}
              {bulk.state === 'failed' && `. It failed: ${bulk.reason ?? 'unknown'}`}
            </p>
          </div>
        )}
        <Fault fault={fault} />
        <div class="dialog-foot">
          {bulk === undefined && (
            <button
              type="submit"
              class={action === 'discard' ? 'danger' : 'primary'}
              disabled={counted?.complete !== true || counted.count === 0}
            >
              {counted?.complete === true ? `${button} ${plural(counted.count, 'message')}` : button}
            </button>
          )}
          {bulk?.state === 'running' && (
            <button type="button" onClick={cancel}>
              Stop
            </button>
          )}
        </div>
      </form>
    </Dialog>
  )
}
