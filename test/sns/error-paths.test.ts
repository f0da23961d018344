/** Every action of SNS with every exception that its documentation names, as the SDK throws it. */
import * as sns from '@aws-sdk/client-sns'
import { describe, expect, it } from 'vitest'
import type { Port } from '../../src/broker/port.ts'
import { SpindleError } from '../../src/model/errors.ts'
import { documentedErrors, expectEachPairOnce } from '../aws/documented-errors.ts'
import { neverOfSns, neverOfSnsActions } from '../aws/never-thrown.ts'
import { served as servedSns } from './serving.ts'

type Served = Awaited<ReturnType<typeof servedSns>>

const TopicArn = 'arn:aws:sns:us-east-1:000000000000:orders'
const ResourceArn = TopicArn
const SubscriptionArn = `${TopicArn}:00000000-0000-0000-0000-000000000000`
const PlatformApplicationArn = 'arn:aws:sns:us-east-1:000000000000:app/GCM/shop'
const EndpointArn = `${PlatformApplicationArn.replace(':app/', ':endpoint/')}/00000000-0000-0000-0000-000000000000`
const PhoneNumber = '+15550100200'
const Tags = [{ Key: 'a', Value: 'b' }]
const PublishBatchRequestEntries = [{ Id: 'a', Message: 'x' }]

/** Commands and exceptions by name. */
const sdk: Readonly<Record<string, unknown>> = { ...sns }

/** What each action takes, well formed. */
const inputs: Readonly<Record<string, object>> = {
  AddPermission: { TopicArn, Label: 'l', AWSAccountId: ['000000000000'], ActionName: ['Publish'] },
  CheckIfPhoneNumberIsOptedOut: { phoneNumber: PhoneNumber },
  ConfirmSubscription: { TopicArn, Token: 't' },
  CreatePlatformApplication: { Name: 'shop', Platform: 'GCM', Attributes: { PlatformCredential: 'secret' } },
  CreatePlatformEndpoint: { PlatformApplicationArn, Token: 't' },
  CreateSMSSandboxPhoneNumber: { PhoneNumber },
  CreateTopic: { Name: 'orders' },
  DeleteEndpoint: { EndpointArn },
  DeletePlatformApplication: { PlatformApplicationArn },
  DeleteSMSSandboxPhoneNumber: { PhoneNumber },
  DeleteTopic: { TopicArn },
  GetDataProtectionPolicy: { ResourceArn },
  GetEndpointAttributes: { EndpointArn },
  GetPlatformApplicationAttributes: { PlatformApplicationArn },
  GetSMSAttributes: {},
  GetSMSSandboxAccountStatus: {},
  GetSubscriptionAttributes: { SubscriptionArn },
  GetTopicAttributes: { TopicArn },
  ListEndpointsByPlatformApplication: { PlatformApplicationArn },
  ListOriginationNumbers: {},
  ListPhoneNumbersOptedOut: {},
  ListPlatformApplications: {},
  ListSMSSandboxPhoneNumbers: {},
  ListSubscriptions: {},
  ListSubscriptionsByTopic: { TopicArn },
  ListTagsForResource: { ResourceArn },
  ListTopics: {},
  OptInPhoneNumber: { phoneNumber: PhoneNumber },
  Publish: { TopicArn, Message: 'x' },
  PublishBatch: { TopicArn, PublishBatchRequestEntries },
  PutDataProtectionPolicy: { ResourceArn, DataProtectionPolicy: '' },
  RemovePermission: { TopicArn, Label: 'l' },
  SetEndpointAttributes: { EndpointArn, Attributes: { Enabled: 'true' } },
  SetPlatformApplicationAttributes: { PlatformApplicationArn, Attributes: { Enabled: 'true' } },
  SetSMSAttributes: { attributes: { DefaultSMSType: 'Promotional' } },
  SetSubscriptionAttributes: { SubscriptionArn, AttributeName: 'RawMessageDelivery', AttributeValue: 'true' },
  SetTopicAttributes: { TopicArn, AttributeName: 'DisplayName', AttributeValue: 'd' },
  Subscribe: { TopicArn, Protocol: 'sms', Endpoint: PhoneNumber },
  TagResource: { ResourceArn, Tags },
  Unsubscribe: { SubscriptionArn },
  UntagResource: { ResourceArn, TagKeys: ['a'] },
  VerifySMSSandboxPhoneNumber: { PhoneNumber, OneTimePassword: '123456' },
}

function call({ client }: Pick<Served, 'client'>, action: string, changes: object = {}): Promise<object> {
  const Command = sdk[`${action}Command`] as typeof sns.PublishCommand
  return client.send(new Command({ ...inputs[action], ...changes } as sns.PublishCommandInput))
}

/** Every verb of the port rejects with it from now on; caches are a second old. */
async function broken({ broker, clock }: Served, fault: unknown): Promise<void> {
  await clock.advance(2_000)
  const names = [
    'read',
    'scan',
    'measure',
    'listExchanges',
    'declareExchange',
    'deleteExchange',
    'putBinding',
    'transact',
    'publish',
    'match',
    'deliver',
  ] as const
  for (const name of names) (broker as unknown as Port)[name] = () => Promise.reject(fault) as never
}

