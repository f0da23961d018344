import {
  CheckIfPhoneNumberIsOptedOutCommand,
  CreatePlatformApplicationCommand,
  CreatePlatformEndpointCommand,
  CreateSMSSandboxPhoneNumberCommand,
  CreateTopicCommand,
  DeleteEndpointCommand,
  DeletePlatformApplicationCommand,
  DeleteSMSSandboxPhoneNumberCommand,
  EndpointDisabledException,
  GetEndpointAttributesCommand,
  GetPlatformApplicationAttributesCommand,
  GetSMSAttributesCommand,
  GetSMSSandboxAccountStatusCommand,
  InvalidParameterException,
  ListEndpointsByPlatformApplicationCommand,
  ListOriginationNumbersCommand,
  ListPhoneNumbersOptedOutCommand,
  ListPlatformApplicationsCommand,
  ListSMSSandboxPhoneNumbersCommand,
  NotFoundException,
  OptInPhoneNumberCommand,
  PlatformApplicationDisabledException,
  PublishCommand,
  ResourceNotFoundException,
  SetEndpointAttributesCommand,
  SetPlatformApplicationAttributesCommand,
  SetSMSAttributesCommand,
  SubscribeCommand,
  UserErrorException,
  VerificationException,
  VerifySMSSandboxPhoneNumberCommand,
} from '@aws-sdk/client-sns'
import { describe, expect, it } from 'vitest'
import { OUTBOX } from '../../src/frontends/sns/delivery/outbox.ts'
import { decodeBody, decodeHead } from '../../src/model/content.ts'
import { served } from './serving.ts'

const PHONE = '+15550100200'

async function outbox(broker: Awaited<ReturnType<typeof served>>['broker']) {
  const { messages } = await broker.browse({ queue: OUTBOX, states: ['ready'], limit: 10 })
  return messages.map(({ content }) => decodeBody(decodeHead(content.head).kind, content.body) as { message: string })
}

