import { request } from 'node:http'
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { servedSqs, sqsClient } from './serving.ts'

const text = (body: string) => ({ content: { head: Uint8Array.of(1), body: Buffer.from(body) } })

/** Until `holds`, a turn of the event loop at a time. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

describe('a client that hangs up', () => {
  it('ends its long poll: nothing is hidden for it, and the next one gets the message, unspent', async () => {
    const { endpoint, broker, clock, server } = await servedSqs()
    const client = sqsClient(endpoint)
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: 'orders' }))
    const idle = clock.armedTimers
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.ReceiveMessage' }
    const poll = request(endpoint, { method: 'POST', headers, agent: false })
    poll.on('error', () => {})
    poll.end(JSON.stringify({ QueueUrl, WaitTimeSeconds: 20 }))
    await until(() => clock.armedTimers > idle)
    poll.destroy()
    await until(() => clock.armedTimers === idle)
    await broker.append('orders', [text('x')])
    const counts = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })
    expect((await client.send(counts)).Attributes).toMatchObject({
      ApproximateNumberOfMessages: '1',
      ApproximateNumberOfMessagesNotVisible: '0',
    })
    const wanted = new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ['ApproximateReceiveCount'] })
    expect((await client.send(wanted)).Messages?.[0]?.Attributes).toEqual({ ApproximateReceiveCount: '1' })
    expect(server.listening).toBe(true)
  })

  it('gives back, unspent, what its short poll had taken already', async () => {
    const { endpoint, broker } = await servedSqs()
    const client = sqsClient(endpoint)
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: 'orders' }))
    await broker.append('orders', [text('x')])
    const taken = broker.receive.bind(broker)
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.ReceiveMessage' }
    const poll = request(endpoint, { method: 'POST', headers, agent: false })
    poll.on('error', () => {})
    let settled = 0
    const settle = broker.settle.bind(broker)
    broker.settle = (settlements) => settle(settlements).finally(() => settled++)
    // The client goes while the store decides.
    broker.receive = async (asked, signal) => {
      const deliveries = await taken(asked, signal)
      poll.destroy()
      await new Promise<void>((gone) => poll.once('close', gone))
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
      return deliveries
    }
    poll.end(JSON.stringify({ QueueUrl }))
    await until(() => settled === 1)
    broker.receive = taken
    const wanted = new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ['ApproximateReceiveCount'] })
    expect((await client.send(wanted)).Messages?.[0]?.Attributes).toEqual({ ApproximateReceiveCount: '1' })
  })
})
