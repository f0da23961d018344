import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/runtime/random.ts'
import { ask, served } from './serving.ts'

const ARN = 'arn:aws:sns:us-east-1:000000000000:orders'
const VERSION = { Version: '2010-03-31' }
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

/** An answer, with what differs each time named. */
function masked(text: string): string {
  return text.replaceAll(new RegExp(UUID, 'g'), 'UUID')
}

const answer = (action: string, result: string) =>
  `<?xml version="1.0"?><${action}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/">${result}<ResponseMetadata><RequestId>UUID</RequestId></ResponseMetadata></${action}Response>`

const error = (type: string, code: string, message: string) =>
  `<?xml version="1.0"?><ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>${type}</Type><Code>${code}</Code><Message>${message}</Message><Detail/></Error><RequestId>UUID</RequestId></ErrorResponse>`

describe('on the wire', () => {
  it('each kind of answer has its own XML', async () => {
    const { endpoint } = await served()
    const call = async (Action: string, fields: Record<string, string> = {}) =>
      masked((await ask(endpoint, { Action, ...VERSION, ...fields })).text)
    const created = await call('CreateTopic', {
      Name: 'orders',
      'Attributes.entry.1.key': 'DisplayName',
      'Attributes.entry.1.value': 'A & B <c>',
      'Tags.member.1.Key': 'team',
      'Tags.member.1.Value': 'x',
    })
    expect(created).toBe(answer('CreateTopic', `<CreateTopicResult><TopicArn>${ARN}</TopicArn></CreateTopicResult>`))
    expect(await call('ListTopics')).toBe(
      answer(
        'ListTopics',
        `<ListTopicsResult><Topics><member><TopicArn>${ARN}</TopicArn></member></Topics></ListTopicsResult>`,
      ),
    )
    expect(await call('ListTagsForResource', { ResourceArn: ARN })).toBe(
      answer(
        'ListTagsForResource',
        '<ListTagsForResourceResult><Tags><member><Key>team</Key><Value>x</Value></member></Tags></ListTagsForResourceResult>',
      ),
    )
    expect(await call('GetTopicAttributes', { TopicArn: ARN })).toContain(
      '<entry><key>DisplayName</key><value>A &amp; B &lt;c&gt;</value></entry>',
    )
    expect(await call('SetTopicAttributes', { TopicArn: ARN, AttributeName: 'DisplayName', AttributeValue: 'C' })).toBe(
      answer('SetTopicAttributes', ''),
    )
    expect(await call('TagResource', { ResourceArn: ARN, 'Tags.member.1.Key': 'a', 'Tags.member.1.Value': 'b' })).toBe(
      answer('TagResource', '<TagResourceResult/>'),
    )
    expect(
      await call('Publish', {
        TopicArn: ARN,
        Message: 'm',
        'MessageAttributes.entry.1.Name': 'n',
        'MessageAttributes.entry.1.Value.DataType': 'Number',
        'MessageAttributes.entry.1.Value.StringValue': '1',
      }),
    ).toBe(answer('Publish', '<PublishResult><MessageId>UUID</MessageId></PublishResult>'))
    expect(
      await call('PublishBatch', {
        TopicArn: ARN,
        'PublishBatchRequestEntries.member.1.Id': 'a',
        'PublishBatchRequestEntries.member.1.Message': 'm',
        'PublishBatchRequestEntries.member.2.Id': 'b',
        'PublishBatchRequestEntries.member.2.Message': '',
      }),
    ).toBe(
      answer(
        'PublishBatch',
        '<PublishBatchResult><Successful><member><Id>a</Id><MessageId>UUID</MessageId></member></Successful><Failed><member><Id>b</Id><Code>InvalidParameter</Code><Message>Invalid parameter: Empty message</Message><SenderFault>true</SenderFault></member></Failed></PublishBatchResult>',
      ),
    )
    expect(await call('DeleteTopic', { TopicArn: ARN })).toBe(answer('DeleteTopic', ''))
    expect(await call('GetSMSSandboxAccountStatus')).toBe(
      answer(
        'GetSMSSandboxAccountStatus',
        '<GetSMSSandboxAccountStatusResult><IsInSandbox>true</IsInSandbox></GetSMSSandboxAccountStatusResult>',
      ),
    )
  })

  it('each kind of error has its code and status', async () => {
    const { endpoint } = await served()
    const call = async (fields: Record<string, string>) => {
      const { status, text } = await ask(endpoint, { ...VERSION, ...fields })
      return [status, masked(text)]
    }
    expect(await call({ Action: 'GetTopicAttributes', TopicArn: ARN })).toEqual([
      404,
      error('Sender', 'NotFound', 'Topic does not exist'),
    ])
    expect(await call({ Action: 'Publish', TopicArn: ARN })).toEqual([
      404,
      error('Sender', 'NotFound', 'Topic does not exist'),
    ])
    expect(await call({ Action: 'Publish', TopicArn: 'x', Message: 'm' })).toEqual([
      400,
      error(
        'Sender',
        'InvalidParameter',
        'Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1',
      ),
    ])
    expect(await call({ Action: 'CreateTopic' })).toEqual([
      400,
      error(
        'Sender',
        'ValidationError',
        "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null",
      ),
    ])
    const Authorization = 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sns/aws4_request, SignedHeaders=host'
    const unknown = await fetch(endpoint, {
      method: 'POST',
      headers: { Authorization },
      body: new URLSearchParams({ Action: 'MakeTopic' }),
    })
    expect(masked(await unknown.text())).toBe(
      error('Sender', 'InvalidAction', 'The action MakeTopic is not valid for this endpoint.'),
    )
    expect(await call({ Action: 'TagResource', ResourceArn: ARN })).toEqual([
      404,
      error('Sender', 'ResourceNotFound', 'Resource does not exist'),
    ])
  })

  it('an action may be asked for by GET, and JSON answered to who accepts it', async () => {
    const { endpoint } = await served()
    const url = `${endpoint}/?Action=CreateTopic&Version=2010-03-31&Name=orders`
    expect((await ask(url)).text).toContain(`<TopicArn>${ARN}</TopicArn>`)
    const response = await fetch(url, { headers: { accept: 'application/json' } })
    expect(await response.json()).toMatchObject({ CreateTopicResponse: { CreateTopicResult: { TopicArn: ARN } } })
  })
})

