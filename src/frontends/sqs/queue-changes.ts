/** Changes of a queue's record: read, changed, and written only if nobody else wrote meanwhile; tried again otherwise. */
import { isFault, SpindleError } from '../../model/errors.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import type { SqsContext } from './context.ts'
import { queueDoesNotExist } from './errors.ts'
import type { SqsQueue } from './queue-directory.ts'
import { encodeRecord, type QueueRecord, recordKey } from './queue-record.ts'

const TRIES_MAX = 10

export interface QueueChange {
  readonly attributes?: QueueRecord['attributes']
  readonly tags?: QueueRecord['tags']
  /** Fields that change with it, in the same unit. */
  readonly policy?: Partial<QueuePolicy>
}

/** `change` sees the queue as it is now and may throw; undefined: nothing to do. Throws `QueueDoesNotExist` when the queue goes meanwhile. */
export async function changeQueue(
  context: SqsContext,
  named: SqsQueue,
  change: (queue: SqsQueue) => QueueChange | undefined,
): Promise<void> {
  const { port, clock, directory } = context
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const queue = await directory.fresh(named.store, named.address)
    if (queue === undefined) throw queueDoesNotExist()
    const wanted = change(queue)
    if (wanted === undefined) return
    const nowMs = clock.wallMs()
    const value = encodeRecord({
      attributes: wanted.attributes ?? queue.attributes,
      tags: wanted.tags ?? queue.tags,
      createdAtMs: queue.createdAtMs || nowMs,
      modifiedAtMs: nowMs,
    })
    const record = { key: recordKey(queue.store), value, expect: queue.version }
    try {
      if (wanted.policy === undefined) await port.transact([{ kind: 'record', ...record }])
      else await port.declareQueue(queue.store, wanted.policy, { records: [record] })
      directory.changed(queue.store)
      return
    } catch (fault) {
      if (!isFault(fault, 'aborted')) throw fault
    }
  }
  throw new SpindleError('overloaded', `change '${named.store}', which others change all the time`)
}
