/**
 * What an append cannot say of a message: attempts that were spent, the note of the latest, that it is dead or done. It is lived
 * through again: leased and given back, buried or acked. Each look is at what the destination has, so it may be cut anywhere and begun again.
 */
import type { Port, SettleRequest } from '../../broker/port.ts'
import type { Death, MessageId, MessageView, NewMessage } from '../../model/message.ts'
import type { Stage } from './move-progress.ts'

/** Its leases, of an earlier attempt that was killed, are given back before all else. */
export const MOVE_HOLDER = 'spindle/move'
/** How long kept results stay behind a move, ms: how long they had left is not told. */
const RETAIN_MS = 86_400_000

/** The message as it is appended: everything that stands in it. `dedupId`: whether it still names one. */
export function newMessageOf(
  view: MessageView,
  { nowMs, stage, dedup }: { readonly nowMs: number; readonly stage: Stage; readonly dedup: boolean },
): NewMessage {
  const { content, id, priority, groupId, dedupId, dueAtMs, expiresAtMs, history, state } = view
  return {
    content,
    id,
    priority,
    delayMs: state === 'delayed' && dueAtMs !== undefined ? Math.max(0, dueAtMs - nowMs) : 0,
    history: stage === 'dead' ? beforeDeath(view) : history,
    ...(groupId === undefined ? {} : { groupId }),
    ...(dedupId === undefined || !dedup ? {} : { dedupId }),
    ...(expiresAtMs === undefined || stage !== 'waiting' ? {} : { ttlMs: Math.max(1, expiresAtMs - nowMs) }),
  }
}

/** `again`: it may have been begun before, so what the destination has is looked at. */
export async function restore(
  port: Port,
  views: readonly MessageView[],
  how: { readonly queue: string; readonly stage: Stage; readonly nowMs: number; readonly again: boolean },
): Promise<void> {
  const { stage, again } = how
  let open = new Map<MessageId, Pending>()
  for (const view of views) {
    const pending = pendingOf(view, stage)
    if (pending !== undefined) open.set(view.id, pending)
  }
  if (again) open = await whatIsLeft(port, open, stage)
  while (open.size > 0) {
    const deliveries = await port.receive({
      queue: how.queue,
      max: open.size,
      from: { kind: 'ids', ids: [...open.keys()] },
      lease: { kind: 'holder', holder: MOVE_HOLDER },
    })
    // One whose life ended meanwhile has no state left to restore.
    const got = new Set(deliveries.map(({ id }) => id))
    for (const id of open.keys()) if (!got.has(id)) open.delete(id)
    const settlements: SettleRequest[] = []
    for (const { id, receipt } of deliveries) {
      const pending = open.get(id)
      if (pending === undefined) continue
      pending.attempts--
      const isLast = pending.attempts <= 0
      settlements.push({ receipt, how: isLast ? lastOf(pending.view, how) : { kind: 'release', spend: true } })
      if (isLast) open.delete(id)
    }
    if (settlements.length > 0) await port.settle(settlements)
  }
}

interface Pending {
  readonly view: MessageView
  /** Leases still to come. */
  attempts: number
}

function pendingOf(view: MessageView, stage: Stage): Pending | undefined {
  // A lease under way is given back unspent: nobody failed.
  const spent = view.state === 'leased' ? view.attempts - 1 : view.attempts
  if (stage !== 'waiting') return { view, attempts: Math.max(1, spent) }
  return spent > 0 || view.note !== undefined ? { view, attempts: spent } : undefined
}

async function whatIsLeft(
  port: Port,
  open: ReadonlyMap<MessageId, Pending>,
  stage: Stage,
): Promise<Map<MessageId, Pending>> {
  const left = new Map<MessageId, Pending>()
  for (const [id, { view, attempts }] of open) {
    const now = await port.find(id)
    if (now === undefined || now.state === 'dead' || now.state === 'done') continue
    const missing = attempts - now.attempts
    const noted = stage === 'waiting' && now.attempts >= attempts && sameNote(now.note, view.note)
    if (!noted) left.set(id, { view, attempts: missing })
  }
  return left
}

function sameNote(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return Buffer.compare(a ?? new Uint8Array(0), b ?? new Uint8Array(0)) === 0
}

/** The end of the last lease: what the message is from then on. */
function lastOf(
  view: MessageView,
  { stage, nowMs }: { readonly stage: Stage; readonly nowMs: number },
): SettleRequest['how'] {
  const note = view.note === undefined ? {} : { note: view.note }
  switch (stage) {
    case 'dead':
      return { kind: 'bury', reason: latestDeath(view)?.reason ?? 'buried', ...note }
    case 'done':
      return { kind: 'ack', keep: view.kept ?? new Uint8Array(0), retainMs: RETAIN_MS }
    case 'waiting': {
      const spent = view.state === 'leased' ? view.attempts - 1 : view.attempts
      const { state, dueAtMs } = view
      const delayMs = state === 'delayed' && dueAtMs !== undefined ? Math.max(0, dueAtMs - nowMs) : 0
      return { kind: 'release', delayMs, spend: spent > 0, ...note }
    }
    default:
      return stage satisfies never
  }
}

/** Its history without the death that it is about to die again. */
function beforeDeath(view: MessageView): readonly Death[] {
  const latest = latestDeath(view)
  return view.history.flatMap((death) => {
    if (death !== latest) return [death]
    return death.count > 1 ? [{ ...death, count: death.count - 1 }] : []
  })
}

function latestDeath({ history, queue }: MessageView): Death | undefined {
  let latest: Death | undefined
  for (const death of history) {
    if (death.queue === queue && (latest === undefined || death.atMs >= latest.atMs)) latest = death
  }
  return latest
}
