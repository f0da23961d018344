/** Dead letters of all queues by what killed them. */
import { useState } from 'preact/hooks'
import type { DeadGroup, DeadLetters, MessageFilter } from '../../../src/frontends/admin/api.ts'
import { get } from '../client.ts'
import { useData } from '../data.ts'
import { count, exactly, plural } from '../format.ts'
import { Badge, Empty, Fault, Heading, Time } from '../parts/basics.tsx'
import { BulkDialog, type BulkWish } from '../parts/bulk-dialog.tsx'
import { link } from '../route.ts'
import { useWriting } from '../session.ts'

export function DeadPage() {
  const { data, fault, reload } = useData((signal) => get<DeadLetters>('/dead', {}, signal), 'dead', 1_500)
  const [wish, setWish] = useState<BulkWish>()
  const writing = useWriting()
  if (data === undefined) return fault === undefined ? <p class="faint">Looking…</p> : <Fault fault={fault} />
  const { queues, groups } = data
  const all = queues.reduce((sum, queue) => sum + queue.count, 0)
  const partly = queues.some((queue) => queue.looked < queue.count)
  return (
    <>
      <Heading title="Dead letters" sub={`${plural(all, 'message')} in ${plural(queues.length, 'queue')}`} />
      {groups.length === 0 && (
        <Empty title="Nothing has given up">Messages that fail for good come here, with the reason.</Empty>
      )}
      {partly && (
        <p class="note">
          There are more than can be read at once: groups are of the first{' '}
          {exactly(queues.reduce((sum, one) => sum + one.looked, 0))}; an act on a group finds all of it.
        </p>
      )}
      <ul class="groups">
        {groups.map((group) => (
          <Group
            key={JSON.stringify([group.queue, group.state, group.diedIn, group.reason, group.error])}
            group={group}
            writing={writing}
            onWish={setWish}
          />
        ))}
      </ul>
      {wish !== undefined && (
        <BulkDialog
          wish={wish}
          onClose={() => {
            setWish(undefined)
            reload()
          }}
        />
      )}
    </>
  )
}

function Group({
  group,
  writing,
  onWish,
}: {
  readonly group: DeadGroup
  readonly writing: boolean
  readonly onWish: (wish: BulkWish) => void
}) {
  const { queue, state, diedIn, reason, error, message, count: dead, latestAtMs } = group
  const filter: MessageFilter = {
    states: [state],
    ...(diedIn === null ? {} : { diedIn }),
    ...(reason === null ? {} : { reason }),
    ...(error === null ? {} : { error }),
  }
  return (
    <li class="group">
      <strong class="big num">{count(dead)}</strong>
      <div class="grow">
        <a class="row-link" href={link(['queues', queue], { state, reason, error, diedIn })}>
          {error ?? reason ?? 'unknown'}
        </a>{' '}
        {reason !== null && <Badge tone="dead">{reason}</Badge>}
        {message !== null && <p class="clip faint">{message}</p>}
        <small class="faint">
          died in <code>{diedIn ?? queue}</code>
          {diedIn !== null && diedIn !== queue && (
            <>
              , waits in <code>{queue}</code>
            </>
          )}
          , latest <Time at={latestAtMs} />
        </small>
      </div>
      {writing && (
        <div class="row">
          <button type="button" class="primary" onClick={() => onWish({ queue, action: 'retry', filter })}>
            Redrive
          </button>
          <button type="button" class="danger" onClick={() => onWish({ queue, action: 'discard', filter })}>
            Discard
          </button>
        </div>
      )}
    </li>
  )
}
