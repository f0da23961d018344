/** The messages of one queue and stage in the order of the queue, in batches that one unit can take. */
import type { Port } from '../../broker/port.ts'
import type { MessageState, MessageView } from '../../model/message.ts'
import { comparePlaces, type Place, type Stage } from './move-progress.ts'

/** Messages of a batch, and bytes that end it. */
const BATCH_MAX = 100
const BATCH_BYTES_MAX = 4 * 1024 * 1024
const PAGE = 100

const STATES: Readonly<Record<Stage, readonly MessageState[]>> = {
  dead: ['dead'],
  done: ['done'],
  // A lease ends with the process that moves the store away: what was under way is waiting again.
  waiting: ['ready', 'delayed', 'leased'],
}

/** `after`: only those behind it. */
export async function* batchesOf(
  port: Port,
  { queue, stage, after }: { readonly queue: string; readonly stage: Stage; readonly after: Place | null },
): AsyncGenerator<readonly MessageView[]> {
  let batch: MessageView[] = []
  let bytes = 0
  for await (const message of merged(STATES[stage].map((state) => inState(port, queue, state)))) {
    if (after !== null && comparePlaces(message, after) <= 0) continue
    batch.push(message)
    bytes += message.content.body.length + message.content.head.length
    if (batch.length < BATCH_MAX && bytes < BATCH_BYTES_MAX) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

async function* inState(port: Port, queue: string, state: MessageState): AsyncGenerator<MessageView> {
  let cursor: string | undefined
  do {
    const page = await port.browse({ queue, states: [state], limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
    yield* page.messages
    cursor = page.cursor
  } while (cursor !== undefined)
}

/** Streams that are in order each, as one that is. */
async function* merged(streams: readonly AsyncGenerator<MessageView>[]): AsyncGenerator<MessageView> {
  const heads = await Promise.all(streams.map((stream) => stream.next()))
  for (;;) {
    let first = -1
    for (const [at, head] of heads.entries()) {
      if (head.done === true) continue
      const best = heads[first]
      if (best === undefined || best.done === true || comparePlaces(head.value, best.value) < 0) first = at
    }
    const head = heads[first]
    const stream = streams[first]
    if (head === undefined || head.done === true || stream === undefined) return
    yield head.value
    heads[first] = await stream.next()
  }
}
