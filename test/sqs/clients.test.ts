/** Clients as they are published: the SDK of 2023 that speaks the Query protocol, sqs-consumer, and boto3 where it is installed. */
import { spawn, spawnSync } from 'node:child_process'
import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageBatchCommand } from '@aws-sdk/client-sqs'
import * as old from 'client-sqs-query'
import { Consumer } from 'sqs-consumer'
import { describe, expect, it, onTestFinished } from 'vitest'
import { servedSqs, sqsClient } from './serving.ts'

function oldClient(endpoint: string): old.SQSClient {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const client = new old.SQSClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 })
  onTestFinished(() => client.destroy())
  return client
}

describe('the SDK of 2023, which speaks the Query protocol', () => {
  it('sends, receives and deletes, and checks the same MD5s', async () => {
    const { endpoint } = await servedSqs()
    const client = oldClient(endpoint)
    const created = await client.send(
      new old.CreateQueueCommand({ QueueName: 'orders', Attributes: { DelaySeconds: '0' }, tags: { a: 'b' } }),
    )
    const { QueueUrl } = created
    const MessageAttributes = {
      text: { DataType: 'String', StringValue: 'a & b\r\n<c>' },
      bytes: { DataType: 'Binary', BinaryValue: Uint8Array.of(1, 2, 255) },
    }
    const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: `<${Id}>\r\n"é😀"`, MessageAttributes }))
    const sent = await client.send(new old.SendMessageBatchCommand({ QueueUrl, Entries }))
    expect(sent.Successful?.map(({ Id }) => Id)).toEqual(['a', 'b'])
    const wanted = { MaxNumberOfMessages: 10, AttributeNames: ['All' as const], MessageAttributeNames: ['All'] }
    const { Messages = [] } = await client.send(new old.ReceiveMessageCommand({ QueueUrl, ...wanted }))
    expect(Messages.map(({ Body }) => Body)).toEqual(Entries.map(({ MessageBody }) => MessageBody))
    expect(Messages[0]?.MessageAttributes?.['text']?.StringValue).toBe('a & b\r\n<c>')
    expect([...(Messages[0]?.MessageAttributes?.['bytes']?.BinaryValue ?? [])]).toEqual([1, 2, 255])
    expect(Messages[0]?.Attributes?.['ApproximateReceiveCount']).toBe('1')
    const deletes = Messages.map(({ ReceiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle }))
    const deleted = await client.send(new old.DeleteMessageBatchCommand({ QueueUrl, Entries: deletes }))
    expect(deleted.Successful).toHaveLength(2)
    expect((await client.send(new old.ListQueueTagsCommand({ QueueUrl }))).Tags).toEqual({ a: 'b' })
    expect((await client.send(new old.ListQueuesCommand({}))).QueueUrls).toEqual([QueueUrl])
  })

  it('throws its own exceptions', async () => {
    const { endpoint } = await servedSqs()
    const client = oldClient(endpoint)
    await expect(client.send(new old.GetQueueUrlCommand({ QueueName: 'gone' }))).rejects.toMatchObject({
      name: 'QueueDoesNotExist',
    })
    const { QueueUrl } = await client.send(new old.CreateQueueCommand({ QueueName: 'orders' }))
    await expect(
      client.send(new old.DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'made up' })),
    ).rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' })
    const Entries = ['a', 'a'].map((Id) => ({ Id, MessageBody: 'x' }))
    await expect(client.send(new old.SendMessageBatchCommand({ QueueUrl, Entries }))).rejects.toMatchObject({
      name: 'BatchEntryIdsNotDistinct',
    })
  })
})

