import {
  ConfirmSubscriptionCommand,
  CreateTopicCommand,
  GetSubscriptionAttributesCommand,
  ListSubscriptionsByTopicCommand,
  PublishCommand,
  type SNSClient,
  SubscribeCommand,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns'
import { describe, expect, it } from 'vitest'
import { OUTBOX } from '../../src/frontends/sns/delivery/outbox.ts'
import { snsService } from '../../src/frontends/sns/sns-service.ts'
import { decodeBody, decodeHead, encodeContent } from '../../src/model/content.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { type Outbound, outboundHttp } from '../../src/runtime/outbound-http.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { verified } from './envelope-verifier.ts'
import { home, queue, received, served, subscriber } from './serving.ts'

const anywhere = () => outboundHttp({ reach: 'any' })

async function topic(client: SNSClient): Promise<string> {
  return (await client.send(new CreateTopicCommand({ Name: 'orders' }))).TopicArn as string
}

function subscribe(client: SNSClient, arn: string, protocol: string, endpoint: string, attributes = {}) {
  return client.send(
    new SubscribeCommand({ TopicArn: arn, Protocol: protocol, Endpoint: endpoint, Attributes: attributes }),
  )
}

/** A confirmed HTTP subscription: the endpoint is asked, and follows the link it is given. */
async function confirmed(
  client: SNSClient,
  arn: string,
  endpoint: Awaited<ReturnType<typeof subscriber>>,
  attributes = {},
) {
  await subscribe(client, arn, 'http', endpoint.url, attributes)
  const [handshake] = await endpoint.heard(1)
  const { Token } = JSON.parse(handshake?.body ?? '')
  const { SubscriptionArn } = await client.send(new ConfirmSubscriptionCommand({ TopicArn: arn, Token }))
  endpoint.posts.length = 0
  return SubscriptionArn as string
}

describe('an HTTP subscription', () => {
  it('is asked to confirm, by a message that can be verified and a link that can be followed', async () => {
    const { client, endpoint } = await served({ outbound: anywhere() })
    const hook = await subscriber()
    const arn = await topic(client)
    expect((await subscribe(client, arn, 'http', hook.url)).SubscriptionArn).toBe('pending confirmation')
    const [handshake] = await hook.heard(1)
    expect(handshake?.headers).toMatchObject({
      'content-type': 'text/plain; charset=UTF-8',
      'user-agent': 'Amazon Simple Notification Service Agent',
      'x-amz-sns-message-type': 'SubscriptionConfirmation',
      'x-amz-sns-topic-arn': arn,
    })
    const message = JSON.parse(handshake?.body ?? '')
    expect(await verified(message)).toBe(true)
    const listed = () => client.send(new ListSubscriptionsByTopicCommand({ TopicArn: arn }))
    expect((await listed()).Subscriptions?.[0]?.SubscriptionArn).toBe('PendingConfirmation')
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'too early' }))
    expect(message.SubscribeURL).toContain(`${endpoint}/?Action=ConfirmSubscription&TopicArn=${arn}&Token=`)
    const forged = await fetch(message.SubscribeURL.replace(/Token=../, 'Token=00'))
    expect([forged.status, await forged.text()]).toEqual([400, expect.stringContaining('Invalid parameter: Token')])
    const followed = await fetch(message.SubscribeURL)
    expect(await followed.text()).toContain(`<SubscriptionArn>${arn}:`)
    expect((await fetch(message.SubscribeURL)).status).toBe(200)
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'in time' }))
    const [, notification] = await hook.heard(2)
    expect(JSON.parse(notification?.body ?? '').Message).toBe('in time')
    expect(hook.posts).toHaveLength(2)
  })

  it('gets signed envelopes, or raw messages with what they are in headers', async () => {
    const { client } = await served({ outbound: anywhere() })
    const [hook, rawHook] = [await subscriber(), await subscriber()]
    const arn = await topic(client)
    const subscription = await confirmed(client, arn, hook)
    const raw = await confirmed(client, arn, rawHook, { RawMessageDelivery: 'true' })
    const { MessageId } = await client.send(new PublishCommand({ TopicArn: arn, Message: 'hello', Subject: 'S' }))
    const [enveloped] = await hook.heard(1)
    expect(enveloped?.headers).toMatchObject({
      'x-amz-sns-message-type': 'Notification',
      'x-amz-sns-message-id': MessageId,
      'x-amz-sns-subscription-arn': subscription,
    })
    const envelope = JSON.parse(enveloped?.body ?? '')
    expect(envelope).toMatchObject({ Message: 'hello', Subject: 'S', MessageId })
    expect(await verified(envelope)).toBe(true)
    const [plain] = await rawHook.heard(1)
    expect(plain?.body).toBe('hello')
    expect(plain?.headers).toMatchObject({ 'x-amz-sns-rawdelivery': 'true', 'x-amz-sns-subscription-arn': raw })
  })

  it('is tried again as its policy says, then its message goes to the dead-letter queue', async () => {
    const { client, queues, clock } = await served({ outbound: anywhere() })
    const hook = await subscriber(200, 500, 503, 429, 500)
    const dead = await queue(queues, 'dead')
    const arn = await topic(client)
    await confirmed(client, arn, hook, {
      DeliveryPolicy: JSON.stringify({
        healthyRetryPolicy: { numRetries: 3, numNoDelayRetries: 1, minDelayTarget: 5, maxDelayTarget: 10 },
      }),
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn }),
    })
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'm' }))
    await hook.heard(2)
    await until(clock, () => hook.posts.length >= 3)
    await until(clock, () => hook.posts.length >= 4)
    expect(hook.posts.map(({ body }) => JSON.parse(body).Message)).toEqual(['m', 'm', 'm', 'm'])
    const lost = await arrived(clock, () => received(queues, dead.url))
    expect(JSON.parse(lost[0]?.Body ?? '').Message).toBe('m')
    expect(lost[0]?.MessageAttributes?.['ErrorMessage']?.StringValue).toBe('The endpoint answered 500.')
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'next' }))
    await hook.heard(5)
    expect(JSON.parse(hook.posts[4]?.body ?? '').Message).toBe('next')
  })

  it('is not asked again after an answer that says no, nor led elsewhere', async () => {
    const { client, queues, clock } = await served({ outbound: anywhere() })
    const hook = await subscriber(200, 404, 301)
    const dead = await queue(queues, 'dead')
    const arn = await topic(client)
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn })
    await confirmed(client, arn, hook, { RedrivePolicy, RawMessageDelivery: 'true' })
    for (const Message of ['a', 'b']) {
      await client.send(new PublishCommand({ TopicArn: arn, Message }))
      const lost = await arrived(clock, () => received(queues, dead.url))
      expect(lost[0]?.Body).toBe(Message)
    }
    expect(hook.posts).toHaveLength(2)
  })

  it('is told when it is unsubscribed', async () => {
    const { client } = await served({ outbound: anywhere() })
    const hook = await subscriber()
    const arn = await topic(client)
    const subscription = await confirmed(client, arn, hook)
    await client.send(new UnsubscribeCommand({ SubscriptionArn: subscription }))
    const [farewell] = await hook.heard(1)
    expect(farewell?.headers).toMatchObject({
      'x-amz-sns-message-type': 'UnsubscribeConfirmation',
      'x-amz-sns-subscription-arn': subscription,
    })
    expect(await verified(JSON.parse(farewell?.body ?? ''))).toBe(true)
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'm' }))
    await expect(client.send(new GetSubscriptionAttributesCommand({ SubscriptionArn: subscription }))).rejects.toThrow(
      'Subscription does not exist',
    )
  })

  it('is refused while HTTP is switched off', async () => {
    const { client } = await served()
    const arn = await topic(client)
    await expect(subscribe(client, arn, 'https', 'https://example.com/')).rejects.toThrow('switched off on this server')
  })

  it('needs a token that is not older than two days', async () => {
    const { client, clock } = await served({ outbound: anywhere() })
    const hook = await subscriber()
    const arn = await topic(client)
    await subscribe(client, arn, 'http', hook.url)
    const [handshake] = await hook.heard(1)
    const { Token } = JSON.parse(handshake?.body ?? '')
    clock.jumpWall(172_801_000)
    const confirm = () => client.send(new ConfirmSubscriptionCommand({ TopicArn: arn, Token }))
    await expect(confirm()).rejects.toThrow('Invalid parameter: Token')
    await subscribe(client, arn, 'http', hook.url)
    const [, again] = await hook.heard(2)
    const fresh = JSON.parse(again?.body ?? '').Token
    expect(fresh).not.toBe(Token)
    await client.send(new ConfirmSubscriptionCommand({ TopicArn: arn, Token: fresh }))
  })

  it('is forgotten when nobody confirmed it in time', async () => {
    const { client, clock, sns } = await served({ outbound: anywhere() })
    const hook = await subscriber()
    const arn = await topic(client)
    await subscribe(client, arn, 'http', hook.url)
    await hook.heard(1)
    clock.jumpWall(172_801_000)
    await subscribe(client, arn, 'sms', '+15550100200')
    await sns.settled()
    const listed = await client.send(new ListSubscriptionsByTopicCommand({ TopicArn: arn }))
    expect(listed.Subscriptions?.map(({ Protocol }) => Protocol)).toEqual(['sms'])
  })

  it('loses nothing when the server stops in the middle of a delivery', async () => {
    const posts: string[] = []
    let hang = true
    const outbound: Outbound = {
      post: (asked, signal) => {
        posts.push(asked.headers['x-amz-sns-message-type'] ?? '')
        if (!hang || posts.length === 1) return Promise.resolve({ kind: 'answered', status: 200 })
        return new Promise((resolve) =>
          signal?.addEventListener('abort', () => resolve({ kind: 'failed', why: 'stopped' })),
        )
      },
    }
    const { client, sns, clock, broker } = await served({ outbound })
    const arn = await topic(client)
    await subscribe(client, arn, 'https', 'https://example.com/')
    await until(clock, () => posts.length === 1)
    const [record] = await broker.scan('spindle/sns/subscription/', { limit: 1 })
    const { token } = JSON.parse(Buffer.from(record?.value ?? []).toString())
    await client.send(new ConfirmSubscriptionCommand({ TopicArn: arn, Token: token }))
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'm' }))
    await until(clock, () => posts.length === 2)
    await sns.stop()
    hang = false
    const next = snsService({ port: broker, clock, random: systemRandom, log: silentLog, home, outbound })
    await next.start()
    await until(clock, () => posts.length === 3)
    await next.stop()
    expect(posts).toEqual(['SubscriptionConfirmation', 'Notification', 'Notification'])
  })
})

