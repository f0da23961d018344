import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ListQueueTagsCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs'
import { expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import type { DirectPort, Port } from '../../src/broker/port.ts'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import { awsFrontend } from '../../src/frontends/aws/aws-frontend.ts'
import { openSqs } from '../../src/frontends/sqs/sqs-service.ts'
import { defaultLimits as limits } from '../../src/model/limits.ts'
import { systemClock as clock } from '../../src/runtime/clock.ts'
import { silentLog as log } from '../../src/runtime/log.ts'
import { nodeDisk } from '../../src/runtime/node-disk.ts'
import { systemRandom as random } from '../../src/runtime/random.ts'
import { sqsClient } from './serving.ts'

async function served(folder: string, seen: (port: Broker) => Port = (port) => port) {
  const port = new Broker({
    engine: new EmbeddedEngine({ disk: nodeDisk(folder), clock, random, limits, log }),
    clock,
    limits,
    log,
  })
  await port.start()
  const server = createServer(
    awsFrontend({ services: [await openSqs({ port: seen(port), clock, random })], clock, random, log }),
  )
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const close = async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
    await port.close()
  }
  return { client: sqsClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), close }
}

it('keeps queues, messages, leases and the power of receipt handles over a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sqs-durable-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const QueueUrl = 'orders'
  const before = await served(folder)
  const created = { QueueName: 'orders', Attributes: { VisibilityTimeout: '45', Policy: '' }, tags: { team: 'core' } }
  await before.client.send(new CreateQueueCommand(created))
  await before.client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'one' }))
  const Entries = ['two', 'three', 'four'].map((Id) => ({ Id, MessageBody: Id }))
  await before.client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
  const { Messages: held = [] } = await before.client.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 3 }),
  )
  expect(held.map(({ Body }) => Body)).toEqual(['one', 'two', 'three'])
  await before.client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: held[0]?.ReceiptHandle }))
  await before.close()

  const { client, close } = await served(folder)
  onTestFinished(close)
  const all = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })
  expect((await client.send(all)).Attributes).toMatchObject({
    VisibilityTimeout: '45',
    ApproximateNumberOfMessages: '1',
    ApproximateNumberOfMessagesNotVisible: '2',
  })
  expect((await client.send(new ListQueueTagsCommand({ QueueUrl }))).Tags).toEqual({ team: 'core' })
  const deletes = held.slice(1).map(({ ReceiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle }))
  const deleted = await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: deletes }))
  expect(deleted.Successful).toHaveLength(2)
  const { Messages: left = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }))
  expect(left.map(({ Body }) => Body)).toEqual(['four'])
})

it('deletes a message whose delete cannot be decided in the turn of the call', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sqs-undecided-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const { client, close } = await served(folder, (port) => {
    const undecided = { ...bound(port), settle: () => undefined }
    return new Proxy(port, {
      get(target, name) {
        const value: unknown = name === 'direct' ? undecided : Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  })
  onTestFinished(close)
  const QueueUrl = 'orders'
  await client.send(new CreateQueueCommand({ QueueName: QueueUrl }))
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'one' }))
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl }))
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0]?.ReceiptHandle }))
  const counts = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })
  expect((await client.send(counts)).Attributes).toMatchObject({ ApproximateNumberOfMessagesNotVisible: '0' })
})

function bound({ direct }: Broker): DirectPort {
  if (direct === undefined) throw new Error('this store has no direct verbs')
  return {
    append: (queue, message) => direct.append(queue, message),
    lease: (request) => direct.lease(request),
    settle: (delivery, how) => direct.settle(delivery, how),
    kept: (value) => direct.kept(value),
  }
}
