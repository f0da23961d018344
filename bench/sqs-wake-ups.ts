/** How soon a waiting long poll has what was sent: from before the SendMessage leaves until the receive is answered, the disk's sync included. */
import { sqsCaller } from './sqs-call.ts'
import type { RunningServer } from './sqs-servers.ts'

export interface WakeUps {
  readonly p50Ms: number
  readonly p99Ms: number
}

const SAMPLES = 1_000
const WARM_UP = 200
/** Long enough for the poll to be waiting before its message is sent. */
const SETTLE_MS = 5
/** Other polls that wait meanwhile, on a queue that nobody sends to. */
const BYSTANDERS = 100

export async function wakeUps({ endpoint }: RunningServer): Promise<WakeUps> {
  const [sender, poller, bystanders] = [sqsCaller(endpoint, 1), sqsCaller(endpoint, 1), sqsCaller(endpoint, BYSTANDERS)]
  const { QueueUrl } = await sender.call<{ QueueUrl: string }>('CreateQueue', { QueueName: 'wake' })
  const other = await sender.call<{ QueueUrl: string }>('CreateQueue', { QueueName: 'asleep' })
  for (let i = 0; i < BYSTANDERS; i++) {
    // It ends with its socket.
    void bystanders.call('ReceiveMessage', { ...other, WaitTimeSeconds: 20 }).catch(() => undefined)
  }
  const waits: number[] = []
  for (let i = -WARM_UP; i < SAMPLES; i++) {
    const received = poller.call<{ Messages?: { ReceiptHandle: string }[] }>('ReceiveMessage', {
      QueueUrl,
      WaitTimeSeconds: 20,
    })
    const answered = received.then(({ Messages: [first] = [] }) => {
      if (first === undefined) throw new Error('a long poll ended without its message')
      return { atMs: performance.now(), ...first }
    })
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const startMs = performance.now()
    await sender.call('SendMessage', { QueueUrl, MessageBody: 'wake up' })
    const { atMs, ReceiptHandle } = await answered
    if (i >= 0) waits.push(atMs - startMs)
    await sender.call('DeleteMessage', { QueueUrl, ReceiptHandle })
  }
  for (const caller of [sender, poller, bystanders]) caller.close()
  waits.sort((a, b) => a - b)
  const at = (share: number) => waits[Math.floor(waits.length * share)] ?? Number.NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}
