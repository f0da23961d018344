/** A delivery as SQS tells it. */
import { isUtf8 } from 'node:buffer'
import { utf8Text } from '../../model/bytes.ts'
import { decodeHead } from '../../model/content.ts'
import type { Delivery } from '../../model/message.ts'
import { md5Hex } from '../../wire/aws/attribute-md5.ts'
import { type AttributeFilter, returnedAttributes } from './message-attributes.ts'
import { DEDUPLICATION_ID, SENDER_ID, TRACE_HEADER } from './outgoing-message.ts'
import { addressOfStoreName, type HomeRealm, queueArn } from './queue-address.ts'
import type { SqsQueue } from './queue-directory.ts'

export const systemAttributeNames = [
  'SenderId',
  'SentTimestamp',
  'ApproximateReceiveCount',
  'ApproximateFirstReceiveTimestamp',
  'SequenceNumber',
  'MessageDeduplicationId',
  'MessageGroupId',
  'AWSTraceHeader',
  'DeadLetterQueueSourceArn',
] as const

export type SystemAttributeName = (typeof systemAttributeNames)[number]

/** What the receive asked for. */
export interface Wanted {
  /** undefined: no system attributes. */
  readonly system: ReadonlySet<SystemAttributeName> | undefined
  /** undefined: no message attributes. */
  readonly attributes: AttributeFilter | undefined
}

export function incomingMessage(
  delivery: Delivery,
  parts: { readonly queue: SqsQueue; readonly handle: string; readonly wanted: Wanted; readonly home: HomeRealm },
): object {
  const { head, body } = delivery.content
  const text = bodyText(head, body)
  const base = { MessageId: delivery.id, ReceiptHandle: parts.handle, MD5OfBody: md5Hex(text), Body: text }
  const { system, attributes } = parts.wanted
  if (system === undefined && attributes === undefined) return base // nearly every receive of a hot queue
  const decoded = decodeHead(head)
  const returned = attributes === undefined ? undefined : returnedAttributes(decoded, attributes)
  return {
    ...base,
    ...(system === undefined ? undefined : { Attributes: systemAttributesOf(delivery, decoded.system, system, parts) }),
    ...(returned === undefined
      ? undefined
      : { MD5OfMessageAttributes: returned.md5, MessageAttributes: returned.values }),
  }
}

const TEXT_HEAD = 1

/** Bytes of other protocols that are no UTF-8 are shown in base64, since a body here is text. */
function bodyText(head: Uint8Array, body: Uint8Array): string {
  const isText = head[0] === TEXT_HEAD || isUtf8(body)
  return isText ? utf8Text(body) : Buffer.from(body).toString('base64')
}

function systemAttributesOf(
  delivery: Delivery,
  kept: Readonly<Record<string, string>>,
  wanted: ReadonlySet<SystemAttributeName>,
  { queue, home }: { readonly queue: SqsQueue; readonly home: HomeRealm },
): Readonly<Record<string, string>> {
  const values: Record<string, string> = {}
  for (const name of wanted) {
    const value = systemAttribute(name, { delivery, kept, queue, home })
    if (value !== undefined) values[name] = value
  }
  return values
}

function systemAttribute(
  name: SystemAttributeName,
  from: {
    readonly delivery: Delivery
    readonly kept: Readonly<Record<string, string>>
    readonly queue: SqsQueue
    readonly home: HomeRealm
  },
): string | undefined {
  const { delivery, kept, queue } = from
  switch (name) {
    case 'SenderId':
      return kept[SENDER_ID] ?? queue.address.account
    case 'SentTimestamp':
      return String(delivery.enqueuedAtMs)
    case 'ApproximateReceiveCount':
      return String(delivery.attempts)
    case 'ApproximateFirstReceiveTimestamp':
      return delivery.firstLeasedAtMs === undefined ? undefined : String(delivery.firstLeasedAtMs)
    case 'SequenceNumber':
      return queue.isFifo ? sequenceNumber(delivery.sequence) : undefined
    case 'MessageDeduplicationId':
      return queue.isFifo ? (kept[DEDUPLICATION_ID] ?? delivery.dedupId) : undefined
    case 'MessageGroupId':
      return delivery.groupId
    case 'AWSTraceHeader':
      return kept[TRACE_HEADER]
    case 'DeadLetterQueueSourceArn': {
      const origin = delivery.history.at(-1)?.queue
      const address = origin === undefined || origin === queue.store ? undefined : addressOfStoreName(origin, from.home)
      return address === undefined ? undefined : queueArn(address)
    }
    default:
      return name satisfies never
  }
}

/** Twenty digits, as real ones have; they compare as texts. */
export function sequenceNumber(sequence: number): string {
  return `1${String(sequence).padStart(19, '0')}`
}
