/**
 * Cancelling and retrying by id. A waiting task is leased and acked as cancelled. A running one is told twice: by an
 * announcement, heard at once, and by a record, which its worker (or the next one) finds if it did not hear.
 */
import type { Port, SimpleStep } from '../client/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { Delivery, MessageId, MessageView } from '../model/message.ts'
import { cancelledKept } from './ending.ts'

/** One channel for all: a worker listens once, not once a task. The data is the id. */
export const CANCEL_CHANNEL = 'task-cancel'
/** Turns to catch a message that moves between waiting and running while it is looked at. */
const TURNS_MAX = 10
const LEASE_MS = 30_000

export const CANCEL_PREFIX = 'spindle/cancel/'

export function cancelKey(id: MessageId): string {
  return `${CANCEL_PREFIX}${id}`
}

export interface CancelParts {
  readonly port: Port
  /** How long the status of the cancelled task stays, ms. */
  readonly retainMs: number
  /** What must be stored together with the end of this task: its webhook. */
  readonly alongside: (delivery: Delivery) => Promise<readonly SimpleStep[]>
}

/** false: it had ended already. Rejects with `not-found`. */
export async function cancelTask(id: MessageId, parts: CancelParts): Promise<boolean> {
  const { port } = parts
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const view = await port.find(id)
    if (view === undefined) {
      if (turn === 0) throw new SpindleError('not-found', `cancel task ${id}`)
      return false
    }
    switch (view.state) {
      case 'done':
      case 'dead':
        return false
      case 'ready':
      case 'delayed':
        if (await cancelWaiting(view, parts)) return true
        break
      case 'leased':
        if (await cancelRunning(port, id)) return true
        break
      default:
        view.state satisfies never
    }
  }
  throw new SpindleError('timeout', `cancel task ${id}, which did not stand still`)
}

async function cancelWaiting({ id, queue }: MessageView, { port, retainMs, alongside }: CancelParts): Promise<boolean> {
  const [delivery] = await port.receive({
    queue,
    max: 1,
    lease: { kind: 'clock', leaseMs: LEASE_MS },
    from: { kind: 'ids', ids: [id] },
  })
  if (delivery === undefined) return false
  const how = retainMs === 0 ? ({ kind: 'ack' } as const) : ({ kind: 'ack', keep: cancelledKept(), retainMs } as const)
  const settle = { kind: 'settle', receipt: delivery.receipt, how, id } as const
  await port.transact([settle, ...(await alongside(delivery))])
  return true
}

/** true: it still ran once the request was on record, so that its worker finds it whatever happens. */
async function cancelRunning(port: Port, id: MessageId): Promise<boolean> {
  await port.transact([{ kind: 'record', key: cancelKey(id), value: Buffer.from('{}') }])
  port.announce(CANCEL_CHANNEL, Buffer.from(id))
  const view = await port.find(id)
  if (view?.state === 'leased') return true
  const record = await port.read(cancelKey(id))
  if (record !== undefined) await port.transact([{ kind: 'record', key: cancelKey(id), value: null }])
  // Its worker was faster than this look: the record is gone because it was obeyed.
  return record === undefined && view?.state === 'done'
}

/** A failed task starts anew: same id, attempts from 0. false: it has not failed. Rejects with `not-found`. */
export async function retryTask(port: Port, id: MessageId): Promise<boolean> {
  const view = await port.find(id)
  if (view === undefined) throw new SpindleError('not-found', `retry task ${id}`)
  if (view.state !== 'dead') return false
  const [delivery] = await port.receive({
    queue: view.queue,
    max: 1,
    lease: { kind: 'clock', leaseMs: LEASE_MS },
    from: { kind: 'dead', ids: [id] },
  })
  if (delivery === undefined) return false
  await port.transact([
    { kind: 'settle', receipt: delivery.receipt, how: { kind: 'ack' }, id },
    { kind: 'append', queue: view.queue, message: again(delivery) },
  ])
  return true
}

function again({ id, content, priority, groupId, history }: Delivery): Parameters<Port['append']>[1][number] {
  return { id, content, priority, history, ...(groupId === undefined ? {} : { groupId }) }
}
