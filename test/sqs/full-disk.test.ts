import * as sqs from '@aws-sdk/client-sqs'
import { expect, it } from 'vitest'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { servedSqs, sqsClient } from './serving.ts'

/** The SDK's exception, or the answer. */
const outcome = (call: Promise<object>): Promise<object> => call.catch((fault: object) => fault)

it('refuses messages while the disk is full, hands out and deletes what is there, and takes messages again', async () => {
  const disk = new FaultDisk()
  const { endpoint, clock } = await servedSqs({
    engine: (clock) =>
      new EmbeddedEngine({
        disk,
        clock,
        random: seededRandom(1),
        limits: defaultLimits,
        options: { segmentBytes: 65_536, checkpointBytes: 65_536 },
      }),
  })
  const client = sqsClient(endpoint)
  const { QueueUrl } = await client.send(new sqs.CreateQueueCommand({ QueueName: 'orders' }))
  const MessageBody = 'x'.repeat(20_000)
  const send = () => outcome(client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody })))
  disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0) + 200_000
  let sent = 0
  let refused = await send()
  for (; !(refused instanceof Error); sent++) refused = await send()
  expect(sent).toBeGreaterThan(0)
  expect(refused).toMatchObject({
    name: 'ServiceUnavailable',
    $fault: 'server',
    $metadata: { httpStatusCode: 503 },
    message: 'The disk has no room for new messages; receiving and deleting go on.',
  })
  const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody }))
  const { Failed } = await client.send(new sqs.SendMessageBatchCommand({ QueueUrl, Entries }))
  expect(Failed).toMatchObject(['a', 'b'].map((Id) => ({ Id, Code: 'ServiceUnavailable', SenderFault: false })))

  const received: string[] = []
  for (let i = 0; i < sent; i++) {
    const { Messages: [message] = [] } = await client.send(new sqs.ReceiveMessageCommand({ QueueUrl }))
    received.push(message?.Body ?? '')
    await client.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }))
  }
  expect(received).toEqual(Array.from({ length: sent }, () => MessageBody))
  disk.capacityBytes = Number.POSITIVE_INFINITY
  // The store looks again by itself.
  let again = await send()
  for (let seconds = 0; again instanceof Error && seconds < 60; seconds++) {
    await clock.advance(1_000)
    again = await send()
  }
  expect(again).toMatchObject({ MD5OfMessageBody: expect.any(String) })
})