type Row = [action: string, exception: string, throwing: (s: Served) => Promise<unknown>, grants?: 'none']

const changed =
  (action: string, changes: object) =>
  (s: Served): Promise<unknown> =>
    call(s, action, changes)

const documented = documentedErrors('sns')
const actionsWith = (exception: string) =>
  [...documented]
    .filter(([action, classes]) => classes.includes(exception) && !(`${action} ${exception}` in neverOfSnsActions))
    .map(([action]) => action)

const wrong: Readonly<Record<string, object>> = {
  AddPermission: { ActionName: ['CreateTopic'] },
  CheckIfPhoneNumberIsOptedOut: { phoneNumber: '1' },
  ConfirmSubscription: { Token: 'made up' },
  CreatePlatformApplication: { Platform: 'FAX' },
  CreatePlatformEndpoint: { Attributes: { Colour: 'red' } },
  CreateSMSSandboxPhoneNumber: { PhoneNumber: '1' },
  CreateTopic: { Name: 'a b' },
  DeleteEndpoint: { EndpointArn: 'endpoint' },
  DeletePlatformApplication: { PlatformApplicationArn: TopicArn },
  DeleteSMSSandboxPhoneNumber: { PhoneNumber: '1' },
  DeleteTopic: { TopicArn: 'orders' },
  GetDataProtectionPolicy: { ResourceArn: 'orders' },
  GetEndpointAttributes: { EndpointArn: 'endpoint' },
  GetPlatformApplicationAttributes: { PlatformApplicationArn: TopicArn },
  GetSubscriptionAttributes: { SubscriptionArn: TopicArn },
  GetTopicAttributes: { TopicArn: 'orders' },
  ListEndpointsByPlatformApplication: { PlatformApplicationArn: TopicArn },
  ListOriginationNumbers: { NextToken: '%' },
  ListPhoneNumbersOptedOut: { nextToken: '%' },
  ListPlatformApplications: { NextToken: '%' },
  ListSMSSandboxPhoneNumbers: { NextToken: '%' },
  ListSubscriptions: { NextToken: '%' },
  ListSubscriptionsByTopic: { NextToken: '%' },
  ListTagsForResource: { ResourceArn: 'orders' },
  ListTopics: { NextToken: '%' },
  OptInPhoneNumber: { phoneNumber: '1' },
  Publish: { Message: 'x'.repeat(262_145) },
  PublishBatch: { TopicArn: 'orders' },
  PutDataProtectionPolicy: { DataProtectionPolicy: 'none' },
  RemovePermission: { TopicArn: 'orders' },
  SetEndpointAttributes: { EndpointArn: 'endpoint' },
  SetPlatformApplicationAttributes: { Attributes: { Colour: 'red' } },
  SetSMSAttributes: { attributes: { Colour: 'red' } },
  SetSubscriptionAttributes: { SubscriptionArn: TopicArn },
  SetTopicAttributes: { AttributeName: 'Colour' },
  Subscribe: { Protocol: 'pigeon' },
  TagResource: { Tags: [{ Key: 'aws:x', Value: 'y' }] },
  Unsubscribe: { SubscriptionArn: TopicArn },
  UntagResource: { ResourceArn: 'orders' },
  VerifySMSSandboxPhoneNumber: { OneTimePassword: 'x' },
}

/** With the topic and the application there, so that what is wrong is the parameter. */
async function furnished(s: Served): Promise<void> {
  for (const action of ['CreateTopic', 'CreatePlatformApplication']) await call(s, action)
}

/** Puts a phone number on the list of those that want no messages, as an operator would. */
const optOut = ({ broker }: Served) =>
  broker.transact([{ kind: 'record', key: `spindle/sns/sms/opted-out/${PhoneNumber}`, value: new Uint8Array(0) }])

/** The ARN of an endpoint of the application. */
async function endpoint(s: Served): Promise<string> {
  await furnished(s)
  return ((await call(s, 'CreatePlatformEndpoint')) as sns.CreateEndpointResponse).EndpointArn as string
}

