import {
  AuthorizationErrorException,
  CreateTopicCommand,
  DeleteTopicCommand,
  GetSMSAttributesCommand,
  GetTopicAttributesCommand,
  ListSubscriptionsCommand,
  ListTopicsCommand,
  PublishCommand,
  SetTopicAttributesCommand,
  SubscribeCommand,
} from '@aws-sdk/client-sns'
import { SetQueueAttributesCommand } from '@aws-sdk/client-sqs'
import { expect, it } from 'vitest'
import { verifySignatures } from '../../src/frontends/aws/verify-signature.ts'
import { identityOf, parseGrant } from '../../src/model/access.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { outboundHttp } from '../../src/runtime/outbound-http.ts'
import { ask, bodies, queue, served, snsClient, sqsClient, subscriber } from './serving.ts'

const users = new Map([
  ['ADMIN', ['admin:*']],
  ['SENDER', ['write:orders']],
  ['OWNER', ['configure:orders', 'write:mail']],
])
const keys = {
  configured: () => true,
  accessKey: (id: string) => {
    const grants = users.get(id)
    if (grants === undefined) return undefined
    return { secret: `${id}-secret`, identity: identityOf({ name: id, tags: [], grants: grants.map(parseGrant) }) }
  },
}
// Clients sign with the time of this machine.
const authorize = verifySignatures({ keys, clock: systemClock })

async function secured(options: { outbound?: ReturnType<typeof outboundHttp> } = {}) {
  const { endpoint } = await served({ authorize, ...options })
  const as = (id: string, secretAccessKey = `${id}-secret`) => snsClient(endpoint, { accessKeyId: id, secretAccessKey })
  const queues = sqsClient(endpoint, { accessKeyId: 'ADMIN', secretAccessKey: 'ADMIN-secret' })
  return { endpoint, as, queues }
}

it('lets nobody in without a signature that is right', async () => {
  const { endpoint, as } = await secured()
  await expect(as('ADMIN', 'wrong').send(new ListTopicsCommand({}))).rejects.toMatchObject({
    name: 'SignatureDoesNotMatch',
    $metadata: { httpStatusCode: 403 },
  })
  await expect(as('NOBODY').send(new ListTopicsCommand({}))).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' })
  expect(await ask(endpoint, { Action: 'ListTopics', Version: '2010-03-31' })).toMatchObject({
    status: 403,
    text: expect.stringContaining('<Code>MissingAuthenticationToken</Code>'),
  })
  expect((await as('ADMIN').send(new ListTopicsCommand({}))).Topics).toEqual([])
})

it('lets everybody do what their grants say, and no more', async () => {
  const { as, queues } = await secured()
  const [admin, sender, owner] = [as('ADMIN'), as('SENDER'), as('OWNER')]
  const { TopicArn } = await owner.send(new CreateTopicCommand({ Name: 'orders' }))
  await admin.send(new CreateTopicCommand({ Name: 'mail' }))
  await expect(owner.send(new CreateTopicCommand({ Name: 'other' }))).rejects.toThrow(AuthorizationErrorException)
  await expect(sender.send(new DeleteTopicCommand({ TopicArn }))).rejects.toThrow(
    `User: arn:aws:iam::000000000000:user/SENDER is not authorized to perform: SNS:DeleteTopic on resource: ${TopicArn}`,
  )
  await sender.send(new PublishCommand({ TopicArn, Message: 'm' }))
  await sender.send(new GetTopicAttributesCommand({ TopicArn }))
  await expect(owner.send(new PublishCommand({ TopicArn, Message: 'm' }))).rejects.toThrow(AuthorizationErrorException)
  expect((await sender.send(new ListTopicsCommand({}))).Topics).toEqual([{ TopicArn }])
  await expect(sender.send(new GetSMSAttributesCommand({}))).rejects.toThrow(AuthorizationErrorException)
  await expect(sender.send(new PublishCommand({ PhoneNumber: '+15550100200', Message: 'm' }))).rejects.toThrow(
    AuthorizationErrorException,
  )
  const [mail, secret] = [await queue(queues, 'mail'), await queue(queues, 'secret')]
  const subscribe = (Endpoint: string, Attributes = {}) =>
    owner.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint, Attributes }))
  await expect(subscribe(secret.arn)).rejects.toThrow(AuthorizationErrorException)
  await expect(
    subscribe(mail.arn, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: secret.arn }) }),
  ).rejects.toThrow(AuthorizationErrorException)
  await subscribe(mail.arn, { RawMessageDelivery: 'true' })
  await sender.send(new PublishCommand({ TopicArn, Message: 'hello' }))
  expect(await bodies(queues, mail.url)).toEqual(['hello'])
  expect((await sender.send(new ListSubscriptionsCommand({}))).Subscriptions).toHaveLength(1)
})

