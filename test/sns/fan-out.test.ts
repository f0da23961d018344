import {
  BatchEntryIdsNotDistinctException,
  CreateTopicCommand,
  EmptyBatchRequestException,
  GetSubscriptionAttributesCommand,
  InvalidBatchEntryIdException,
  InvalidParameterException,
  InvalidParameterValueException,
  type MessageAttributeValue,
  NotFoundException,
  PublishBatchCommand,
  PublishCommand,
  SetSubscriptionAttributesCommand,
  type SNSClient,
  SubscribeCommand,
  TooManyEntriesInBatchRequestException,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns'
import { DeleteQueueCommand } from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { snsService } from '../../src/frontends/sns/sns-service.ts'
import { encodeContent } from '../../src/model/content.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { verified } from './envelope-verifier.ts'
import { bodies, home, queue, received, served } from './serving.ts'

async function topic(client: SNSClient, name = 'orders', attributes: Record<string, string> = {}): Promise<string> {
  const fifo = name.endsWith('.fifo') ? { FifoTopic: 'true' } : {}
  const { TopicArn } = await client.send(new CreateTopicCommand({ Name: name, Attributes: { ...fifo, ...attributes } }))
  return TopicArn as string
}

async function subscribed(client: SNSClient, to: string, arn: string, attributes: Record<string, string> = {}) {
  const { SubscriptionArn } = await client.send(
    new SubscribeCommand({ TopicArn: to, Protocol: 'sqs', Endpoint: arn, Attributes: attributes }),
  )
  return SubscriptionArn as string
}

const RAW = { RawMessageDelivery: 'true' }

const attributes: Record<string, MessageAttributeValue> = {
  color: { DataType: 'String', StringValue: 'red' },
  price: { DataType: 'Number', StringValue: '12.50' },
  sizes: { DataType: 'String.Array', StringValue: '["s","m"]' },
  bytes: { DataType: 'Binary', BinaryValue: Uint8Array.of(1, 2, 255) },
}

describe('a message published to a topic', () => {
  it('reaches each queue in its own form, in one unit', async () => {
    const { client, queues, endpoint } = await served()
    const arn = await topic(client)
    const [raw, enveloped] = [await queue(queues, 'raw'), await queue(queues, 'enveloped')]
    await subscribed(client, arn, raw.arn, RAW)
    const subscription = await subscribed(client, arn, enveloped.arn)
    const { MessageId } = await client.send(
      new PublishCommand({ TopicArn: arn, Message: 'grüße "a"', Subject: 'Hi', MessageAttributes: attributes }),
    )
    const [plain] = await received(queues, raw.url)
    expect(plain?.Body).toBe('grüße "a"')
    expect(plain?.MessageAttributes).toEqual(attributes)
    const [message] = await received(queues, enveloped.url)
    expect(message?.MessageAttributes).toBeUndefined()
    const envelope = JSON.parse(message?.Body ?? '')
    expect(envelope).toMatchObject({
      Type: 'Notification',
      MessageId,
      TopicArn: arn,
      Subject: 'Hi',
      Message: 'grüße "a"',
      SignatureVersion: '1',
      MessageAttributes: {
        color: { Type: 'String', Value: 'red' },
        price: { Type: 'Number', Value: '12.50' },
        sizes: { Type: 'String.Array', Value: '["s","m"]' },
        bytes: { Type: 'Binary', Value: 'AQL/' },
      },
    })
    expect(Object.keys(envelope)).toEqual([
      'Type',
      'MessageId',
      'TopicArn',
      'Subject',
      'Message',
      'Timestamp',
      'SignatureVersion',
      'Signature',
      'SigningCertURL',
      'UnsubscribeURL',
      'MessageAttributes',
    ])
    expect(envelope.SigningCertURL).toMatch(new RegExp(`^${endpoint}/SimpleNotificationService-[0-9a-f]{32}\\.pem$`))
    expect(await verified(envelope)).toBe(true)
    expect(await verified({ ...envelope, Message: 'forged' })).toBe(false)
    const unsubscribe = new URL(envelope.UnsubscribeURL)
    expect(unsubscribe.searchParams.get('SubscriptionArn')).toBe(subscription)
    expect((await fetch(unsubscribe)).status).toBe(200)
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'again' }))
    expect(await bodies(queues, raw.url)).toEqual(['again'])
    expect(await bodies(queues, enveloped.url)).toEqual([])
  })

  it('is signed with SHA-256 where the topic says so', async () => {
    const { client, queues } = await served()
    const arn = await topic(client, 'orders', { SignatureVersion: '2' })
    const target = await queue(queues, 'q')
    await subscribed(client, arn, target.arn)
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'm' }))
    const [body = ''] = await bodies(queues, target.url)
    const envelope = JSON.parse(body)
    expect(envelope.SignatureVersion).toBe('2')
    expect(await verified(envelope)).toBe(true)
    expect(await verified({ ...envelope, SignatureVersion: '1' })).toBe(false)
  })

  it('goes to those whose filter takes it', async () => {
    const { client, queues } = await served()
    const arn = await topic(client)
    const filters: Record<string, Record<string, string>> = {
      red: { FilterPolicy: '{"color":["red"]}' },
      cheap: { FilterPolicy: '{"price":[{"numeric":["<",20]}]}' },
      medium: { FilterPolicy: '{"sizes":["m"]}' },
      blue: { FilterPolicy: '{"color":[{"anything-but":["red"]}]}' },
      body: { FilterPolicy: '{"order":{"total":[{"numeric":[">=",100]}]}}', FilterPolicyScope: 'MessageBody' },
      either: { FilterPolicy: '{"$or":[{"color":["green"]},{"price":[{"numeric":[">",5]}]}]}' },
    }
    const targets = new Map<string, { url: string }>()
    for (const [name, policy] of Object.entries(filters)) {
      const target = await queue(queues, name)
      targets.set(name, target)
      await subscribed(client, arn, target.arn, { ...RAW, ...policy })
    }
    const publish = (Message: string, MessageAttributes?: Record<string, MessageAttributeValue>) =>
      client.send(new PublishCommand({ TopicArn: arn, Message, ...(MessageAttributes ? { MessageAttributes } : {}) }))
    const taken = async (): Promise<string[]> => {
      const names: string[] = []
      for (const [name, { url }] of targets) if ((await bodies(queues, url)).length > 0) names.push(name)
      return names
    }
    await publish('plain', attributes)
    expect(await taken()).toEqual(['red', 'cheap', 'medium', 'either'])
    await publish('{"order":{"total":150}}')
    expect(await taken()).toEqual(['body'])
    await publish('x', { color: { DataType: 'String', StringValue: 'blue' } })
    expect(await taken()).toEqual(['blue'])
  })

  it('has what its protocol gets of a structured one', async () => {
    const { client, queues } = await served()
    const arn = await topic(client)
    const target = await queue(queues, 'q')
    await subscribed(client, arn, target.arn, RAW)
    const publish = (message: object | string) =>
      client.send(
        new PublishCommand({
          TopicArn: arn,
          Message: typeof message === 'string' ? message : JSON.stringify(message),
          MessageStructure: 'json',
        }),
      )
    await publish({ default: 'all', sqs: 'queues', __proto__: 'x' })
    await publish({ default: 'all', http: 'hooks' })
    expect(await bodies(queues, target.url)).toEqual(['queues', 'all'])
    await expect(publish({ sqs: 'x' })).rejects.toThrow('No default entry in JSON message body')
    await expect(publish('no json')).rejects.toThrow('JSON message body failed to parse')
  })

  it('is refused where AWS refuses it', async () => {
    const { client } = await served()
    const arn = await topic(client)
    const publish = (fields: Partial<ConstructorParameters<typeof PublishCommand>[0]>) =>
      client.send(new PublishCommand({ TopicArn: arn, Message: 'm', ...fields }))
    await expect(publish({ Message: '' })).rejects.toThrow('Invalid parameter: Empty message')
    await expect(publish({ Message: 'x'.repeat(262_145) })).rejects.toThrow('Invalid parameter: Message too long')
    await expect(publish({ Message: 'a\u0000b' })).rejects.toThrow(InvalidParameterException)
    await expect(publish({ Subject: 'x'.repeat(101) })).rejects.toThrow('Invalid parameter: Subject')
    await expect(publish({ Subject: 'a\nb' })).rejects.toThrow('Invalid parameter: Subject')
    await expect(publish({ TopicArn: `${arn}-gone` })).rejects.toThrow(NotFoundException)
    await expect(publish({ TopicArn: 'orders' })).rejects.toThrow('An ARN must have at least 6 elements, not 1')
    await expect(publish({ MessageDeduplicationId: 'd' })).rejects.toThrow('not valid for this topic type')
    await expect(publish({ MessageStructure: 'xml' })).rejects.toThrow('Invalid parameter: MessageStructure')
    const attribute = (name: string, value: MessageAttributeValue) => publish({ MessageAttributes: { [name]: value } })
    const refused: [string, MessageAttributeValue][] = [
      ['a', { DataType: 'Text', StringValue: 'x' }],
      ['a', { DataType: '', StringValue: 'x' }],
      ['a', { DataType: 'String', StringValue: '' }],
      ['a', { DataType: 'Number', StringValue: 'twelve' }],
      ['a', { DataType: 'String.Array', StringValue: 'x' }],
      ['a..b', { DataType: 'String', StringValue: 'x' }],
      ['AWS.x', { DataType: 'String', StringValue: 'x' }],
    ]
    for (const [name, value] of refused) {
      await expect(attribute(name, value)).rejects.toThrow(InvalidParameterValueException)
    }
    await attribute('AWS.SNS.SMS.SMSType', { DataType: 'String', StringValue: 'Promotional' })
    await attribute('__proto__', { DataType: 'String', StringValue: 'x' })
    await publish({ Message: 'x'.repeat(262_144) })
  })

  it('keeps its group on a standard topic, for fair queues', async () => {
    const { client, queues } = await served()
    const arn = await topic(client)
    const target = await queue(queues, 'q')
    await subscribed(client, arn, target.arn, RAW)
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'm', MessageGroupId: 'tenant-1' }))
    expect((await received(queues, target.url))[0]?.Attributes?.MessageGroupId).toBe('tenant-1')
  })

  it('reaches what other protocols bound to the topic, and theirs reach the subscriptions', async () => {
    const { client, queues, broker } = await served()
    const arn = await topic(client)
    const target = await queue(queues, 'q')
    await subscribed(client, arn, target.arn)
    await broker.declareQueue('theirs', {})
    await broker.putBinding({ exchange: 'orders', id: 'x', target: { kind: 'queue', name: 'theirs' }, key: '' })
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'from sns', MessageAttributes: attributes }))
    expect((await received(queues, `${target.url.replace(/q$/, 'theirs')}`))[0]).toMatchObject({
      Body: 'from sns',
      MessageAttributes: attributes,
    })
    await broker.publish('orders', [{ content: encodeContent('from elsewhere') }])
    expect(await bodies(queues, target.url)).toEqual([expect.stringContaining('from sns'), 'from elsewhere'])
  })
})