describe('mobile platforms', () => {
  it('have applications with endpoints, whose messages stay in the outbox', async () => {
    const { client, broker } = await served()
    const { PlatformApplicationArn: app } = await client.send(
      new CreatePlatformApplicationCommand({
        Name: 'shop',
        Platform: 'GCM',
        Attributes: { PlatformCredential: 's3cret' },
      }),
    )
    expect(app).toBe('arn:aws:sns:us-east-1:000000000000:app/GCM/shop')
    const shown = await client.send(new GetPlatformApplicationAttributesCommand({ PlatformApplicationArn: app }))
    expect(shown.Attributes).toEqual({ Enabled: 'true' })
    const records = await broker.scan('spindle/sns/', { limit: 100 })
    expect(records.map(({ value }) => Buffer.from(value).toString()).join()).not.toContain('s3cret')
    const create = (Token: string, more = {}) =>
      client.send(new CreatePlatformEndpointCommand({ PlatformApplicationArn: app, Token, ...more }))
    const { EndpointArn } = await create('device-1', { CustomUserData: 'me' })
    expect((await create('device-1', { CustomUserData: 'me' })).EndpointArn).toBe(EndpointArn)
    await expect(create('device-1', { CustomUserData: 'you' })).rejects.toThrow(
      'already exists with the same Token, but different attributes.',
    )
    expect((await client.send(new GetEndpointAttributesCommand({ EndpointArn }))).Attributes).toEqual({
      Enabled: 'true',
      CustomUserData: 'me',
      Token: 'device-1',
    })
    const publish = (Message = '{"default":"d","GCM":"for phones"}') =>
      client.send(new PublishCommand({ TargetArn: EndpointArn, Message, MessageStructure: 'json' }))
    await publish()
    expect(await outbox(broker)).toEqual([
      expect.objectContaining({
        protocol: 'application',
        endpoint: EndpointArn,
        message: 'for phones',
        delivered: false,
      }),
    ])
    await client.send(new SetEndpointAttributesCommand({ EndpointArn, Attributes: { Enabled: 'false' } }))
    await expect(publish()).rejects.toThrow(EndpointDisabledException)
    await client.send(
      new SetPlatformApplicationAttributesCommand({ PlatformApplicationArn: app, Attributes: { Enabled: 'false' } }),
    )
    await expect(publish()).rejects.toThrow(PlatformApplicationDisabledException)
    await expect(
      client.send(new SetEndpointAttributesCommand({ EndpointArn, Attributes: { Colour: 'red' } })),
    ).rejects.toThrow(InvalidParameterException)
    expect((await client.send(new ListPlatformApplicationsCommand({}))).PlatformApplications).toHaveLength(1)
    const listed = await client.send(new ListEndpointsByPlatformApplicationCommand({ PlatformApplicationArn: app }))
    expect(listed.Endpoints?.map((each) => each.EndpointArn)).toEqual([EndpointArn])
    await client.send(new DeleteEndpointCommand({ EndpointArn }))
    await expect(client.send(new GetEndpointAttributesCommand({ EndpointArn }))).rejects.toThrow(NotFoundException)
    await expect(publish()).rejects.toThrow('Endpoint does not exist')
    await create('device-2')
    await client.send(new DeletePlatformApplicationCommand({ PlatformApplicationArn: app }))
    await client.send(new DeletePlatformApplicationCommand({ PlatformApplicationArn: app }))
    await expect(create('device-3')).rejects.toThrow('PlatformApplication does not exist')
    expect(await broker.scan('spindle/sns/endpoint/', { limit: 10 })).toEqual([])
  })

  it('list endpoints a hundred at a time', async () => {
    const { client } = await served()
    const { PlatformApplicationArn } = await client.send(
      new CreatePlatformApplicationCommand({ Name: 'shop', Platform: 'APNS', Attributes: {} }),
    )
    for (let i = 0; i < 101; i++) {
      await client.send(new CreatePlatformEndpointCommand({ PlatformApplicationArn, Token: `t${i}` }))
    }
    const first = await client.send(new ListEndpointsByPlatformApplicationCommand({ PlatformApplicationArn }))
    expect(first.Endpoints).toHaveLength(100)
    const { NextToken } = first
    const second = await client.send(
      new ListEndpointsByPlatformApplicationCommand({ PlatformApplicationArn, NextToken }),
    )
    expect(second.Endpoints).toHaveLength(1)
    expect(second.NextToken).toBeUndefined()
  })

  it('are those that there are', async () => {
    const { client } = await served()
    const create = (Name: string, Platform: string, Attributes = {}) =>
      client.send(new CreatePlatformApplicationCommand({ Name, Platform, Attributes }))
    await expect(create('a', 'NOKIA')).rejects.toThrow('Platform Reason: NOKIA is not supported')
    await expect(create('a/b', 'GCM')).rejects.toThrow('Invalid parameter: Name')
    await expect(create('a', 'GCM', { Colour: 'red' })).rejects.toThrow('Invalid attribute name: Colour')
    await expect(
      client.send(
        new DeletePlatformApplicationCommand({ PlatformApplicationArn: 'arn:aws:sns:us-east-1:000000000000:x' }),
      ),
    ).rejects.toThrow('Invalid parameter: PlatformApplicationArn')
  })
})

