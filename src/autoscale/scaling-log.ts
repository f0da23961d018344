/** What autoscalers decided, kept with the store as records `spindle/scaling/QUEUE/INSTANT`: the latest KEPT of each queue. */
import type { Port } from '../client/port.ts'

const PREFIX = 'spindle/scaling/'
const KEPT = 100
const RECORDS_MAX = 1_000

export interface Scaling {
  readonly atMs: number
  readonly queue: string
  readonly from: number
  readonly to: number
  readonly reason: string
  readonly waiting: number
}

/** Written relaxed: a power cut may forget the last of them. */
export async function writeScaling(port: Pick<Port, 'scan' | 'transact'>, scaling: Scaling): Promise<void> {
  const place = `${PREFIX}${encodeURIComponent(scaling.queue)}/`
  const key = `${place}${String(scaling.atMs).padStart(15, '0')}`
  const before = await port.scan(place, { limit: RECORDS_MAX })
  const old = before.slice(0, Math.max(0, before.length + 1 - KEPT))
  await port.transact(
    [
      { kind: 'record', key, value: Buffer.from(JSON.stringify(scaling)) },
      ...old.map(({ key: one }) => ({ kind: 'record', key: one, value: null }) as const),
    ],
    { relaxed: true },
  )
}

/** The latest first, of all queues together. */
export async function readScalings(port: Pick<Port, 'scan'>, limit: number): Promise<Scaling[]> {
  const all: Scaling[] = []
  let after: string | undefined
  for (;;) {
    const page = await port.scan(PREFIX, { limit: RECORDS_MAX, ...(after === undefined ? {} : { after }) })
    for (const { value } of page) all.push(JSON.parse(Buffer.from(value).toString('utf8')) as Scaling) // written above
    after = page.at(-1)?.key
    if (page.length < RECORDS_MAX) return all.sort((a, b) => b.atMs - a.atMs).slice(0, limit)
  }
}