describe('two servers on one store', () => {
  it('see at once what the other one subscribed and unsubscribed', async () => {
    const { client, queues, broker, clock } = await served()
    const arn = await topic(client)
    const target = await queue(queues, 'q')
    // The other server hears no announcement: as if they were slow.
    const deaf = new Proxy(broker, {
      get(whole, name) {
        if (name === 'listen') return () => () => {}
        const value: unknown = Reflect.get(whole, name, whole)
        return typeof value === 'function' ? value.bind(whole) : value
      },
    })
    const parts = { port: deaf, clock, random: systemRandom, log: silentLog, home }
    const other = snsService(parts)
    const call = (action: string, params: Record<string, string>) =>
      other.answer({
        service: 'sns',
        action,
        params,
        protocol: 'query',
        region: home.region,
        account: home.account,
        identity: undefined,
        requestId: 'r',
        receivedAtMs: 0,
        baseUrl: 'http://other',
        path: '/',
        client: { address: '127.0.0.1', gone: false, signal: () => new AbortController().signal },
      })
    const publish = (Message: string) => call('Publish', { TopicArn: arn, Message })
    await publish('before')
    const subscription = await subscribed(client, arn, target.arn)
    await publish('in an envelope')
    expect(JSON.parse((await bodies(queues, target.url))[0] ?? '').Message).toBe('in an envelope')
    await client.send(new UnsubscribeCommand({ SubscriptionArn: subscription }))
    await publish('to nobody')
    await publish('to nobody')
    expect(await bodies(queues, target.url)).toEqual([])
    expect((await broker.listExchanges(['orders']))[0]?.bindings).toEqual([])
  })
})