const rows: readonly Row[] = [
  ...actionsWith('AuthorizationErrorException').map(
    (action): Row => [action, 'AuthorizationErrorException', changed(action, {}), 'none'],
  ),
  ...actionsWith('InternalErrorException').map(
    (action): Row => [
      action,
      'InternalErrorException',
      async (s) => {
        await broken(s, new Error('canary'))
        return call(s, action)
      },
    ],
  ),
  ...actionsWith('ThrottledException').map(
    (action): Row => [
      action,
      'ThrottledException',
      async (s) => {
        await broken(s, new SpindleError('overloaded', 'tested'))
        return call(s, action)
      },
    ],
  ),
  ...actionsWith('NotFoundException').map((action): Row => [action, 'NotFoundException', changed(action, {})]),
  ...actionsWith('ResourceNotFoundException').map(
    (action): Row => [action, 'ResourceNotFoundException', changed(action, {})],
  ),
  ...actionsWith('InvalidParameterException').map(
    (action): Row => [
      action,
      'InvalidParameterException',
      async (s) => {
        await furnished(s)
        return call(s, action, wrong[action])
      },
    ],
  ),
  [
    'CreateTopic',
    'TagLimitExceededException',
    changed('CreateTopic', { Tags: Array.from({ length: 51 }, (_, i) => ({ Key: `k${i}`, Value: 'v' })) }),
  ],
  [
    'TagResource',
    'TagLimitExceededException',
    async (s) => {
      await furnished(s)
      await call(s, 'TagResource', { Tags: Array.from({ length: 50 }, (_, i) => ({ Key: `k${i}`, Value: 'v' })) })
      return call(s, 'TagResource')
    },
  ],
  [
    'CreateSMSSandboxPhoneNumber',
    'OptedOutException',
    async (s) => {
      await optOut(s)
      return call(s, 'CreateSMSSandboxPhoneNumber')
    },
  ],
  [
    'CreateSMSSandboxPhoneNumber',
    'UserErrorException',
    async (s) => {
      for (let i = 0; i <= 10; i++) await call(s, 'CreateSMSSandboxPhoneNumber', { PhoneNumber: `+155501002${i + 10}` })
    },
  ],
  [
    'VerifySMSSandboxPhoneNumber',
    'VerificationException',
    async (s) => {
      await call(s, 'CreateSMSSandboxPhoneNumber')
      return call(s, 'VerifySMSSandboxPhoneNumber', { OneTimePassword: '99999' })
    },
  ],
  ['ListOriginationNumbers', 'ValidationException', changed('ListOriginationNumbers', { MaxResults: 101 })],
  [
    'Publish',
    'EndpointDisabledException',
    async (s) => {
      const TargetArn = await endpoint(s)
      await call(s, 'SetEndpointAttributes', { EndpointArn: TargetArn, Attributes: { Enabled: 'false' } })
      return call(s, 'Publish', { TopicArn: undefined, TargetArn })
    },
  ],
  [
    'Publish',
    'PlatformApplicationDisabledException',
    async (s) => {
      const TargetArn = await endpoint(s)
      await call(s, 'SetPlatformApplicationAttributes', { Attributes: { Enabled: 'false' } })
      return call(s, 'Publish', { TopicArn: undefined, TargetArn })
    },
  ],
  [
    'Publish',
    'InvalidParameterValueException',
    async (s) => {
      await furnished(s)
      return call(s, 'Publish', { MessageAttributes: { n: { DataType: 'Number', StringValue: 'ten' } } })
    },
  ],
  ...(
    [
      ['EmptyBatchRequestException', []],
      ['TooManyEntriesInBatchRequestException', [...'abcdefghijk'].map((Id) => ({ Id, Message: 'x' }))],
      ['BatchEntryIdsNotDistinctException', [...'aa'].map((Id) => ({ Id, Message: 'x' }))],
      ['InvalidBatchEntryIdException', [{ Id: 'a b', Message: 'x' }]],
      ['BatchRequestTooLongException', [...'ab'].map((Id) => ({ Id, Message: 'x'.repeat(200_000) }))],
    ] as const
  ).map(
    ([exception, entries]): Row => [
      'PublishBatch',
      exception,
      async (s) => {
        await furnished(s)
        return call(s, 'PublishBatch', { PublishBatchRequestEntries: entries })
      },
    ],
  ),
]

/** Codes of the Query protocol that are not the name of the exception without its end. */
const codes: Readonly<Record<string, string>> = {
  InvalidParameterValueException: 'ParameterValueInvalid',
  ValidationException: 'ValidationException',
  VerificationException: 'VerificationException',
}

const statuses: Readonly<Record<string, number>> = {
  AuthorizationErrorException: 403,
  InternalErrorException: 500,
  NotFoundException: 404,
  ResourceNotFoundException: 404,
  ThrottledException: 429,
}

describe('errors', () => {
  it('are tested for each action that may have them, or said never to happen', () => {
    expect(Object.keys(inputs).toSorted()).toEqual([...documented.keys()].toSorted())
    expectEachPairOnce('sns', rows, { classes: neverOfSns, pairs: neverOfSnsActions })
  })

  it.each(rows)('of %s: %s', async (_action, exception, throwing, grants) => {
    const authorize = () => ({ name: 'guest', may: () => false })
    const s = await servedSns({
      faulty: exception === 'InternalErrorException',
      ...(grants === 'none' ? { authorize } : {}),
    })
    const fault: unknown = await throwing(s).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(fault).toBeInstanceOf(sdk[exception])
    const { message, Error: told, $metadata } = fault as sns.NotFoundException & { Error?: { Code?: string } }
    expect(message).not.toMatch(/^$|canary|\.ts/)
    expect($metadata.httpStatusCode).toBe(statuses[exception] ?? 400)
    expect(told?.Code ?? (fault as { Code?: string }).Code).toBe(codes[exception] ?? exception.replace('Exception', ''))
  })
})
