/** A newsroom sends 20 stories a second and has more waiting than it can send. Then something happens. In virtual time. */
import { open, task } from 'spindle-mq'
import { VirtualClock } from 'spindle-mq/testing'
import { z } from 'zod'

const BREAKING = 200
const SEND_MS = 50

export interface Sent {
  readonly headline: string
  /** From enqueue to the end of its sending. */
  readonly afterMs: number
}

/** `stories` are enqueued, then two breaking ones while the fifth is being sent. In the order in which they were sent. */
export async function newsroom(stories: number, options: { readonly prioritize: boolean }): Promise<Sent[]> {
  const clock = new VirtualClock()
  const spindle = await open('memory:', { clock })
  const sent: Sent[] = []
  const send = task('news.send', {
    input: z.object({ headline: z.string(), atMs: z.number() }),
    async run({ headline, atMs }) {
      await new Promise<void>((resolve) => clock.setTimer(SEND_MS, resolve))
      sent.push({ headline, afterMs: clock.monotonicMs() - atMs })
    },
  })
  const story = (headline: string) => ({ headline, atMs: clock.monotonicMs() })
  await spindle.enqueueMany(
    send,
    Array.from({ length: stories }, (_, i) => ({ input: story(`story ${i + 1}`) })),
  )
  const worker = await spindle.work([send], { concurrency: 1 })
  await clock.advance(4.5 * SEND_MS)
  const urgent = options.prioritize ? { priority: BREAKING } : {}
  for (const headline of ['breaking 1', 'breaking 2']) await spindle.enqueue(send, story(headline), urgent)
  while (sent.length < stories + 2) await clock.advance(1_000)
  const closing = worker.stop().then(() => spindle.close())
  await clock.advance(60_000)
  await closing
  return sent
}