describe('a batch', () => {
  it('answers for each message', async () => {
    const { client, queues } = await served()
    const arn = await topic(client)
    const target = await queue(queues, 'q')
    await subscribed(client, arn, target.arn, RAW)
    const { Successful, Failed } = await client.send(
      new PublishBatchCommand({
        TopicArn: arn,
        PublishBatchRequestEntries: [
          { Id: 'a', Message: '1', MessageAttributes: attributes },
          { Id: 'b', Message: '' },
          { Id: 'c', Message: '3' },
        ],
      }),
    )
    expect(Successful?.map(({ Id }) => Id)).toEqual(['a', 'c'])
    expect(new Set(Successful?.map(({ MessageId }) => MessageId)).size).toBe(2)
    expect(Failed).toEqual([
      { Id: 'b', Code: 'InvalidParameter', Message: 'Invalid parameter: Empty message', SenderFault: true },
    ])
    expect(await bodies(queues, target.url)).toEqual(['1', '3'])
  })

  it('is refused as a whole where AWS refuses it', async () => {
    const { client } = await served()
    const arn = await topic(client)
    const batch = (...entries: { Id: string; Message: string }[]) =>
      client.send(new PublishBatchCommand({ TopicArn: arn, PublishBatchRequestEntries: entries }))
    await expect(batch()).rejects.toThrow(EmptyBatchRequestException)
    await expect(batch({ Id: 'a', Message: '1' }, { Id: 'a', Message: '2' })).rejects.toThrow(
      BatchEntryIdsNotDistinctException,
    )
    await expect(batch({ Id: 'a b', Message: '1' })).rejects.toThrow(InvalidBatchEntryIdException)
    const eleven = Array.from({ length: 11 }, (_, i) => ({ Id: `i${i}`, Message: 'm' }))
    await expect(batch(...eleven)).rejects.toThrow(TooManyEntriesInBatchRequestException)
    const large = { Id: 'a', Message: 'x'.repeat(200_000) }
    // The client has no class for it.
    await expect(batch(large, { ...large, Id: 'b' })).rejects.toMatchObject({ name: 'BatchRequestTooLongException' })
  })
})