describe('SMS', () => {
  it('are never sent: they lie in the outbox', async () => {
    const { client, broker } = await served()
    const { MessageId } = await client.send(new PublishCommand({ PhoneNumber: PHONE, Message: 'hello' }))
    expect(await outbox(broker)).toEqual([
      expect.objectContaining({
        protocol: 'sms',
        endpoint: PHONE,
        messageId: MessageId,
        message: 'hello',
        delivered: false,
      }),
    ])
    await expect(client.send(new PublishCommand({ PhoneNumber: '911', Message: 'm' }))).rejects.toThrow('PhoneNumber')
    await expect(client.send(new PublishCommand({ PhoneNumber: PHONE, Message: 'x'.repeat(1_601) }))).rejects.toThrow(
      'Message too long',
    )
    await expect(
      client.send(new PublishCommand({ PhoneNumber: PHONE, TopicArn: 'arn:x', Message: 'm' })),
    ).rejects.toThrow('Only one of')
  })

  it('have settings that are kept', async () => {
    const { client } = await served()
    const set = (attributes: Record<string, string>) => client.send(new SetSMSAttributesCommand({ attributes }))
    await set({ DefaultSMSType: 'Transactional', DefaultSenderID: 'Spindle' })
    await set({ MonthlySpendLimit: '5' })
    expect((await client.send(new GetSMSAttributesCommand({}))).attributes).toEqual({
      DefaultSMSType: 'Transactional',
      DefaultSenderID: 'Spindle',
      MonthlySpendLimit: '5',
    })
    const some = await client.send(new GetSMSAttributesCommand({ attributes: ['DefaultSenderID'] }))
    expect(some.attributes).toEqual({ DefaultSenderID: 'Spindle' })
    await expect(set({ DefaultSMSType: 'Loud' })).rejects.toThrow('DefaultSMSType is invalid')
    await expect(set({ Nonsense: 'x' })).rejects.toThrow(InvalidParameterException)
  })

  it('do not go to numbers that opted out', async () => {
    const { client, broker } = await served()
    const isOut = async () =>
      (await client.send(new CheckIfPhoneNumberIsOptedOutCommand({ phoneNumber: PHONE }))).isOptedOut
    expect(await isOut()).toBe(false)
    // Nobody answers STOP to an SMS that is not sent, so a test writes what the answer would.
    await broker.transact([{ kind: 'record', key: `spindle/sns/sms/opted-out/${PHONE}`, value: new Uint8Array(0) }])
    expect(await isOut()).toBe(true)
    expect((await client.send(new ListPhoneNumbersOptedOutCommand({}))).phoneNumbers).toEqual([PHONE])
    await expect(client.send(new PublishCommand({ PhoneNumber: PHONE, Message: 'm' }))).rejects.toThrow('opted out')
    await client.send(new OptInPhoneNumberCommand({ phoneNumber: PHONE }))
    expect(await isOut()).toBe(false)
  })

  it('have a sandbox, whose passwords are in the outbox', async () => {
    const { client, broker } = await served()
    expect((await client.send(new GetSMSSandboxAccountStatusCommand({}))).IsInSandbox).toBe(true)
    await client.send(new CreateSMSSandboxPhoneNumberCommand({ PhoneNumber: PHONE }))
    const verify = (OneTimePassword: string) =>
      client.send(new VerifySMSSandboxPhoneNumberCommand({ PhoneNumber: PHONE, OneTimePassword }))
    const [kept] = await outbox(broker)
    const password = /\d{6}/.exec(kept?.message ?? '')?.[0] ?? ''
    await expect(verify(password === '000000' ? '111111' : '000000')).rejects.toThrow(VerificationException)
    await verify(password)
    const listed = await client.send(new ListSMSSandboxPhoneNumbersCommand({}))
    expect(listed.PhoneNumbers).toEqual([{ PhoneNumber: PHONE, Status: 'Verified' }])
    await expect(client.send(new CreateSMSSandboxPhoneNumberCommand({ PhoneNumber: PHONE }))).rejects.toThrow(
      UserErrorException,
    )
    const remove = () => client.send(new DeleteSMSSandboxPhoneNumberCommand({ PhoneNumber: PHONE }))
    await remove()
    await expect(remove()).rejects.toThrow(ResourceNotFoundException)
    await expect(verify(password)).rejects.toThrow(ResourceNotFoundException)
    expect((await client.send(new ListOriginationNumbersCommand({}))).PhoneNumbers).toEqual([])
    await expect(client.send(new ListOriginationNumbersCommand({ MaxResults: 0 }))).rejects.toThrow('MaxResults')
  })

  it('may be subscribed to a topic without a confirmation', async () => {
    const { client } = await served()
    const { SubscriptionArn } = await client.send(
      new SubscribeCommand({ TopicArn: await made(client), Protocol: 'sms', Endpoint: PHONE }),
    )
    expect(SubscriptionArn).toContain(':orders:')
  })
})

async function made(client: Awaited<ReturnType<typeof served>>['client']): Promise<string> {
  return (await client.send(new CreateTopicCommand({ Name: 'orders' }))).TopicArn as string
}
