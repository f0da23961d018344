/** Publish, PublishBatch. */
import { createHash } from 'node:crypto'
import { AwsError } from '../../../wire/aws/error.ts'
import type { Params } from '../../../wire/aws/shape.ts'
import type { AwsCall } from '../../aws/call.ts'
import { checkAccount, checkTopic, MOBILE, SMS } from '../access.ts'
import { isFifo, parseTopicArn } from '../arns.ts'
import type { Action, SnsContext } from '../context.ts'
import { isPhoneNumber, platformOf } from '../endpoints.ts'
import {
  applicationDisabled,
  batchError,
  endpointDisabled,
  faultError,
  invalidBecause,
  invalidParameter,
  notFound,
} from '../errors.ts'
import { uuid } from '../ids.ts'
import { BATCH_ENTRIES_MAX, MESSAGE_BYTES_MAX, SMS_BYTES_MAX } from '../limits.ts'
import { type Outgoing, readOutgoing, textFor } from '../message.ts'
import { findApplication, findEndpoint } from '../mobile-records.ts'
import { list, optional, required } from '../params.ts'
import type { Published } from '../publisher.ts'
import { isOptedOut } from '../sms-records.ts'
import type { Topic } from '../topics.ts'

export const publish: Action = async (context, call) => {
  const { params } = call
  const [topicArn, targetArn, phone] = ['TopicArn', 'TargetArn', 'PhoneNumber'].map((name) => optional(params, name))
  if ([topicArn, targetArn, phone].filter((target) => target !== undefined).length > 1) {
    throw invalidBecause('TopicArn', 'Only one of TopicArn, TargetArn and PhoneNumber may be given')
  }
  if (phone !== undefined) return publishSms(context, call, phone)
  const arn = topicArn ?? targetArn
  if (arn === undefined) throw invalidBecause('TopicArn or TargetArn', 'no value for required parameter')
  if (arn.includes(':endpoint/')) return publishMobile(context, call, arn)
  const topic = await publishedTopic(context, call, arn)
  const outgoing = fitting(topic, readOutgoing(params))
  const [published] = await context.publisher.publish(topic, [outgoing], call.baseUrl)
  return answerOf(published as Published)
}

export const publishBatch: Action = async (context, call) => {
  const topicArn = required(call.params, 'TopicArn')
  const entries = list<Params>(call.params, 'PublishBatchRequestEntries')
  if (entries.length === 0) throw batchError('EmptyBatchRequest')
  if (entries.length > BATCH_ENTRIES_MAX) throw batchError('TooManyEntriesInBatchRequest')
  const ids = entries.map((entry) => required(entry, 'Id'))
  if (new Set(ids).size < ids.length) throw batchError('BatchEntryIdsNotDistinct')
  if (!ids.every((id) => /^[A-Za-z0-9_-]{1,80}$/.test(id))) throw batchError('InvalidBatchEntryId')
  const topic = await publishedTopic(context, call, topicArn)
  const bytes = entries.reduce((sum, entry) => sum + Buffer.byteLength(optional(entry, 'Message') ?? ''), 0)
  if (bytes > MESSAGE_BYTES_MAX) throw batchError('BatchRequestTooLong')

  const read = entries.map((entry, i) => readEntry(topic, entry, ids[i] as string))
  const good = read.filter((entry) => entry.outgoing !== undefined)
  if (good.reduce((sum, { outgoing }) => sum + (outgoing?.bytes ?? 0), 0) > MESSAGE_BYTES_MAX) {
    throw batchError('BatchRequestTooLong')
  }
  const outgoing = good.map((entry) => entry.outgoing as Outgoing)
  const published = outgoing.length === 0 ? [] : await context.publisher.publish(topic, outgoing, call.baseUrl)
  return {
    Successful: good.map(({ id }, i) => ({ Id: id, ...answerOf(published[i] as Published) })),
    Failed: read.flatMap(({ id, fault }) =>
      fault === undefined
        ? []
        : [{ Id: id, Code: fault.code, Message: fault.message, SenderFault: fault.fault === 'Sender' }],
    ),
  }
}

