/** The attributes of a topic: which clients may set, what values they take, and what is answered besides. */
import type { PolicyDocument, PolicyStatement } from '../sqs/policy-document.ts'
import { type Address, isFifo, topicArn } from './arns.ts'
import { defaultRetryPolicy, readDeliveryPolicy } from './delivery-policy.ts'
import { invalidParameter } from './errors.ts'
import { ATTRIBUTE_BYTES_MAX } from './limits.ts'
import { type Texts, texts } from './params.ts'

/** Success and failure feedback of each protocol: stored, and given back; nothing here sends logs to CloudWatch. */
const feedback = ['Application', 'Firehose', 'HTTP', 'Lambda', 'SQS'].flatMap((protocol) => [
  `${protocol}FailureFeedbackRoleArn`,
  `${protocol}SuccessFeedbackRoleArn`,
  `${protocol}SuccessFeedbackSampleRate`,
])

export const topicAttributeNames: readonly string[] = [
  'ArchivePolicy',
  'ContentBasedDeduplication',
  'DeliveryPolicy',
  'DisplayName',
  'FifoThroughputScope',
  'FifoTopic',
  'KmsMasterKeyId',
  'Policy',
  'SignatureVersion',
  'TracingConfig',
  ...feedback,
]

const known = new Set(topicAttributeNames)
const FIFO_ONLY = new Set(['ArchivePolicy', 'ContentBasedDeduplication', 'FifoThroughputScope', 'FifoTopic'])
/** An empty text takes these away. */
const REMOVABLE = new Set(['DeliveryPolicy', 'DisplayName', 'KmsMasterKeyId', 'Policy', ...feedback])
const DISPLAY_NAME_CHARACTERS_MAX = 100

/** With `changes` over `before`. Throws `InvalidParameter`. */
export function changedTopicAttributes(before: Texts, changes: Texts, name: string): Texts {
  const after: Record<string, string> = Object.assign(Object.create(null), before)
  for (const [attribute, value] of Object.entries(changes)) {
    check(attribute, value, name)
    if (value === '' && REMOVABLE.has(attribute)) delete after[attribute]
    else after[attribute] = value
  }
  return after
}

function check(attribute: string, value: string, name: string): void {
  const bad = (): never => {
    throw invalidParameter(`Attributes Reason: Invalid value for ${attribute}`)
  }
  if (!known.has(attribute)) throw invalidParameter('AttributeName')
  if (FIFO_ONLY.has(attribute) && !isFifo(name) && !(attribute === 'FifoTopic' && value === 'false')) {
    throw invalidParameter(`Attributes Reason: ${attribute} is only supported for FIFO topics`)
  }
  if (Buffer.byteLength(value) > ATTRIBUTE_BYTES_MAX) bad()
  switch (attribute) {
    case 'ArchivePolicy':
      if (value === '' || value === '{}') return
      throw invalidParameter('ArchivePolicy: message archiving is not supported by this server')
    case 'ContentBasedDeduplication':
    case 'FifoTopic':
      if (value.toLowerCase() !== 'true' && value.toLowerCase() !== 'false') bad()
      return
    case 'FifoThroughputScope':
      if (value !== 'Topic' && value !== 'MessageGroup') bad()
      return
    case 'SignatureVersion':
      if (value !== '1' && value !== '2') bad()
      return
    case 'TracingConfig':
      if (value !== 'PassThrough' && value !== 'Active') bad()
      return
    case 'DisplayName':
      if (value.length > DISPLAY_NAME_CHARACTERS_MAX) throw invalidParameter('DisplayName')
      return
    case 'DeliveryPolicy':
      if (value !== '') readDeliveryPolicy(value, 'DeliveryPolicy')
      return
    case 'Policy':
      if (value !== '' && !isPolicy(value)) throw invalidParameter('Policy Error: null')
      return
    default:
      if (attribute.endsWith('SampleRate') && !/^(?:|\d{1,2}|100)$/.test(value)) bad()
  }
}

/** What GetTopicAttributes answers: those set, and those that AWS has for every topic. */
export function shownTopicAttributes(
  topic: { readonly address: Address; readonly attributes: Texts },
  counts: { readonly confirmed: number; readonly pending: number },
): Texts {
  const { address, attributes } = topic
  const delivery = attributes['DeliveryPolicy']
  const retry = delivery === undefined ? defaultRetryPolicy : readDeliveryPolicy(delivery, 'DeliveryPolicy').retry
  const effective = {
    http: {
      defaultHealthyRetryPolicy: retry,
      disableSubscriptionOverrides: false,
      defaultRequestPolicy: { headerContentType: 'text/plain; charset=UTF-8' },
    },
  }
  return texts(
    Object.entries({
      TopicArn: topicArn(address),
      Owner: address.account,
      DisplayName: '',
      Policy: defaultPolicy(address),
      SubscriptionsConfirmed: String(counts.confirmed),
      SubscriptionsPending: String(counts.pending),
      SubscriptionsDeleted: '0',
      EffectiveDeliveryPolicy: JSON.stringify(effective),
      ...(isFifo(address.name) ? { FifoTopic: 'true', ContentBasedDeduplication: 'false' } : {}),
      ...attributes,
    }),
  )
}

/** Without a text: the policy that every new topic has. The text has been checked. */
export function readTopicPolicy(text: string | undefined, address: Address): PolicyDocument {
  const policy = JSON.parse(text ?? defaultPolicy(address)) as Omit<PolicyDocument, 'Statement'> & {
    readonly Statement: PolicyStatement | readonly PolicyStatement[]
  }
  const { Statement } = policy
  return { ...policy, Statement: isList(Statement) ? Statement : [Statement] }
}

function isList(statement: PolicyStatement | readonly PolicyStatement[]): statement is readonly PolicyStatement[] {
  return Array.isArray(statement)
}

function isPolicy(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null || !('Statement' in parsed)) return false
    const { Statement } = parsed
    const statements: readonly unknown[] = Array.isArray(Statement) ? Statement : [Statement]
    return statements.every((each) => typeof each === 'object' && each !== null)
  } catch {
    return false
  }
}

/** The policy that AWS gives to a new topic: its own account may do everything. */
function defaultPolicy(address: Address): string {
  const actions = [
    'GetTopicAttributes',
    'SetTopicAttributes',
    'AddPermission',
    'RemovePermission',
    'DeleteTopic',
    'Subscribe',
    'ListSubscriptionsByTopic',
    'Publish',
  ]
  return JSON.stringify({
    Version: '2008-10-17',
    Id: '__default_policy_ID',
    Statement: [
      {
        Sid: '__default_statement_ID',
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: actions.map((action) => `SNS:${action}`),
        Resource: topicArn(address),
        Condition: { StringEquals: { 'AWS:SourceOwner': address.account } },
      },
    ],
  })
}