describe('what would leave this machine otherwise', () => {
  it('lies in the outbox, which says that nothing was sent', async () => {
    const { client, broker, clock } = await served()
    const arn = await topic(client)
    const lambda = 'arn:aws:lambda:us-east-1:000000000000:function:f'
    const firehose = 'arn:aws:firehose:us-east-1:000000000000:deliverystream/s'
    const { SubscriptionArn } = await subscribe(client, arn, 'sms', '+15550100200')
    await subscribe(client, arn, 'lambda', lambda)
    await subscribe(client, arn, 'firehose', firehose, { RawMessageDelivery: 'true' })
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'hello', Subject: 'S' }))
    await until(clock, async () => (await outbox(broker)).length === 3)
    const kept = await outbox(broker)
    expect(kept.find(({ protocol }) => protocol === 'sms')).toMatchObject({
      delivered: false,
      note: 'Kept in the outbox: Spindle does not send this to anybody.',
      endpoint: '+15550100200',
      topicArn: arn,
      subscriptionArn: SubscriptionArn,
      type: 'Notification',
      subject: 'S',
    })
    expect(kept.find(({ protocol }) => protocol === 'firehose')).toMatchObject({ endpoint: firehose, message: 'hello' })
    expect(kept.find(({ protocol }) => protocol === 'lambda')?.['endpoint']).toBe(lambda)
  })

  it('holds the confirmation of an e-mail address, by which it is confirmed', async () => {
    const { client, broker, clock } = await served()
    const arn = await topic(client)
    expect((await subscribe(client, arn, 'email', 'a@example.com')).SubscriptionArn).toBe('pending confirmation')
    await until(clock, async () => (await outbox(broker)).length === 1)
    const [asked] = await outbox(broker)
    expect(asked).toMatchObject({ type: 'SubscriptionConfirmation', protocol: 'email', endpoint: 'a@example.com' })
    expect((await fetch(JSON.parse(asked?.message ?? '').SubscribeURL)).status).toBe(200)
    await client.send(new PublishCommand({ TopicArn: arn, Message: 'hello' }))
    await until(clock, async () => (await outbox(broker)).length === 2)
    expect((await outbox(broker))[1]?.message).toBe('hello')
  })

  it('gets the envelope of a message that another protocol published', async () => {
    const { client, broker, clock } = await served()
    const arn = await topic(client)
    await subscribe(client, arn, 'email-json', 'a@example.com')
    await until(clock, async () => (await outbox(broker)).length === 1)
    const [asked] = await outbox(broker)
    await fetch(JSON.parse(asked?.message ?? '').SubscribeURL)
    await broker.publish('orders', [{ content: encodeContent('from elsewhere', { headers: { n: 1 } }) }])
    await until(clock, async () => (await outbox(broker)).length === 2)
    const envelope = JSON.parse((await outbox(broker))[1]?.message ?? '')
    expect(envelope).toMatchObject({
      Message: 'from elsewhere',
      MessageAttributes: { n: { Type: 'Number', Value: '1' } },
    })
    expect(await verified(envelope)).toBe(true)
  })
})

type Kept = Readonly<Record<string, string | boolean | undefined>> & { readonly message: string }

async function outbox(broker: Awaited<ReturnType<typeof served>>['broker']): Promise<Kept[]> {
  const { messages } = await broker
    .browse({ queue: OUTBOX, states: ['ready'], limit: 100 })
    .catch(() => ({ messages: [] }))
  return messages.map(({ content }) => decodeBody(decodeHead(content.head).kind, content.body) as Kept)
}

/** Moves the clock a second at a time, with turns for real sockets and keys in between, until it holds. */
async function until(clock: { advance(ms: number): Promise<void> }, holds: () => boolean | Promise<boolean>) {
  for (let turn = 0; turn < 200_000; turn++) {
    if (await holds()) return
    await clock.advance(turn % 50 === 49 ? 1_000 : 0)
  }
  throw new Error('it never came true')
}

async function arrived<T>(clock: Parameters<typeof until>[0], look: () => Promise<T[]>): Promise<T[]> {
  const found: T[] = []
  await until(clock, async () => {
    found.push(...(await look()))
    return found.length > 0
  })
  return found
}
