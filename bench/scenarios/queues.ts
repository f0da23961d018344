/** Send, receive + ack, and both at once: one queue, one size, one batch, so many callers. */
import type { Queue } from 'spindle-mq'
import { type Caller, drive, medianRun, type Rate } from '../measure.ts'
import { type Durability, type StoreChoice, withStore } from '../store.ts'

export interface QueueCase {
  readonly bodyBytes: number
  /** Messages in one call. */
  readonly batch: number
  readonly callers: number
  readonly durability: Durability
}

/** How long each run lasts, and how many there are. */
export interface Pace {
  readonly warmUpMs: number
  readonly runMs: number
  readonly runs: number
}

type Bytes = Queue<Uint8Array>

/** Fills a queue for one run's time, then drains it, run by run: the rates of sending and of receiving with acks. */
export function sendThenReceive(store: StoreChoice, it: QueueCase, pace: Pace): Promise<{ send: Rate; receive: Rate }> {
  return withQueue(store, it, async (queue) => {
    const send = sender(queue, it)
    const receive = receiver(queue, it)
    const round = async (durationMs: number): Promise<[Rate, Rate]> => {
      const sent = await drive({ callers: it.callers, durationMs, caller: send })
      const received = await drive({ callers: it.callers, durationMs: Number.POSITIVE_INFINITY, caller: receive })
      if (received.messages !== sent.messages) throw new Error(`sent ${sent.messages}, received ${received.messages}`)
      return [sent, received]
    }
    await round(pace.warmUpMs)
    const rounds = await repeat(pace.runs, () => round(pace.runMs))
    return { send: medianRun(rounds.map(([sent]) => sent)), receive: medianRun(rounds.map(([, received]) => received)) }
  })
}

/** Each caller sends, receives as many, acks them, and again. `afterRun` measures something else in the same run. */
export function roundTrips<T = undefined>(
  store: StoreChoice,
  it: QueueCase,
  pace: Pace,
  afterRun?: (run: Rate) => Promise<T>,
): Promise<{ rate: Rate; beside: T[] }> {
  return withQueue(store, it, async (queue) => {
    const caller = goAround(queue, it)
    await drive({ callers: it.callers, durationMs: pace.warmUpMs, caller })
    const beside: T[] = []
    const runs = await repeat(pace.runs, async () => {
      const run = await drive({ callers: it.callers, durationMs: pace.runMs, caller })
      if (afterRun !== undefined) beside.push(await afterRun(run))
      return run
    })
    return { rate: medianRun(runs), beside }
  })
}

function withQueue<T>(store: StoreChoice, it: QueueCase, body: (queue: Bytes) => Promise<T>): Promise<T> {
  return withStore(store, async (spindle) => body(await spindle.queue('bench', { durability: it.durability })))
}

function sender(queue: Bytes, { bodyBytes, batch }: QueueCase): Caller {
  const body = new Uint8Array(bodyBytes).fill(0x61)
  if (batch === 1) {
    return async (lap) => {
      do await queue.send(body)
      while (lap(1))
    }
  }
  const items = Array.from({ length: batch }, () => ({ body }))
  return async (lap) => {
    do await queue.sendMany(items)
    while (lap(batch))
  }
}

/** Until the queue is empty. */
function receiver(queue: Bytes, { bodyBytes, batch }: QueueCase): Caller {
  return async (lap) => {
    for (;;) {
      const messages = await queue.receive({ max: batch })
      if (messages.length === 0) return
      for (const { body } of messages) if (body.length !== bodyBytes) throw new Error(`a body of ${body.length} B`)
      await queue.ack(...messages)
      lap(messages.length)
    }
  }
}

export function goAround(queue: Bytes, { bodyBytes, batch }: Pick<QueueCase, 'bodyBytes' | 'batch'>): Caller {
  const body = new Uint8Array(bodyBytes).fill(0x61)
  if (batch === 1) {
    return async (lap) => {
      do {
        await queue.send(body)
        // Every caller has put one in before it takes one out, so there is always one for it.
        const [message] = await queue.receive()
        if (message?.body.length !== bodyBytes) throw new Error('no message, or another body')
        await message.ack()
      } while (lap(1))
    }
  }
  const items = Array.from({ length: batch }, () => ({ body }))
  return async (lap) => {
    do {
      await queue.sendMany(items)
      const messages = await queue.receive({ max: batch })
      for (const message of messages) if (message.body.length !== bodyBytes) throw new Error('another body')
      await queue.ack(...messages)
    } while (lap(batch))
  }
}

async function repeat<T>(times: number, once: () => Promise<T>): Promise<T[]> {
  const answers: T[] = []
  for (let i = 0; i < times; i++) answers.push(await once())
  return answers
}