describe('a FIFO topic', () => {
  const publish = (client: SNSClient, arn: string, Message: string, ids: { group?: string; dedup?: string } = {}) =>
    client.send(
      new PublishCommand({
        TopicArn: arn,
        Message,
        MessageGroupId: ids.group ?? 'g',
        ...(ids.dedup === undefined ? {} : { MessageDeduplicationId: ids.dedup }),
      }),
    )

  it('keeps order and drops what repeats within five minutes', async () => {
    const { client, queues, clock } = await served()
    const arn = await topic(client, 'orders.fifo', { ContentBasedDeduplication: 'true' })
    const [fifo, standard] = [await queue(queues, 'q.fifo'), await queue(queues, 'q')]
    await subscribed(client, arn, fifo.arn, RAW)
    await subscribed(client, arn, standard.arn, RAW)
    const first = await publish(client, arn, 'a')
    const again = await publish(client, arn, 'a')
    expect(again).toMatchObject({ MessageId: first.MessageId, SequenceNumber: first.SequenceNumber })
    const second = await publish(client, arn, 'b')
    expect(first.SequenceNumber).toMatch(/^\d{20}$/)
    expect((second.SequenceNumber as string) > (first.SequenceNumber as string)).toBe(true)
    const messages = await received(queues, fifo.url)
    expect(messages.map(({ Body }) => Body)).toEqual(['a', 'b'])
    expect(messages[0]?.Attributes?.MessageGroupId).toBe('g')
    expect(await bodies(queues, standard.url)).toEqual(['a', 'b'])
    await clock.advance(300_001)
    await publish(client, arn, 'a')
    expect(await bodies(queues, standard.url)).toContain('a')
  })

  it('judges repetitions by group where it is told to', async () => {
    const { client, queues } = await served()
    const arn = await topic(client, 'orders.fifo', { FifoThroughputScope: 'MessageGroup' })
    const target = await queue(queues, 'q.fifo', {
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
    })
    await subscribed(client, arn, target.arn, RAW)
    await publish(client, arn, '1', { group: 'a', dedup: 'd' })
    await publish(client, arn, '2', { group: 'b', dedup: 'd' })
    await publish(client, arn, '3', { group: 'b', dedup: 'd' })
    const messages = await received(queues, target.url)
    expect(messages.map(({ Body }) => Body)).toEqual(['1', '2'])
    expect(messages.map(({ Attributes }) => Attributes?.MessageDeduplicationId)).toEqual(['d', 'd'])
  })

  it('delivers to the others when one queue has seen the id before', async () => {
    const { client, queues, broker } = await served()
    const arn = await topic(client, 'orders.fifo')
    const [seen, fresh] = [await queue(queues, 'seen.fifo'), await queue(queues, 'fresh.fifo')]
    await subscribed(client, arn, seen.arn, RAW)
    await subscribed(client, arn, fresh.arn, RAW)
    await broker.append('seen.fifo', [{ content: encodeContent('direct'), groupId: 'g', dedupId: 'd' }])
    await publish(client, arn, 'm', { dedup: 'd' })
    expect(await bodies(queues, fresh.url)).toEqual(['m'])
    expect(await bodies(queues, seen.url)).toEqual(['direct'])
    await publish(client, arn, 'm', { dedup: 'd' })
    expect(await bodies(queues, fresh.url)).toEqual([])
  })

  it('shows the sequence number in envelopes, and batches keep their order', async () => {
    const { client, queues } = await served()
    const arn = await topic(client, 'orders.fifo', { ContentBasedDeduplication: 'true' })
    const target = await queue(queues, 'q.fifo')
    await subscribed(client, arn, target.arn)
    const { Successful } = await client.send(
      new PublishBatchCommand({
        TopicArn: arn,
        PublishBatchRequestEntries: ['1', '2', '3'].map((Message) => ({ Id: Message, Message, MessageGroupId: 'g' })),
      }),
    )
    const envelopes = (await bodies(queues, target.url)).map((body) => JSON.parse(body))
    expect(envelopes.map(({ Message }) => Message)).toEqual(['1', '2', '3'])
    expect(envelopes.map(({ SequenceNumber }) => SequenceNumber)).toEqual(
      Successful?.map(({ SequenceNumber }) => SequenceNumber),
    )
  })

  it('needs a group, and an id unless it makes one', async () => {
    const { client, queues } = await served()
    const arn = await topic(client, 'orders.fifo')
    await expect(client.send(new PublishCommand({ TopicArn: arn, Message: 'm' }))).rejects.toThrow(
      'Invalid parameter: The MessageGroupId parameter is required for FIFO topics',
    )
    await expect(publish(client, arn, 'm')).rejects.toThrow('should either have ContentBasedDeduplication enabled')
    const standard = await topic(client)
    const fifo = await queue(queues, 'q.fifo')
    await expect(subscribed(client, standard, fifo.arn)).rejects.toThrow(
      'FIFO SQS Queues can not be subscribed to standard SNS topics',
    )
    await expect(
      client.send(new SubscribeCommand({ TopicArn: arn, Protocol: 'email', Endpoint: 'a@b.c' })),
    ).rejects.toThrow('FIFO topics deliver to nothing else')
  })
})

