import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { judge, readPolicyDocument } from '../../src/frontends/sqs/policy-document.ts'
import { type AccessVerb, identityOf } from '../../src/model/access.ts'
import { servedSqs, sqsClient } from './serving.ts'

/** Everybody is who their access key says; signatures are tested elsewhere. */
async function served(grants: Record<string, { verbs: AccessVerb[]; resources: string[] }[]>) {
  const { endpoint } = await servedSqs({
    authorize: ({ headers }) => {
      const name = /Credential=([^/]+)/.exec(String(headers['authorization']))?.[1] ?? ''
      return identityOf({ name, tags: [], grants: grants[name] ?? [] })
    },
  })
  return (name: string) => sqsClient(endpoint, 'us-east-1', name)
}

const denied = { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }

describe('callers with access keys', () => {
  it('may do what they were granted, and nothing else', async () => {
    const as = await served({
      boss: [{ verbs: ['admin'], resources: ['*'] }],
      web: [{ verbs: ['write'], resources: ['orders'] }],
      worker: [{ verbs: ['read'], resources: ['ord*'] }],
    })
    const { QueueUrl } = await as('boss').send(new CreateQueueCommand({ QueueName: 'orders' }))
    await as('boss').send(new CreateQueueCommand({ QueueName: 'secrets' }))
    const send = new SendMessageCommand({ QueueUrl, MessageBody: 'x' })
    const receive = new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ['SenderId'] })
    await as('web').send(send)
    await expect(as('web').send(receive)).rejects.toMatchObject({
      ...denied,
      message:
        'User is not authorized to perform: sqs:ReceiveMessage on resource: arn:aws:sqs:us-east-1:000000000000:orders',
    })
    expect((await as('worker').send(receive)).Messages?.[0]?.Attributes).toEqual({ SenderId: 'web' })
    await expect(as('worker').send(send)).rejects.toMatchObject(denied)
    await expect(as('worker').send(new DeleteQueueCommand({ QueueUrl }))).rejects.toMatchObject(denied)
    await expect(as('worker').send(new CreateQueueCommand({ QueueName: 'more' }))).rejects.toMatchObject(denied)
    await expect(as('nobody').send(new GetQueueUrlCommand({ QueueName: 'orders' }))).rejects.toMatchObject(denied)
    expect((await as('worker').send(new ListQueuesCommand({}))).QueueUrls).toEqual([QueueUrl])
    expect((await as('boss').send(new ListQueuesCommand({}))).QueueUrls).toHaveLength(2)
  })

  it('are let in and kept out by the policy of the queue, but never given what is the owner’s', async () => {
    const as = await served({ boss: [{ verbs: ['admin'], resources: ['*'] }] })
    const { QueueUrl } = await as('boss').send(new CreateQueueCommand({ QueueName: 'orders' }))
    const Statement = [
      { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::000000000000:user/guest' }, Action: 'sqs:*', Resource: '*' },
      { Effect: 'Deny', Principal: '*', Action: 'sqs:ReceiveMessage', Resource: '*' },
    ]
    const Attributes = { Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }
    await as('boss').send(new SetQueueAttributesCommand({ QueueUrl, Attributes }))
    await as('guest').send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))
    await as('guest').send(new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: 'a', MessageBody: 'x' }] }))
    await expect(as('guest').send(new DeleteQueueCommand({ QueueUrl }))).rejects.toMatchObject(denied)
    await expect(as('stranger').send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))).rejects.toMatchObject(
      denied,
    )
    await expect(as('boss').send(new ReceiveMessageCommand({ QueueUrl }))).rejects.toMatchObject(denied)
  })
})

function conditional(Effect: 'Allow' | 'Deny', Condition: unknown) {
  return { Effect, Principal: '*', Action: '*', Condition }
}

describe('a policy', () => {
  const asked = {
    principals: ['111122223333'],
    action: 'SendMessage',
    arn: 'arn:aws:sqs:us-east-1:1:orders',
    facts: { 'aws:username': 'guest' },
  }
  const verdict = (statement: object) => judge(readPolicyDocument(JSON.stringify({ Statement: [statement] })), asked)

  it.each([
    ['everybody and every action', { Effect: 'Allow', Principal: '*', Action: '*' }, 'allow'],
    ['an account', { Effect: 'Allow', Principal: { AWS: ['111122223333'] }, Action: 'SQS:SendMessage' }, 'allow'],
    ['actions by pattern', { Effect: 'Allow', Principal: '*', Action: ['sqs:Send*', 'sqs:Get?rl'] }, 'allow'],
    ['another account', { Effect: 'Allow', Principal: { AWS: '444455556666' }, Action: '*' }, 'silent'],
    ['a service', { Effect: 'Allow', Principal: { Service: 'sns.amazonaws.com' }, Action: '*' }, 'silent'],
    ['another action', { Effect: 'Allow', Principal: '*', Action: 'sqs:ReceiveMessage' }, 'silent'],
    ['another service’s action', { Effect: 'Allow', Principal: '*', Action: 'sns:SendMessage' }, 'silent'],
    ['another queue', { Effect: 'Allow', Principal: '*', Action: '*', Resource: 'arn:*:mail' }, 'silent'],
    ['all but one action', { Effect: 'Deny', Principal: '*', NotAction: 'sqs:ReceiveMessage' }, 'deny'],
    ['all but this action', { Effect: 'Deny', Principal: '*', NotAction: 'sqs:Send*' }, 'silent'],
    ['all but this caller', { Effect: 'Deny', NotPrincipal: { AWS: '111122223333' }, Action: '*' }, 'silent'],
    ['all but another caller', { Effect: 'Deny', NotPrincipal: { AWS: '444455556666' }, Action: '*' }, 'deny'],
    ['all but another queue', { Effect: 'Deny', Principal: '*', Action: '*', NotResource: 'arn:*:mail' }, 'deny'],
    ['a condition that holds', conditional('Allow', { StringEquals: { 'aws:username': 'guest' } }), 'allow'],
    ['a condition that does not hold', conditional('Allow', { StringEquals: { 'aws:username': 'boss' } }), 'silent'],
    ['a condition that nobody knows', conditional('Allow', { StringEquals: { 'aws:weather': 'fair' } }), 'silent'],
    ['a denial that holds', conditional('Deny', { StringEquals: { 'aws:username': 'guest' } }), 'deny'],
    ['a denial that does not hold', conditional('Deny', { StringEquals: { 'aws:username': 'boss' } }), 'silent'],
    ['a denial that nobody knows', conditional('Deny', { StringEquals: { 'aws:weather': 'fair' } }), 'deny'],
    ['a denial with a condition of no form', conditional('Deny', 'never'), 'deny'],
  ])('that names %s', (_, statement, expected) => {
    expect(verdict(statement)).toBe(expected)
  })

  it('with many stars is judged at once', () => {
    const Action = `sqs:${'*a'.repeat(2_000)}`
    expect(verdict({ Effect: 'Allow', Principal: '*', Action })).toBe('silent')
  })
})