interface ReadEntry {
  readonly id: string
  readonly outgoing?: Outgoing
  readonly fault?: AwsError
}

/** What is wrong with one entry fails that entry. */
function readEntry(topic: Topic, entry: Params, id: string): ReadEntry {
  try {
    return { id, outgoing: fitting(topic, readOutgoing(entry)) }
  } catch (fault) {
    if (!(fault instanceof AwsError)) throw fault
    return { id, fault }
  }
}

async function publishedTopic(context: SnsContext, call: AwsCall, arn: string): Promise<Topic> {
  const address = parseTopicArn(arn)
  await checkTopic(context, call, 'write', address)
  return context.topics.get(address)
}

/** The message with the ids that its topic needs. Throws `InvalidParameter`. */
function fitting({ address, state }: Topic, outgoing: Outgoing): Outgoing {
  const { groupId, dedupId, message } = outgoing
  if (!isFifo(address.name)) {
    if (dedupId === undefined) return outgoing
    throw invalidBecause(
      'MessageDeduplicationId',
      'The request includes MessageDeduplicationId parameter that is not valid for this topic type',
    )
  }
  if (groupId === undefined) throw invalidParameter('The MessageGroupId parameter is required for FIFO topics')
  if (dedupId !== undefined) return outgoing
  if (state.attributes['ContentBasedDeduplication']?.toLowerCase() !== 'true') {
    throw invalidParameter(
      'The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    )
  }
  return { ...outgoing, dedupId: createHash('sha256').update(message).digest('hex') }
}

async function publishSms(context: SnsContext, call: AwsCall, phone: string): Promise<object> {
  checkAccount(call, 'write', SMS)
  if (!isPhoneNumber(phone)) throw invalidBecause('PhoneNumber', `${phone.slice(0, 100)} is not valid to publish to`)
  if (await isOptedOut(context.port, phone)) {
    throw invalidBecause('PhoneNumber', `${phone} is opted out of SMS messages`)
  }
  const outgoing = readOutgoing(call.params)
  if (Buffer.byteLength(outgoing.message) > SMS_BYTES_MAX) throw invalidParameter('Message too long')
  return intoOutbox(context, outgoing, { protocol: 'sms', endpoint: phone })
}

async function publishMobile(context: SnsContext, call: AwsCall, arn: string): Promise<object> {
  checkAccount(call, 'write', MOBILE)
  const endpoint = await findEndpoint(context.port, arn)
  if (endpoint === undefined) throw notFound('Endpoint')
  const application = await findApplication(context.port, endpoint.application)
  if (application?.attributes['Enabled'] === 'false') throw applicationDisabled()
  if (endpoint.attributes['Enabled']?.toLowerCase() === 'false') throw endpointDisabled()
  const outgoing = readOutgoing(call.params)
  return intoOutbox(context, outgoing, { protocol: 'application', endpoint: arn, platform: platformOf(arn) })
}

async function intoOutbox(
  { outbox, random }: SnsContext,
  outgoing: Outgoing,
  to: { readonly protocol: string; readonly endpoint: string; readonly platform?: string },
): Promise<object> {
  const messageId = uuid(random)
  const { protocol, endpoint, platform = protocol } = to
  try {
    await outbox.put({
      protocol,
      endpoint,
      topicArn: undefined,
      subscriptionArn: undefined,
      messageId,
      type: 'Notification',
      subject: outgoing.subject,
      text: textFor(outgoing, platform),
    })
  } catch (fault) {
    throw faultError(fault) ?? fault
  }
  return { MessageId: messageId }
}

function answerOf({ messageId, sequenceNumber }: Published): object {
  return { MessageId: messageId, SequenceNumber: sequenceNumber }
}
