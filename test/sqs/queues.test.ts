import {
  AddPermissionCommand,
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListQueuesCommand,
  type ListQueuesCommandInput,
  ListQueueTagsCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  RemovePermissionCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  type SQSClient,
  TagQueueCommand,
  UntagQueueCommand,
} from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { servedSqs, sqsClient } from './serving.ts'

async function served() {
  const { endpoint, clock, broker } = await servedSqs()
  return { endpoint, clock, broker, client: sqsClient(endpoint) }
}

async function create(client: SQSClient, QueueName: string, Attributes: Record<string, string> = {}): Promise<string> {
  const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName, Attributes }))
  return QueueUrl
}

async function attributes(client: SQSClient, QueueUrl: string): Promise<Record<string, string>> {
  const all = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })
  return (await client.send(all)).Attributes ?? {}
}

const arn = (name: string): string => `arn:aws:sqs:us-east-1:000000000000:${name}`

describe('queues', () => {
  it('are created with the defaults of AWS and read back', async () => {
    const { client, endpoint } = await served()
    const QueueUrl = await create(client, 'orders')
    expect(QueueUrl).toBe(`${endpoint}/000000000000/orders`)
    expect(await attributes(client, QueueUrl)).toEqual({
      ApproximateNumberOfMessages: '0',
      ApproximateNumberOfMessagesDelayed: '0',
      ApproximateNumberOfMessagesNotVisible: '0',
      CreatedTimestamp: '1767225600',
      DelaySeconds: '0',
      LastModifiedTimestamp: '1767225600',
      MaximumMessageSize: '1048576',
      MessageRetentionPeriod: '345600',
      QueueArn: arn('orders'),
      ReceiveMessageWaitTimeSeconds: '0',
      SqsManagedSseEnabled: 'true',
      VisibilityTimeout: '30',
    })
    expect((await client.send(new GetQueueUrlCommand({ QueueName: 'orders' }))).QueueUrl).toBe(QueueUrl)
  })

  it('take messages as large as the server is told, where AWS stops at 1 MiB', async () => {
    const { endpoint } = await servedSqs({ messageBytesMax: 3_000_000 })
    const client = sqsClient(endpoint)
    const QueueUrl = await create(client, 'orders')
    expect(await attributes(client, QueueUrl)).toMatchObject({ MaximumMessageSize: '3000000' })
    const body = (bytes: number) => 'x'.repeat(bytes)
    const send = (MessageBody: string) => client.send(new SendMessageCommand({ QueueUrl, MessageBody }))
    const sendBatch = (bytes: number) => {
      const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: body(bytes) }))
      return client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
    }
    await send(body(3_000_000))
    await expect(send(body(3_000_001))).rejects.toThrow('Message must be shorter than 3000000 bytes.')
    expect((await sendBatch(1_500_000)).Successful).toHaveLength(2)
    await expect(sendBatch(1_500_001)).rejects.toThrow(
      'cannot be longer than 3000000 bytes. You have sent 3000002 bytes.',
    )
    const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl }))
    expect(Messages?.[0]?.Body).toHaveLength(3_000_000)
    const larger = create(client, 'more', { MaximumMessageSize: '3000001' })
    await expect(larger).rejects.toMatchObject({ name: 'InvalidAttributeValue' })
  })

  it('keep every attribute byte for byte, so that no tool sees a drift', async () => {
    const { client } = await served()
    await create(client, 'dead')
    const set = {
      VisibilityTimeout: '45',
      DelaySeconds: '1',
      MessageRetentionPeriod: '86400',
      MaximumMessageSize: '2048',
      ReceiveMessageWaitTimeSeconds: '20',
      RedrivePolicy: `{ "deadLetterTargetArn" : "${arn('dead')}", "maxReceiveCount":"3" }`,
      RedriveAllowPolicy: '{"redrivePermission":"denyAll"}',
      Policy:
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}',
      KmsMasterKeyId: 'alias/aws/sqs',
      KmsDataKeyReusePeriodSeconds: '600',
    }
    const QueueUrl = await create(client, 'orders', set)
    expect(await attributes(client, QueueUrl)).toMatchObject({ ...set, SqsManagedSseEnabled: 'false' })
    const changed = { VisibilityTimeout: '5', Policy: '', RedrivePolicy: '' }
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: changed }))
    const after = await attributes(client, QueueUrl)
    expect(after).toMatchObject({ VisibilityTimeout: '5', DelaySeconds: '1' })
    expect(after).not.toHaveProperty('Policy')
    expect(after).not.toHaveProperty('RedrivePolicy')
  })

  it('may be created again as they are, not otherwise', async () => {
    const { client } = await served()
    const QueueUrl = await create(client, 'orders', { VisibilityTimeout: '45' })
    expect(await create(client, 'orders')).toBe(QueueUrl)
    expect(await create(client, 'orders', { VisibilityTimeout: '45' })).toBe(QueueUrl)
    await expect(create(client, 'orders', { VisibilityTimeout: '46' })).rejects.toMatchObject({
      name: 'QueueNameExists',
      message: 'A queue already exists with the same name and a different value for attribute VisibilityTimeout',
    })
  })

  it('are gone with their messages when they are deleted, and come back empty', async () => {
    const { client } = await served()
    const QueueUrl = await create(client, 'orders', { VisibilityTimeout: '45' })
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))
    await client.send(new DeleteQueueCommand({ QueueUrl }))
    await expect(client.send(new ReceiveMessageCommand({ QueueUrl }))).rejects.toMatchObject({
      name: 'QueueDoesNotExist',
      message: 'The specified queue does not exist.',
    })
    await create(client, 'orders')
    expect(await attributes(client, QueueUrl)).toMatchObject({
      ApproximateNumberOfMessages: '0',
      VisibilityTimeout: '30',
    })
  })

  it('are listed by prefix and page by page', async () => {
    const { client, endpoint } = await served()
    for (const name of ['b-1', 'a-3', 'a-1', 'a-2']) await create(client, name)
    const listed = async (input: ListQueuesCommandInput) => {
      const { QueueUrls = [], NextToken } = await client.send(new ListQueuesCommand(input))
      return { names: QueueUrls.map((url) => url.slice(`${endpoint}/000000000000/`.length)), NextToken }
    }
    expect(await listed({})).toEqual({ names: ['a-1', 'a-2', 'a-3', 'b-1'], NextToken: undefined })
    const first = await listed({ QueueNamePrefix: 'a', MaxResults: 2 })
    expect(first.names).toEqual(['a-1', 'a-2'])
    const second = await listed({ QueueNamePrefix: 'a', MaxResults: 2, NextToken: first.NextToken })
    expect(second).toEqual({ names: ['a-3'], NextToken: undefined })
    expect((await listed({ QueueNamePrefix: 'zz' })).names).toEqual([])
  })

  it('of other regions and accounts are other queues', async () => {
    const { client, endpoint } = await served()
    const far = sqsClient(endpoint, 'eu-west-1')
    const other = sqsClient(endpoint, 'us-east-1', '123456789012')
    const near = await create(client, 'orders')
    const farUrl = await create(far, 'orders')
    const otherUrl = await create(other, 'orders')
    expect(farUrl).toBe(`${endpoint}/queue/eu-west-1/000000000000/orders`)
    expect(otherUrl).toBe(`${endpoint}/123456789012/orders`)
    await far.send(new SendMessageCommand({ QueueUrl: farUrl, MessageBody: 'far' }))
    expect((await attributes(client, near))['ApproximateNumberOfMessages']).toBe('0')
    expect((await attributes(other, otherUrl))['ApproximateNumberOfMessages']).toBe('0')
    // The URL says where, whoever asks; without a region it means the home one first.
    expect((await attributes(client, farUrl))['QueueArn']).toBe('arn:aws:sqs:eu-west-1:000000000000:orders')
    expect((await attributes(far, near))['QueueArn']).toBe(arn('orders'))
    expect((await client.send(new ListQueuesCommand({}))).QueueUrls).toEqual([near])
    expect((await far.send(new ListQueuesCommand({}))).QueueUrls).toEqual([farUrl])
  })

  it.each([
    ['the bare name', () => 'orders'],
    ['another host, port and scheme', () => 'https://sqs.us-east-1.amazonaws.com/000000000000/orders'],
    [
      'a host that names the region',
      () => 'http://us-east-1.queue.localhost.localstack.cloud:4566/000000000000/orders',
    ],
    ['a path that names the region', (endpoint: string) => `${endpoint}/queue/us-east-1/000000000000/orders`],
    ['a path alone', () => '/000000000000/orders'],
    ['a slash at the end', (endpoint: string) => `${endpoint}/000000000000/orders/`],
  ])('are found by %s', async (_, url) => {
    const { client, endpoint } = await served()
    await create(client, 'orders')
    expect((await attributes(client, url(endpoint)))['QueueArn']).toBe(arn('orders'))
  })

  it('are one with what other protocols call so', async () => {
    const { client, broker, endpoint } = await served()
    await broker.declareQueue('mail', {
      leaseMs: 90_000,
      attemptsMax: 4,
      onDeath: { kind: 'deadLetter', queue: 'lost' },
    })
    const QueueUrl = `${endpoint}/000000000000/mail`
    expect(await attributes(client, QueueUrl)).toMatchObject({
      VisibilityTimeout: '90',
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn('lost'), maxReceiveCount: 4 }),
    })
    expect((await client.send(new ListQueuesCommand({}))).QueueUrls).toEqual([QueueUrl])
    await broker.deleteQueue('mail')
    await expect(client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))).rejects.toMatchObject({
      name: 'QueueDoesNotExist',
    })
  })

  it('are purged', async () => {
    const { client } = await served()
    const QueueUrl = await create(client, 'orders')
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))
    await client.send(new PurgeQueueCommand({ QueueUrl }))
    await client.send(new PurgeQueueCommand({ QueueUrl }))
    expect((await attributes(client, QueueUrl))['ApproximateNumberOfMessages']).toBe('0')
  })

  it('refuse a second purge and a new life within sixty seconds where the rules are on', async () => {
    const { endpoint, clock } = await servedSqs({ sixtySecondRules: true })
    const client = sqsClient(endpoint)
    const QueueUrl = await create(client, 'orders')
    await client.send(new PurgeQueueCommand({ QueueUrl }))
    await expect(client.send(new PurgeQueueCommand({ QueueUrl }))).rejects.toMatchObject({
      name: 'PurgeQueueInProgress',
      message: 'Only one PurgeQueue operation on orders is allowed every 60 seconds.',
      $metadata: { httpStatusCode: 403 },
    })
    await client.send(new DeleteQueueCommand({ QueueUrl }))
    await expect(create(client, 'orders')).rejects.toMatchObject({ name: 'QueueDeletedRecently' })
    await clock.advance(60_000)
    await create(client, 'orders')
    await client.send(new PurgeQueueCommand({ QueueUrl }))
  })

  it('carry tags, whatever they are called', async () => {
    const { client } = await served()
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: 'orders', tags: { team: 'core' } }))
    const added = JSON.parse('{"__proto__":"x","constructor":"y","team":"mail"}') as Record<string, string>
    await client.send(new TagQueueCommand({ QueueUrl, Tags: added }))
    const tags = async () => Object.entries((await client.send(new ListQueueTagsCommand({ QueueUrl }))).Tags ?? {})
    expect((await tags()).sort()).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['team', 'mail'],
    ])
    await client.send(new UntagQueueCommand({ QueueUrl, TagKeys: ['team', 'constructor', '__proto__'] }))
    expect(await tags()).toEqual([])
  })

  it('name the queues whose dead letters they take', async () => {
    const { client } = await served()
    const dead = await create(client, 'dead')
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: arn('dead'), maxReceiveCount: 1 })
    const sources = [await create(client, 'a', { RedrivePolicy }), await create(client, 'b', { RedrivePolicy })]
    const all = new ListDeadLetterSourceQueuesCommand({ QueueUrl: dead })
    expect((await client.send(all)).queueUrls).toEqual(sources)
    const page = await client.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: dead, MaxResults: 1 }))
    expect(page.queueUrls).toEqual(sources.slice(0, 1))
    expect(page.NextToken).toBeDefined()
  })

  it('keep permissions as statements of their policy', async () => {
    const { client } = await served()
    const QueueUrl = await create(client, 'orders')
    const share = (Label: string, Actions: string[]) =>
      client.send(new AddPermissionCommand({ QueueUrl, Label, AWSAccountIds: ['111122223333'], Actions }))
    await share('mail', ['SendMessage', 'GetQueueUrl'])
    expect(JSON.parse((await attributes(client, QueueUrl))['Policy'] ?? '')).toEqual({
      Version: '2008-10-17',
      Id: `${arn('orders')}/SQSDefaultPolicy`,
      Statement: [
        {
          Sid: 'mail',
          Effect: 'Allow',
          Principal: { AWS: 'arn:aws:iam::111122223333:root' },
          Action: ['SQS:SendMessage', 'SQS:GetQueueUrl'],
          Resource: arn('orders'),
        },
      ],
    })
    await expect(share('mail', ['SendMessage'])).rejects.toThrow('Reason: Already exists.')
    await expect(
      share(
        'more',
        Array.from({ length: 8 }, () => 'SendMessage'),
      ),
    ).rejects.toMatchObject({
      name: 'OverLimit',
      message: '8 Actions were found, maximum allowed is 7.',
    })
    await client.send(new RemovePermissionCommand({ QueueUrl, Label: 'mail' }))
    expect(await attributes(client, QueueUrl)).not.toHaveProperty('Policy')
    await expect(client.send(new RemovePermissionCommand({ QueueUrl, Label: 'mail' }))).rejects.toThrow(
      "can't find label",
    )
  })
})
