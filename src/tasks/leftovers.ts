/**
 * Records of tasks that ended where nobody could remove them: their worker died, and the store judged them lost or
 * exhausted. Swept when a worker starts.
 */
import type { Port } from '../client/port.ts'
import type { MessageId } from '../model/message.ts'
import { CANCEL_PREFIX } from './cancel.ts'
import { PROGRESS_PREFIX } from './progress.ts'

const PAGE = 500

/** Removes progress and requests to cancel of tasks that have ended or are gone; resolves to how many. */
export async function sweepLeftovers(port: Port): Promise<number> {
  let removed = 0
  for (const prefix of [PROGRESS_PREFIX, CANCEL_PREFIX]) removed += await sweep(port, prefix)
  return removed
}

async function sweep(port: Port, prefix: string): Promise<number> {
  let removed = 0
  let after: string | undefined
  for (;;) {
    const records = await port.scan(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    const views = await Promise.all(records.map(({ key }) => port.find(key.slice(prefix.length) as MessageId)))
    const keys = records.flatMap(({ key }, i) => {
      const state = views[i]?.state
      return state === undefined || state === 'done' || state === 'dead' ? [key] : []
    })
    if (keys.length > 0) {
      await port.transact(
        keys.map((key) => ({ kind: 'record', key, value: null }) as const),
        { relaxed: true },
      )
    }
    removed += keys.length
    after = records.at(-1)?.key
    if (records.length < PAGE) return removed
  }
}