it('judges the policy of a topic too', async () => {
  const { as } = await secured()
  const [admin, sender] = [as('ADMIN'), as('SENDER')]
  const { TopicArn } = await admin.send(new CreateTopicCommand({ Name: 'news' }))
  const publish = (client: typeof admin) => client.send(new PublishCommand({ TopicArn, Message: 'm' }))
  const statement = (Effect: string, user: string, Action: string) => ({
    Sid: 's',
    Effect,
    Principal: { AWS: `arn:aws:iam::000000000000:user/${user}` },
    Action,
    Resource: TopicArn,
  })
  const policy = (...Statement: object[]) =>
    admin.send(
      new SetTopicAttributesCommand({
        TopicArn,
        AttributeName: 'Policy',
        AttributeValue: JSON.stringify({ Version: '2012-10-17', Statement }),
      }),
    )
  await expect(publish(sender)).rejects.toThrow(AuthorizationErrorException)
  await policy(statement('Allow', 'SENDER', 'SNS:Publish'))
  await publish(sender)
  await expect(sender.send(new DeleteTopicCommand({ TopicArn }))).rejects.toThrow(AuthorizationErrorException)
  await policy(statement('Allow', 'SENDER', 'SNS:*'), statement('Deny', 'ADMIN', 'SNS:Publish'))
  await expect(publish(admin)).rejects.toThrow(AuthorizationErrorException)
  await policy(statement('Allow', 'SENDER', 'sqs:*'))
  await expect(publish(sender)).rejects.toThrow(AuthorizationErrorException)
})

it('lets a topic into a queue whose policy asks for it, and keeps out what the policy denies', async () => {
  const { as, queues } = await secured()
  const [admin, owner] = [as('ADMIN'), as('OWNER')]
  const { TopicArn = '' } = await owner.send(new CreateTopicCommand({ Name: 'orders' }))
  const target = await queue(queues, 'secret')
  const allow = (sourceArn: string) => ({
    Effect: 'Allow',
    Principal: { Service: 'sns.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: target.arn,
    Condition: { ArnEquals: { 'aws:SourceArn': sourceArn } },
  })
  const setPolicy = (...Statement: object[]) =>
    queues.send(
      new SetQueueAttributesCommand({
        QueueUrl: target.url,
        Attributes: { Policy: JSON.stringify({ Version: '2012-10-17', Statement }) },
      }),
    )
  const subscribe = (client: typeof owner) =>
    client.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: target.arn }))
  await expect(subscribe(owner)).rejects.toThrow(AuthorizationErrorException)
  await setPolicy(allow('arn:aws:sns:us-east-1:000000000000:other'))
  await expect(subscribe(owner)).rejects.toThrow(AuthorizationErrorException)
  await setPolicy(allow(TopicArn), { ...allow(TopicArn), Effect: 'Deny' })
  await expect(subscribe(admin)).rejects.toThrow(AuthorizationErrorException)
  await setPolicy(allow(TopicArn))
  await subscribe(owner)
  await admin.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: target.arn }))
})

it('lets the links of messages be followed by who was sent them', async () => {
  const { as, endpoint } = await secured({ outbound: outboundHttp({ reach: 'any' }) })
  const admin = as('ADMIN')
  const { TopicArn } = await admin.send(new CreateTopicCommand({ Name: 'orders' }))
  const hook = await subscriber()
  await admin.send(new SubscribeCommand({ TopicArn, Protocol: 'http', Endpoint: hook.url }))
  const [handshake] = await hook.heard(1)
  const { SubscribeURL, SigningCertURL } = JSON.parse(handshake?.body ?? '')
  expect((await ask(SigningCertURL)).text).toContain('BEGIN CERTIFICATE')
  expect((await ask(SubscribeURL)).status).toBe(200)
  await admin.send(new PublishCommand({ TopicArn, Message: 'm' }))
  const { UnsubscribeURL } = JSON.parse((await hook.heard(2))[1]?.body ?? '')
  const forged = UnsubscribeURL.replace(/Token=....../, 'Token=aaaaaa')
  expect((await ask(forged)).status).toBe(403)
  expect((await ask(UnsubscribeURL.replace(/&Token=.*/, ''))).status).toBe(403)
  expect((await ask(`${endpoint}/?Action=ListTopics&Token=x`)).status).toBe(403)
  expect((await ask(UnsubscribeURL)).status).toBe(200)
  expect((await admin.send(new ListSubscriptionsCommand({}))).Subscriptions).toEqual([])
})
