import {
  CreateTopicCommand,
  DeleteTopicCommand,
  GetSubscriptionAttributesCommand,
  GetTopicAttributesCommand,
  InvalidParameterException,
  ListSubscriptionsByTopicCommand,
  ListSubscriptionsCommand,
  NotFoundException,
  SetSubscriptionAttributesCommand,
  type SNSClient,
  SubscribeCommand,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns'
import { describe, expect, it } from 'vitest'
import { outboundHttp } from '../../src/runtime/outbound-http.ts'
import { queue, served, snsClient } from './serving.ts'

async function topic(client: SNSClient, Name = 'orders'): Promise<string> {
  return (await client.send(new CreateTopicCommand({ Name }))).TopicArn as string
}

function subscribe(client: SNSClient, arn: string, Endpoint: string, Attributes = {}, Protocol = 'sqs') {
  return client.send(new SubscribeCommand({ TopicArn: arn, Protocol, Endpoint, Attributes }))
}

const queueArn = (name: string) => `arn:aws:sqs:us-east-1:000000000000:${name}`

describe('a subscription', () => {
  it('is one, however often the same is asked for', async () => {
    const { client, queues } = await served()
    const arn = await topic(client)
    const target = await queue(queues, 'q')
    const first = await subscribe(client, arn, target.arn, { RawMessageDelivery: 'true' })
    expect(first.SubscriptionArn).toMatch(new RegExp(`^${arn}:[0-9a-f-]{36}$`))
    expect(await subscribe(client, arn, target.arn)).toMatchObject({ SubscriptionArn: first.SubscriptionArn })
    await expect(subscribe(client, arn, target.arn, { RawMessageDelivery: 'false' })).rejects.toThrow(
      'Invalid parameter: Attributes Reason: Subscription already exists with different attributes',
    )
    const { Attributes } = await client.send(
      new GetSubscriptionAttributesCommand({ SubscriptionArn: first.SubscriptionArn }),
    )
    expect(Attributes).toMatchObject({
      SubscriptionArn: first.SubscriptionArn,
      TopicArn: arn,
      Owner: '000000000000',
      Protocol: 'sqs',
      Endpoint: target.arn,
      PendingConfirmation: 'false',
      RawMessageDelivery: 'true',
    })
    const counted = await client.send(new GetTopicAttributesCommand({ TopicArn: arn }))
    expect(counted.Attributes).toMatchObject({ SubscriptionsConfirmed: '1', SubscriptionsPending: '0' })
  })

  it('goes when it is unsubscribed, or its topic deleted', async () => {
    const { client, broker } = await served()
    const arn = await topic(client)
    const { SubscriptionArn } = await subscribe(client, arn, queueArn('q'))
    await client.send(new UnsubscribeCommand({ SubscriptionArn }))
    await client.send(new UnsubscribeCommand({ SubscriptionArn }))
    await expect(client.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }))).rejects.toThrow(
      NotFoundException,
    )
    await subscribe(client, arn, '+15550100200', {}, 'sms')
    await client.send(new DeleteTopicCommand({ TopicArn: arn }))
    expect((await client.send(new ListSubscriptionsCommand({}))).Subscriptions).toEqual([])
    const measured = await broker.measure()
    expect(measured.map(({ queue: name }) => name).filter((name) => name.startsWith('spindle.sns/'))).toEqual([])
  })

  it('does not come back with a topic that another protocol deleted', async () => {
    const { client, broker } = await served()
    const arn = await topic(client)
    await subscribe(client, arn, queueArn('q'))
    await broker.deleteExchange('orders')
    await topic(client)
    expect((await client.send(new ListSubscriptionsByTopicCommand({ TopicArn: arn }))).Subscriptions).toEqual([])
  })

  it('is listed a hundred at a time, of its account and region alone', async () => {
    const { client, endpoint } = await served()
    const [orders, mail] = [await topic(client), await topic(client, 'mail')]
    for (let i = 0; i < 130; i++) await subscribe(client, i < 105 ? orders : mail, queueArn(`q${i}`))
    const west = snsClient(endpoint, { region: 'eu-west-1' })
    await subscribe(west, await topic(west), 'arn:aws:sqs:eu-west-1:000000000000:q')
    const sizes = async (
      next: (token?: string) => Promise<{ Subscriptions?: unknown[] | undefined; NextToken?: string | undefined }>,
    ) => {
      const found: number[] = []
      let token: string | undefined
      do {
        const page = await next(token)
        found.push(page.Subscriptions?.length ?? 0)
        token = page.NextToken
      } while (token !== undefined)
      return found
    }
    expect(await sizes((NextToken) => client.send(new ListSubscriptionsCommand({ NextToken })))).toEqual([100, 30])
    expect(
      await sizes((NextToken) => client.send(new ListSubscriptionsByTopicCommand({ TopicArn: orders, NextToken }))),
    ).toEqual([100, 5])
    expect((await west.send(new ListSubscriptionsCommand({}))).Subscriptions).toHaveLength(1)
  })

  it('has an endpoint that fits its protocol', async () => {
    const { client } = await served({ outbound: outboundHttp() })
    const arn = await topic(client)
    const refused: [string, string, string][] = [
      ['carrier-pigeon', 'x', 'Invalid parameter: Amazon SNS does not support this protocol string: carrier-pigeon'],
      ['sqs', '', 'Invalid parameter: Endpoint'],
      ['sqs', 'http://localhost/q', 'Invalid parameter: SQS endpoint ARN'],
      ['sqs', 'arn:aws:sqs:us-east-1:000000000000:../x', 'Invalid parameter: SQS endpoint ARN'],
      ['http', 'https://example.com', 'Invalid parameter: Endpoint must match the specified protocol'],
      ['https', 'file:///etc/passwd', 'Invalid parameter: Endpoint'],
      ['email', 'nobody', 'Invalid parameter: Email address'],
      ['sms', '12', 'Invalid parameter: Invalid SMS endpoint: 12'],
      ['lambda', queueArn('q'), 'Invalid parameter: Lambda endpoint ARN'],
      ['firehose', 'x', 'Invalid parameter: Firehose endpoint ARN'],
      ['application', 'arn:aws:sns:us-east-1:000000000000:endpoint/GCM/a/b', 'Endpoint does not exist for endpoint'],
    ]
    for (const [protocol, endpoint, message] of refused) {
      await expect(subscribe(client, arn, endpoint, {}, protocol)).rejects.toThrow(message)
    }
    await expect(subscribe(client, `${arn}-gone`, queueArn('q'))).rejects.toThrow('Topic does not exist')
  })

  it('has attributes that AWS would take', async () => {
    const { client } = await served()
    const arn = await topic(client)
    const { SubscriptionArn } = await subscribe(client, arn, queueArn('q'))
    const set = (AttributeName: string, AttributeValue?: string) =>
      client.send(
        new SetSubscriptionAttributesCommand({
          SubscriptionArn,
          AttributeName,
          ...(AttributeValue === undefined ? {} : { AttributeValue }),
        }),
      )
    const refused: [string, string, string][] = [
      ['Nonsense', 'x', 'Invalid parameter: AttributeName'],
      ['__proto__', 'x', 'Invalid parameter: AttributeName'],
      ['RawMessageDelivery', 'maybe', 'RawMessageDelivery: Invalid value [maybe]. Must be true or false.'],
      ['FilterPolicyScope', 'Nowhere', 'FilterPolicyScope: Invalid value [Nowhere].'],
      ['FilterPolicy', '{', 'FilterPolicy: failed to parse JSON.'],
      ['FilterPolicy', '[]', 'FilterPolicy: failed to parse JSON.'],
      ['FilterPolicy', '{"a":"b"}', 'FilterPolicy: "a" must be an object or an array'],
      [
        'FilterPolicy',
        '{"a":{"b":["c"]}}',
        'Filter policy scope MessageAttributes does not support nested filter policy',
      ],
      ['RedrivePolicy', '{"deadLetterTargetArn":"x"}', 'RedrivePolicy: deadLetterTargetArn is an invalid arn'],
      ['RedrivePolicy', `{"deadLetterTargetArn":"${queueArn('d.fifo')}"}`, 'must use a standard queue as DLQ'],
      ['DeliveryPolicy', '{"healthyRetryPolicy":{"backoffFunction":"guess"}}', 'backoffFunction must be one of'],
      ['ReplayPolicy', '{"x":1}', 'message archiving is not supported by this server'],
    ]
    for (const [name, value, message] of refused) {
      await expect(set(name, value), `${name} ${value}`).rejects.toThrow(message)
      await expect(set(name, value)).rejects.toThrow(InvalidParameterException)
    }
    await set('FilterPolicyScope', 'MessageBody')
    await set('FilterPolicy', '{"a":{"b":["c"]}}')
    await expect(set('FilterPolicyScope', 'MessageAttributes')).rejects.toThrow('does not support nested')
    await set('FilterPolicy', '{}')
    const { Attributes } = await client.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }))
    expect(Attributes?.['FilterPolicy']).toBeUndefined()
    await expect(
      client.send(
        new SubscribeCommand({
          TopicArn: arn,
          Protocol: 'sqs',
          Endpoint: queueArn('other'),
          Attributes: { FilterPolicy: '{"a":"b"}' },
        }),
      ),
    ).rejects.toThrow('Invalid parameter: Attributes Reason: FilterPolicy: "a" must be an object or an array')
  })

  it('says what is wrong with an ARN', async () => {
    const { client } = await served()
    const get = (SubscriptionArn: string) => client.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }))
    await expect(get('x')).rejects.toThrow('SubscriptionArn Reason: An ARN must have at least 6 elements, not 1')
    await expect(get('arn:aws:sns:us-east-1:000000000000:t:not-a-uuid')).rejects.toThrow(InvalidParameterException)
    await expect(get('arn:aws:sns:us-east-1:000000000000:t:00000000-0000-4000-8000-000000000000')).rejects.toThrow(
      'Subscription does not exist',
    )
  })
})
