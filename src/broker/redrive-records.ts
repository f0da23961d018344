/** Redrives as records, JSON: `spindle/redrive/ID`. One that runs is taken up again when the store opens; of those that ended a few are kept. */
import type { Engine, RecordOp } from '../engine/engine.ts'
import type { RedriveState, RedriveView } from './redrive.ts'

const PREFIX = 'spindle/redrive/'
const PAGE = 1_000
const states = new Set<unknown>(['running', 'completed', 'cancelled', 'failed'] satisfies RedriveState[])

export function redriveOp(view: RedriveView): RecordOp {
  return { kind: 'record', key: PREFIX + view.id, value: new TextEncoder().encode(JSON.stringify(view)) }
}

export function removalOp(id: string): RecordOp {
  return { kind: 'record', key: PREFIX + id, value: null }
}

/** What cannot be read is left out: it could only be moved by hand anyway. */
export async function storedRedrives(engine: Engine): Promise<RedriveView[]> {
  const views: RedriveView[] = []
  for (let after: string | undefined; ; ) {
    const page = await engine.scan(PREFIX, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    for (const { value } of page) {
      const view = JSON.parse(new TextDecoder().decode(value)) as RedriveView
      if (states.has(view.state)) views.push(view)
    }
    after = page.at(-1)?.key
    if (page.length < PAGE) return views
  }
}
