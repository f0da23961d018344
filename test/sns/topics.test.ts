import {
  AddPermissionCommand,
  CreateTopicCommand,
  DeleteTopicCommand,
  GetDataProtectionPolicyCommand,
  GetTopicAttributesCommand,
  InvalidParameterException,
  ListTagsForResourceCommand,
  ListTopicsCommand,
  NotFoundException,
  PutDataProtectionPolicyCommand,
  RemovePermissionCommand,
  ResourceNotFoundException,
  SetTopicAttributesCommand,
  TagLimitExceededException,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-sns'
import { describe, expect, it } from 'vitest'
import { served, snsClient } from './serving.ts'

const ARN = 'arn:aws:sns:us-east-1:000000000000:orders'

describe('topics', () => {
  it('are created once, however often they are asked for, and found by their ARN', async () => {
    const { client } = await served()
    expect((await client.send(new CreateTopicCommand({ Name: 'orders' }))).TopicArn).toBe(ARN)
    expect((await client.send(new CreateTopicCommand({ Name: 'orders' }))).TopicArn).toBe(ARN)
    expect((await client.send(new ListTopicsCommand({}))).Topics).toEqual([{ TopicArn: ARN }])
    const { Attributes } = await client.send(new GetTopicAttributesCommand({ TopicArn: ARN }))
    expect(Attributes).toMatchObject({
      TopicArn: ARN,
      Owner: '000000000000',
      DisplayName: '',
      SubscriptionsConfirmed: '0',
      SubscriptionsPending: '0',
      SubscriptionsDeleted: '0',
    })
    expect(JSON.parse(Attributes?.['EffectiveDeliveryPolicy'] ?? '').http.defaultHealthyRetryPolicy.numRetries).toBe(3)
    await client.send(new DeleteTopicCommand({ TopicArn: ARN }))
    await client.send(new DeleteTopicCommand({ TopicArn: ARN }))
    await expect(client.send(new GetTopicAttributesCommand({ TopicArn: ARN }))).rejects.toThrow(NotFoundException)
  })

  it('are the same as those of every other protocol', async () => {
    const { client, broker } = await served()
    await broker.declareExchange('made-elsewhere', { kind: 'fanout', attributes: { x: 1 } })
    await broker.declareExchange('not-a-topic', { kind: 'direct' })
    await broker.declareExchange('amq.fanout', { kind: 'fanout' })
    const arn = 'arn:aws:sns:us-east-1:000000000000:made-elsewhere'
    expect((await client.send(new ListTopicsCommand({}))).Topics).toEqual([{ TopicArn: arn }])
    await client.send(
      new SetTopicAttributesCommand({ TopicArn: arn, AttributeName: 'DisplayName', AttributeValue: 'D' }),
    )
    const [view] = await broker.listExchanges(['made-elsewhere'])
    expect(view?.settings.attributes).toMatchObject({ x: 1, sns: { attributes: { DisplayName: 'D' } } })
    await expect(client.send(new CreateTopicCommand({ Name: 'not-a-topic' }))).rejects.toThrow(
      InvalidParameterException,
    )
  })

  it('with other attributes or tags are other topics', async () => {
    const { client } = await served()
    const asked = { Name: 'orders', Attributes: { DisplayName: 'Orders' }, Tags: [{ Key: 'team', Value: 'a' }] }
    await client.send(new CreateTopicCommand(asked))
    await client.send(new CreateTopicCommand({ Name: 'orders' }))
    await client.send(new CreateTopicCommand(asked))
    await expect(
      client.send(new CreateTopicCommand({ Name: 'orders', Attributes: { DisplayName: 'Other' } })),
    ).rejects.toThrow('Invalid parameter: Attributes Reason: Topic already exists with different attributes')
    await expect(
      client.send(new CreateTopicCommand({ Name: 'orders', Tags: [{ Key: 'team', Value: 'b' }] })),
    ).rejects.toThrow('Invalid parameter: Tags Reason: Topic already exists with different tags')
  })

  it('have names that AWS would take', async () => {
    const { client } = await served()
    const create = (Name: string, Attributes?: Record<string, string>) =>
      client.send(new CreateTopicCommand({ Name, ...(Attributes === undefined ? {} : { Attributes }) }))
    for (const name of ['', 'a b', 'a.b', 'x'.repeat(257), 'orders.fifo', 'sqs:eu-west-1:000000000000/x']) {
      await expect(create(name)).rejects.toThrow('Invalid parameter: Topic Name')
    }
    await expect(create('orders', { FifoTopic: 'true' })).rejects.toThrow('Fifo Topic names must end with .fifo')
    await expect(create('x'.repeat(256))).rejects.toThrow('must not be longer than 255 bytes')
    expect((await create('x'.repeat(255))).TopicArn).toContain('xxx')
    const fifo = await create('orders.fifo', { FifoTopic: 'true', ContentBasedDeduplication: 'true' })
    const { Attributes } = await client.send(new GetTopicAttributesCommand({ TopicArn: fifo.TopicArn }))
    expect(Attributes).toMatchObject({ FifoTopic: 'true', ContentBasedDeduplication: 'true' })
  })

  it('of another region or account are others', async () => {
    const { client, endpoint } = await served()
    const west = snsClient(endpoint, { region: 'eu-west-1' })
    const other = snsClient(endpoint, { accessKeyId: '123456789012' })
    for (const each of [client, west, other]) await each.send(new CreateTopicCommand({ Name: 'orders' }))
    expect((await west.send(new ListTopicsCommand({}))).Topics).toEqual([
      { TopicArn: 'arn:aws:sns:eu-west-1:000000000000:orders' },
    ])
    expect((await other.send(new ListTopicsCommand({}))).Topics).toEqual([
      { TopicArn: 'arn:aws:sns:us-east-1:123456789012:orders' },
    ])
    await west.send(new DeleteTopicCommand({ TopicArn: 'arn:aws:sns:eu-west-1:000000000000:orders' }))
    expect((await client.send(new ListTopicsCommand({}))).Topics).toEqual([{ TopicArn: ARN }])
  })

  it('are listed a hundred at a time', async () => {
    const { client } = await served()
    const names = Array.from({ length: 205 }, (_, i) => `t-${String(i).padStart(3, '0')}`)
    for (const Name of names) await client.send(new CreateTopicCommand({ Name }))
    const found: string[] = []
    const sizes: number[] = []
    let NextToken: string | undefined
    do {
      const page = await client.send(new ListTopicsCommand({ NextToken }))
      sizes.push(page.Topics?.length ?? 0)
      found.push(...(page.Topics ?? []).map(({ TopicArn = '' }) => TopicArn.split(':').at(-1) as string))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    expect(sizes).toEqual([100, 100, 5])
    expect(found).toEqual(names)
    await expect(client.send(new ListTopicsCommand({ NextToken: '!' }))).rejects.toThrow('Invalid parameter: NextToken')
  })

  it('refuse attributes that there are not', async () => {
    const { client } = await served()
    await client.send(new CreateTopicCommand({ Name: 'orders' }))
    const set = (AttributeName: string, AttributeValue: string) =>
      client.send(new SetTopicAttributesCommand({ TopicArn: ARN, AttributeName, AttributeValue }))
    await expect(set('Nonsense', 'x')).rejects.toThrow('Invalid parameter: AttributeName')
    await expect(set('__proto__', 'x')).rejects.toThrow('Invalid parameter: AttributeName')
    await expect(set('FifoTopic', 'true')).rejects.toThrow('Invalid parameter: AttributeName')
    await expect(set('SignatureVersion', '3')).rejects.toThrow(InvalidParameterException)
    await expect(set('Policy', 'no json')).rejects.toThrow('Invalid parameter: Policy Error: null')
    await expect(set('DeliveryPolicy', '{"http":{"defaultHealthyRetryPolicy":{"numRetries":1000}}}')).rejects.toThrow(
      'numRetries must be a whole number from 0 to 100',
    )
    const policy = '{"Version":"2012-10-17",   "Statement":[]}'
    await set('Policy', policy)
    await set('KmsMasterKeyId', 'alias/aws/sns')
    const { Attributes } = await client.send(new GetTopicAttributesCommand({ TopicArn: ARN }))
    expect(Attributes).toMatchObject({ Policy: policy, KmsMasterKeyId: 'alias/aws/sns' })
  })

  it('name what is wrong with an ARN', async () => {
    const { client } = await served()
    const get = (TopicArn: string) => client.send(new GetTopicAttributesCommand({ TopicArn }))
    await expect(get('orders')).rejects.toThrow('TopicArn Reason: An ARN must have at least 6 elements, not 1')
    for (const arn of [
      'arn:aws:sqs:us-east-1:000000000000:x',
      'arn:aws:sns:us-east-1:1:x',
      `${ARN}/../x`,
      `${ARN}:x:y`,
    ]) {
      await expect(get(arn)).rejects.toThrow('Invalid parameter: TopicArn')
    }
    await expect(get(`${ARN}-gone`)).rejects.toThrow('Topic does not exist')
  })
})

describe('tags', () => {
  it('are added, replaced, removed and listed', async () => {
    const { client } = await served()
    await client.send(new CreateTopicCommand({ Name: 'orders', Tags: [{ Key: 'a', Value: '1' }] }))
    const tag = (...Tags: { Key: string; Value: string }[]) =>
      client.send(new TagResourceCommand({ ResourceArn: ARN, Tags }))
    await tag({ Key: 'a', Value: '2' }, { Key: '__proto__', Value: 'p' })
    await client.send(new UntagResourceCommand({ ResourceArn: ARN, TagKeys: ['missing'] }))
    const listed = await client.send(new ListTagsForResourceCommand({ ResourceArn: ARN }))
    expect(listed.Tags).toEqual([
      { Key: 'a', Value: '2' },
      { Key: '__proto__', Value: 'p' },
    ])
    await expect(tag({ Key: 'x', Value: '1' }, { Key: 'x', Value: '2' })).rejects.toThrow(
      'Duplicated keys are not allowed.',
    )
    await expect(tag({ Key: 'aws:x', Value: '1' })).rejects.toThrow(InvalidParameterException)
    const many = Array.from({ length: 49 }, (_, i) => ({ Key: `k${i}`, Value: '' }))
    await expect(tag(...many)).rejects.toThrow(TagLimitExceededException)
    await client.send(new UntagResourceCommand({ ResourceArn: ARN, TagKeys: ['a'] }))
    expect((await client.send(new ListTagsForResourceCommand({ ResourceArn: ARN }))).Tags).toHaveLength(1)
    await expect(
      client.send(new TagResourceCommand({ ResourceArn: `${ARN}-gone`, Tags: [{ Key: 'a', Value: '1' }] })),
    ).rejects.toThrow(ResourceNotFoundException)
  })
})

describe('permissions', () => {
  it('are statements of the policy', async () => {
    const { client } = await served()
    await client.send(new CreateTopicCommand({ Name: 'orders' }))
    const add = (Label: string, ActionName = ['Publish', 'Subscribe'], AWSAccountId = ['123456789012']) =>
      client.send(new AddPermissionCommand({ TopicArn: ARN, Label, AWSAccountId, ActionName }))
    await add('partners')
    await expect(add('partners')).rejects.toThrow('Statement already exists')
    await expect(add('x', ['Nonsense'])).rejects.toThrow('Policy statement action out of service scope!')
    await expect(add('x', ['Publish'], ['me'])).rejects.toThrow('AWSAccountId')
    const statements = async (): Promise<{ Sid: string }[]> => {
      const { Attributes } = await client.send(new GetTopicAttributesCommand({ TopicArn: ARN }))
      return JSON.parse(Attributes?.['Policy'] ?? '').Statement
    }
    expect(await statements()).toEqual([
      expect.objectContaining({ Sid: '__default_statement_ID' }),
      {
        Sid: 'partners',
        Effect: 'Allow',
        Principal: { AWS: 'arn:aws:iam::123456789012:root' },
        Action: ['SNS:Publish', 'SNS:Subscribe'],
        Resource: ARN,
      },
    ])
    await client.send(new RemovePermissionCommand({ TopicArn: ARN, Label: 'partners' }))
    expect(await statements()).toHaveLength(1)
  })

  it('keep a data protection policy as it came', async () => {
    const { client } = await served()
    await client.send(new CreateTopicCommand({ Name: 'orders' }))
    const policy = '{"Name":"p","Version":"2021-06-01","Statement":[{"Sid":"s"}]}'
    const put = (DataProtectionPolicy: string) =>
      client.send(new PutDataProtectionPolicyCommand({ ResourceArn: ARN, DataProtectionPolicy }))
    const get = () => client.send(new GetDataProtectionPolicyCommand({ ResourceArn: ARN }))
    expect((await get()).DataProtectionPolicy).toBe('')
    await put(policy)
    expect((await get()).DataProtectionPolicy).toBe(policy)
    await expect(put('{}')).rejects.toThrow(InvalidParameterException)
    await expect(put('[')).rejects.toThrow('it is not valid JSON')
    await put('')
    expect((await get()).DataProtectionPolicy).toBe('')
  })
})
