/** Seeded: FUZZ_SEED replays a run, FUZZ_RUNS makes it longer. Documents and names inside parameters: taken or refused, whatever they say. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { judgeConditions } from '../../src/frontends/aws/policy-conditions.ts'
import { parseTopicArn } from '../../src/frontends/sns/arns.ts'
import { checkDataProtection } from '../../src/frontends/sns/data-protection.ts'
import { readDeliveryPolicy } from '../../src/frontends/sns/delivery-policy.ts'
import { checkEndpoint } from '../../src/frontends/sns/endpoints.ts'
import { readOutgoing } from '../../src/frontends/sns/message.ts'
import {
  changedSubscriptionAttributes,
  subscriptionAttributeNames,
} from '../../src/frontends/sns/subscription-attributes.ts'
import { changedTopicAttributes, topicAttributeNames } from '../../src/frontends/sns/topic-attributes.ts'
import { readMessageAttributes } from '../../src/frontends/sqs/message-attributes.ts'
import { judge, readPolicyDocument } from '../../src/frontends/sqs/policy-document.ts'
import { parseQueueArn } from '../../src/frontends/sqs/queue-address.ts'
import { changedAttributes, defaultAttributes, settableAttributes } from '../../src/frontends/sqs/queue-attributes.ts'
import { AwsError } from '../../src/wire/aws/error.ts'
import type { Params } from '../../src/wire/aws/shape.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? 1)
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 200)

const topic = { region: 'us-east-1', account: '000000000000', name: 'orders' }
const kind = { isFifo: true, messageBytesMax: 1_048_576 }
const asked = {
  principals: ['000000000000'],
  action: 'SendMessage',
  arn: 'arn:aws:sqs:us-east-1:000000000000:orders',
  service: 'sqs',
  facts: { 'aws:sourceip': '127.0.0.1', 'aws:currenttime': '2026-01-01T00:00:00Z', 'aws:securetransport': 'false' },
} as const

/** Words that mean something to one of the parsers. */
const words = fc.constantFrom(
  ...[
    'Version',
    'Id',
    'Statement',
    'Sid',
    'Effect',
    'Allow',
    'Deny',
    'Principal',
    'NotPrincipal',
    'AWS',
    'Service',
    '*',
    'Action',
    'NotAction',
  ],
  ...[
    'sqs:*',
    'SQS:SendMessage',
    'Resource',
    'Condition',
    'StringLike',
    'IpAddress',
    'NumericLessThanIfExists',
    'DateEquals',
    'Null',
    'Bool',
  ],
  ...[
    'aws:SourceIp',
    'aws:CurrentTime',
    '10.0.0.0/8',
    '::1/129',
    '2026-13-01',
    'deadLetterTargetArn',
    'maxReceiveCount',
    'redrivePermission',
  ],
  ...[
    'byQueue',
    'allowAll',
    'sourceQueueArns',
    'healthyRetryPolicy',
    'minDelayTarget',
    'maxDelayTarget',
    'numRetries',
    'backoffFunction',
  ],
  ...[
    'throttlePolicy',
    'maxReceivesPerSecond',
    'requestPolicy',
    'headerContentType',
    'Name',
    'Operation',
    'Deidentify',
    'default',
    'sqs',
    'http',
  ],
  ...[
    'numeric',
    'prefix',
    'anything-but',
    '$or',
    'exists',
    'cidr',
    'DataType',
    'StringValue',
    'BinaryValue',
    'Number',
    'Binary',
    'String.x',
  ],
  ...[
    'arn:aws:sqs:us-east-1:000000000000:orders',
    'arn:aws:sns:us-east-1:000000000000:orders',
    'arn:aws:iam::000000000000:root',
    '2012-10-17',
  ],
)
const odd = fc.constantFrom(
  '__proto__',
  'constructor',
  'toString',
  '',
  '\u0000',
  '\ud800',
  'x'.repeat(3_000),
  '$aws:username',
  '1e999',
  '[',
  '{"a":',
)
const leaf = fc.oneof(
  { weight: 5, arbitrary: words },
  odd,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.string({ unit: 'binary' }),
)
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'medium' },
    leaf,
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.oneof({ weight: 5, arbitrary: words }, odd), tie('any'), { maxKeys: 5 }),
  ),
})).any
const deep = fc.integer({ min: 1, max: 20_000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth))
const documents = fc.oneof(
  { weight: 8, arbitrary: value.map((each) => JSON.stringify(each) ?? 'undefined') },
  leaf.map(String),
  fc.string({ unit: 'binary' }),
  deep,
)
const params = fc.dictionary(
  fc.oneof(words, odd, fc.constantFrom('Message', 'Subject', 'MessageStructure', 'MessageGroupId')),
  fc.oneof(words, odd),
)

const parsers: readonly [string, fc.Arbitrary<unknown>, (given: never) => unknown][] = [
  ['policies', documents, (text: string) => judge(readPolicyDocument(text), asked)],
  ['conditions', value, (condition: unknown) => judgeConditions(condition, asked.facts)],
  ['ARNs of queues', documents, (text: string) => parseQueueArn(text, 'SourceArn')],
  ['ARNs of topics', documents, (text: string) => parseTopicArn(text)],
  ['delivery policies', documents, (text: string) => readDeliveryPolicy(text, 'DeliveryPolicy')],
  ['data protection policies', documents, (text: string) => checkDataProtection(text)],
  [
    'queue attributes',
    fc.tuple(fc.oneof(fc.constantFrom(...Object.keys(settableAttributes)), odd), documents),
    ([name, text]: [string, string]) => changedAttributes(defaultAttributes(kind), named(name, text), kind),
  ],
  [
    'topic attributes',
    fc.tuple(fc.oneof(fc.constantFrom(...topicAttributeNames), odd), documents),
    ([name, text]: [string, string]) => changedTopicAttributes({}, named(name, text), 'orders'),
  ],
  [
    'subscription attributes',
    fc.tuple(fc.oneof(fc.constantFrom(...subscriptionAttributeNames), odd), documents),
    ([name, text]: [string, string]) =>
      changedSubscriptionAttributes({}, named(name, text), { protocol: 'sqs', topic }),
  ],
  [
    'endpoints',
    fc.tuple(
      fc.constantFrom('sqs', 'http', 'https', 'email', 'sms', 'lambda', 'application', 'firehose', 'fax'),
      documents,
    ),
    ([protocol, endpoint]: [string, string]) => checkEndpoint(topic, { protocol, endpoint, http: true }),
  ],
  [
    'message attributes',
    fc.dictionary(
      fc.oneof(words, odd),
      fc.dictionary(fc.constantFrom('DataType', 'StringValue', 'BinaryValue'), fc.oneof(words, odd)),
    ),
    (given: Params) => readMessageAttributes(given),
  ],
  ['messages of topics', params, (given: Params) => readOutgoing(given)],
]

function named(name: string, text: string): Record<string, string> {
  return Object.fromEntries([[name, text]])
}

it.each(parsers)('%s are taken, or refused in words that AWS would use', (_what, given, parse) => {
  const outcomes = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(given, (each) => {
      try {
        parse(each as never)
        outcomes.taken++
      } catch (fault) {
        if (!(fault instanceof AwsError)) throw fault
        expect([fault.status, fault.message.length < 2_500, /\.ts:\d/.test(fault.message)]).toEqual([400, true, false])
        outcomes.refused++
      }
    }),
    { seed, numRuns },
  )
  expect(outcomes.taken + outcomes.refused).toBe(numRuns)
})