it('whatever a form says, it is answered as AWS would: never a fault inside, never silence', async () => {
  const { endpoint } = await served()
  const random = seededRandom(Number(process.env['SPINDLE_TEST_SEED'] ?? 11))
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.float() * from.length)] as T
  const actions = [
    'CreateTopic',
    'Subscribe',
    'Publish',
    'PublishBatch',
    'SetTopicAttributes',
    'TagResource',
    'Unsubscribe',
  ]
  const names = [
    'Name',
    'TopicArn',
    'ResourceArn',
    'Protocol',
    'Endpoint',
    'Message',
    'Subject',
    'MessageStructure',
    'AttributeName',
    'AttributeValue',
    'SubscriptionArn',
    'Attributes.entry.1.key',
    'Attributes.entry.1.value',
    'Attributes.entry.1',
    'Attributes.entry.999999.key',
    'Attributes.__proto__.key',
    'Tags.member.1.Key',
    'Tags.member.1.Value',
    'Tags.member.x',
    'MessageAttributes.entry.1.Name',
    'MessageAttributes.entry.1.Value.DataType',
    'MessageAttributes.entry.1.Value.StringValue',
    'MessageAttributes.entry.1.Value.BinaryValue',
    'PublishBatchRequestEntries.member.1.Id',
    'PublishBatchRequestEntries.member.1.Message',
    'PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Name',
    '__proto__.constructor',
    'a.b.c.d.e.f.g.h.i.j.k.l',
  ]
  const values = [
    '',
    'orders',
    'orders.fifo',
    ARN,
    `${ARN}:00000000-0000-4000-8000-000000000000`,
    'arn:aws:sqs:us-east-1:000000000000:q',
    'sqs',
    'http',
    'json',
    '{"default":"x"}',
    '{"__proto__":{"default":1}}',
    '[[[[',
    '__proto__',
    'constructor',
    '\u0000',
    '\ud83d',
    'é',
    'x'.repeat(3_000),
    'FilterPolicy',
    '{"a":[{"numeric":["=",1e999]}]}',
    'true',
    '-1',
    'Policy',
    'Binary',
    'Number',
    'NaN',
  ]
  const valid: Record<string, Record<string, string>> = {
    CreateTopic: { Name: 'orders' },
    Subscribe: { TopicArn: ARN, Protocol: 'sqs', Endpoint: 'arn:aws:sqs:us-east-1:000000000000:q' },
    Publish: { TopicArn: ARN, Message: 'm' },
    PublishBatch: {
      TopicArn: ARN,
      'PublishBatchRequestEntries.member.1.Id': 'a',
      'PublishBatchRequestEntries.member.1.Message': 'm',
    },
    SetTopicAttributes: { TopicArn: ARN, AttributeName: 'DisplayName', AttributeValue: 'x' },
    TagResource: { ResourceArn: ARN, 'Tags.member.1.Key': 'a', 'Tags.member.1.Value': 'b' },
    Unsubscribe: { SubscriptionArn: `${ARN}:00000000-0000-4000-8000-000000000000` },
  }
  const statuses = new Map<number, number>()
  for (let round = 0; round < 1_500; round++) {
    const Action = pick(actions)
    const form: Record<string, string> = { Action, ...VERSION, ...(random.float() < 0.5 ? valid[Action] : {}) }
    for (let i = Math.floor(random.float() * 7); i >= 0; i--) form[pick(names)] = pick(values)
    const { status, text } = await ask(endpoint, form)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    expect(status, JSON.stringify(form)).toBeLessThan(500)
    expect(text).toMatch(/^<\?xml version="1\.0"\?><(ErrorResponse|\w+Response) /)
  }
  expect(statuses.get(200) ?? 0).toBeGreaterThan(20)
  expect(statuses.get(400) ?? 0).toBeGreaterThan(500)
})