describe('sqs-consumer', () => {
  it('handles every message once and leaves the queue empty', async () => {
    const { endpoint } = await servedSqs()
    const sqs = sqsClient(endpoint)
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'orders' }))
    const Entries = Array.from({ length: 10 }, (_, i) => ({ Id: `${i}`, MessageBody: `${i}` }))
    await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
    const handled: string[] = []
    await new Promise<void>((done, fail) => {
      const consumer = Consumer.create({
        queueUrl: QueueUrl,
        sqs,
        batchSize: 10,
        handleMessage: async (message) => {
          handled.push(message.Body ?? '')
          return message
        },
      })
      consumer.on('error', fail)
      consumer.on('processing_error', fail)
      consumer.on('response_processed', () => consumer.stop())
      consumer.on('stopped', () => done())
      consumer.start()
    })
    expect(handled.sort()).toEqual(Entries.map(({ MessageBody }) => MessageBody).sort())
    const counts = {
      QueueUrl,
      AttributeNames: ['ApproximateNumberOfMessages' as const, 'ApproximateNumberOfMessagesNotVisible' as const],
    }
    expect((await sqs.send(new GetQueueAttributesCommand(counts))).Attributes).toEqual({
      ApproximateNumberOfMessages: '0',
      ApproximateNumberOfMessagesNotVisible: '0',
    })
  })
})

const hasBoto3 = spawnSync('python3', ['-c', 'import boto3']).status === 0

const SESSION = `
import boto3, sys
from botocore.config import Config
from botocore.exceptions import ClientError
sqs = boto3.client('sqs', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='test',
                   aws_secret_access_key='test', config=Config(retries={'max_attempts': 0}))
url = sqs.create_queue(QueueName='orders', Attributes={'VisibilityTimeout': '60'}, tags={'a': 'b'})['QueueUrl']
typed = {'n': {'DataType': 'Number', 'StringValue': '7'}, 'b': {'DataType': 'Binary', 'BinaryValue': b'\\x00\\xff'}}
sent = sqs.send_message(QueueUrl=url, MessageBody='gr\\u00fcezi', MessageAttributes=typed)
got = sqs.receive_message(QueueUrl=url, MessageAttributeNames=['All'], AttributeNames=['All'], WaitTimeSeconds=1)['Messages'][0]
assert got['Body'] == 'gr\\u00fcezi' and got['MessageId'] == sent['MessageId']
assert got['MessageAttributes'] == typed and got['MD5OfMessageAttributes'] == sent['MD5OfMessageAttributes']
sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got['ReceiptHandle'], VisibilityTimeout=120)
sqs.delete_message(QueueUrl=url, ReceiptHandle=got['ReceiptHandle'])
assert 'Messages' not in sqs.receive_message(QueueUrl=url)
for call, code, kind in [
    (lambda: sqs.get_queue_url(QueueName='gone'), 'AWS.SimpleQueueService.NonExistentQueue', sqs.exceptions.QueueDoesNotExist),
    (lambda: sqs.create_queue(QueueName='orders', Attributes={'VisibilityTimeout': '61'}), 'QueueAlreadyExists', sqs.exceptions.QueueNameExists),
    (lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle='x'), 'ReceiptHandleIsInvalid', sqs.exceptions.ReceiptHandleIsInvalid),
    (lambda: sqs.send_message(QueueUrl=url, MessageBody='\\x01'), 'InvalidMessageContents', sqs.exceptions.InvalidMessageContents),
]:
    try:
        call()
        raise SystemExit('taken: ' + code)
    except ClientError as fault:
        assert fault.response['Error']['Code'] == code, fault
        assert isinstance(fault, kind), type(fault)
names = [q.url for q in boto3.resource('sqs', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='test',
         aws_secret_access_key='test').queues.all()]
assert names == [url], names
pages = sqs.get_paginator('list_queues').paginate(PaginationConfig={'PageSize': 1})
assert [u for page in pages for u in page.get('QueueUrls', [])] == [url]
sqs.delete_queue(QueueUrl=url)
print('done')
`

describe.skipIf(!hasBoto3)(`boto3${hasBoto3 ? '' : ' (skipped: python3 with boto3 is not installed here)'}`, () => {
  it('runs a session with the exceptions of its own model', async () => {
    const { endpoint, clock } = await servedSqs()
    const python = spawn('python3', ['-c', SESSION, endpoint])
    let told = ''
    python.stdout.on('data', (chunk) => {
      told += chunk
    })
    python.stderr.on('data', (chunk) => {
      told += chunk
    })
    const status = await new Promise((resolve) => python.on('close', resolve))
    expect(told.trim()).toBe('done')
    expect(status).toBe(0)
    expect(clock.armedTimers).toBeLessThan(10)
  }, 60_000)
})