describe('a queue that is gone', () => {
  it('leaves its messages to the dead-letter queue, until it is back', async () => {
    const { client, queues } = await served()
    const arn = await topic(client)
    const [target, dead] = [await queue(queues, 'q'), await queue(queues, 'dead')]
    const subscription = await subscribed(client, arn, target.arn, {
      ...RAW,
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn }),
    })
    await queues.send(new DeleteQueueCommand({ QueueUrl: target.url }))
    const { MessageId } = await client.send(new PublishCommand({ TopicArn: arn, Message: 'lost' }))
    const [lost] = await received(queues, dead.url)
    expect(lost).toMatchObject({
      Body: 'lost',
      MessageAttributes: {
        RequestID: { DataType: 'String', StringValue: MessageId },
        ErrorCode: { DataType: 'String', StringValue: 'ClientError' },
        ErrorMessage: { DataType: 'String', StringValue: 'The queue of the subscription is gone.' },
      },
    })
    await queue(queues, 'q')
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'found' }))
    expect(await bodies(queues, target.url)).toEqual(['found'])
    expect(await bodies(queues, dead.url)).toEqual([])
    await client.send(new GetSubscriptionAttributesCommand({ SubscriptionArn: subscription }))
  })

  it('does not lose its subscription, with or without a dead-letter queue', async () => {
    const { client, queues } = await served()
    const arn = await topic(client)
    const missing = 'arn:aws:sqs:us-east-1:000000000000:later'
    await subscribed(client, arn, missing, RAW)
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'nobody' }))
    const later = await queue(queues, 'later')
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'somebody' }))
    expect(await bodies(queues, later.url)).toEqual(['somebody'])
  })

  it('is not the only reason: too many attributes for a raw message are one', async () => {
    const { client, queues } = await served()
    const arn = await topic(client)
    const [target, dead] = [await queue(queues, 'q'), await queue(queues, 'dead')]
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn })
    const subscription = await subscribed(client, arn, target.arn, { ...RAW, RedrivePolicy })
    const many = Object.fromEntries(
      Array.from({ length: 11 }, (_, i) => [`a${i}`, { DataType: 'String', StringValue: 'x' }]),
    )
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'm', MessageAttributes: many }))
    expect(await bodies(queues, target.url)).toEqual([])
    expect((await received(queues, dead.url))[0]?.MessageAttributes?.['ErrorMessage']?.StringValue).toContain('11')
    await client.send(
      new SetSubscriptionAttributesCommand({
        SubscriptionArn: subscription,
        AttributeName: 'RawMessageDelivery',
        AttributeValue: 'false',
      }),
    )
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'm', MessageAttributes: many }))
    expect(await bodies(queues, target.url)).toHaveLength(1)
    await client.send(new UnsubscribeCommand({ SubscriptionArn: subscription }))
  })
})
