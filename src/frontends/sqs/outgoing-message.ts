/** One message as a client sends it, checked and made ready to append. The same for SendMessage and each entry of a batch. */
import { createHash } from 'node:crypto'
import { type ContentMeta, encodeContent } from '../../model/content.ts'
import type { NewMessage } from '../../model/message.ts'
import { md5Hex } from '../../wire/aws/attribute-md5.ts'
import type { Params } from '../../wire/aws/shape.ts'
import { invalidMessageContents, invalidParameter, invalidValue, messageTooLong, missingParameter } from './errors.ts'
import { DELAY_SECONDS_MAX } from './limits.ts'
import { type ReadAttributes, readMessageAttributes } from './message-attributes.ts'
import { hasInvalidCharacters } from './message-text.ts'
import type { SqsQueue } from './queue-directory.ts'

export interface OutgoingMessage {
  readonly message: NewMessage
  /** Of body and attributes, as SQS counts them. */
  readonly bytes: number
  readonly bodyMd5: string
  readonly attributesMd5: string | undefined
  readonly systemAttributesMd5: string | undefined
}

/** Of the head's system attributes: what SQS gives back and nobody else reads. */
export const TRACE_HEADER = 'AWSTraceHeader'
export const SENDER_ID = 'SenderId'
export const DEDUPLICATION_ID = 'MessageDeduplicationId'
/** An attribute of this name makes the message a task of that type. */
export const TYPE_ATTRIBUTE = 'spindle.type'

const ID = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/

/** `sender`: who signed the call; undefined when the server runs open. Throws `AwsError`. */
export function outgoingMessage(queue: SqsQueue, params: Params, sender: string | undefined): OutgoingMessage {
  const text = params['MessageBody'] as string | undefined
  if (text === undefined || text === '') throw missingParameter('MessageBody')
  if (hasInvalidCharacters(text)) throw invalidMessageContents()
  const attributes = readMessageAttributes(params['MessageAttributes'] as Params | undefined)
  const trace = readTraceHeader(params['MessageSystemAttributes'] as Params | undefined)
  const groupId = readId(params, 'MessageGroupId')
  const dedupId = readId(params, 'MessageDeduplicationId')
  const delayMs = readDelay(queue, params['DelaySeconds'] as number | undefined)
  const system = systemAttributes({ trace: trace?.value, sender, dedupId: keptDedupId(queue, dedupId, text) })
  const content = encodeContent(text, metaOf(attributes, system))
  const bytes = content.body.length + (attributes?.bytes ?? 0)
  if (bytes > queue.messageBytesMax) throw messageTooLong(queue.messageBytesMax)
  const fifo = queue.isFifo ? fifoFields(queue, { groupId, dedupId, text }) : standardFields(groupId, dedupId)
  return {
    message: { content, ...fifo, ...(delayMs === undefined ? undefined : { delayMs }) },
    bytes,
    bodyMd5: md5Hex(content.body),
    attributesMd5: attributes?.md5,
    systemAttributesMd5: trace?.md5,
  }
}

const NO_META: ContentMeta = Object.freeze({})

function metaOf(
  attributes: ReadAttributes | undefined,
  system: Readonly<Record<string, string>> | undefined,
): ContentMeta {
  if (attributes === undefined && system === undefined) return NO_META
  const type = attributes?.headers[TYPE_ATTRIBUTE]
  return {
    ...(typeof type === 'string' ? { type } : undefined),
    ...(attributes === undefined ? undefined : { headers: attributes.headers }),
    ...(attributes?.types === undefined ? undefined : { attributeTypes: attributes.types }),
    ...(system === undefined ? undefined : { system }),
  }
}

function systemAttributes(given: {
  readonly trace: string | undefined
  readonly sender: string | undefined
  readonly dedupId: string | undefined
}): Readonly<Record<string, string>> | undefined {
  const { trace, sender, dedupId } = given
  if (trace === undefined && sender === undefined && dedupId === undefined) return undefined
  return {
    ...(trace === undefined ? undefined : { [TRACE_HEADER]: trace }),
    ...(sender === undefined ? undefined : { [SENDER_ID]: sender }),
    ...(dedupId === undefined ? undefined : { [DEDUPLICATION_ID]: dedupId }),
  }
}

function standardFields(groupId: string | undefined, dedupId: string | undefined): Partial<NewMessage> {
  if (dedupId !== undefined) {
    const reason = 'The request includes a parameter that is not valid for this queue type'
    throw invalidValue(dedupId, 'MessageDeduplicationId', reason)
  }
  return groupId === undefined ? NOTHING : { groupId }
}

const NOTHING: Partial<NewMessage> = Object.freeze({})

function fifoFields(
  queue: SqsQueue,
  { groupId, dedupId, text }: { groupId: string | undefined; dedupId: string | undefined; text: string },
): Partial<NewMessage> {
  if (groupId === undefined) throw missingParameter('MessageGroupId')
  if (dedupId === undefined && !queue.isContentDeduped) {
    throw invalidParameter(
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    )
  }
  const id = dedupId ?? sha256(text)
  return { groupId, dedupId: dedupKey(queue, groupId, id) }
}

/** The engine judges one key a queue; with a scope of groups the group is part of it, hashed to fit its length. */
export function dedupKey({ isDedupedPerGroup }: SqsQueue, groupId: string, dedupId: string): string {
  return isDedupedPerGroup ? sha256(`${groupId}\0${dedupId}`) : dedupId
}

/** The id as it must be given back, where the engine's key is another one. */
function keptDedupId(queue: SqsQueue, dedupId: string | undefined, text: string): string | undefined {
  return queue.isFifo && queue.isDedupedPerGroup ? (dedupId ?? sha256(text)) : undefined
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function readId(params: Params, name: string): string | undefined {
  const id = params[name] as string | undefined
  if (id === undefined || ID.test(id)) return id
  throw invalidValue(id, name, `${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`)
}

function readDelay(queue: SqsQueue, seconds: number | undefined): number | undefined {
  if (seconds === undefined) return undefined
  if (seconds < 0 || seconds > DELAY_SECONDS_MAX) {
    throw invalidValue(seconds, 'DelaySeconds', `DelaySeconds must be >= 0 and <= ${DELAY_SECONDS_MAX}.`)
  }
  if (!queue.isFifo) return seconds * 1_000
  // SDKs that fill in defaults send 0, which says nothing.
  if (seconds === 0) return undefined
  throw invalidValue(seconds, 'DelaySeconds', 'The request include parameter that is not valid for this queue type.')
}

/** AWSTraceHeader is the one system attribute that may be sent; it does not count towards the size. */
function readTraceHeader(given: Params | undefined): { value: string; md5: string | undefined } | undefined {
  const names = given === undefined ? [] : Object.keys(given)
  if (given === undefined || names.length === 0) return undefined
  const other = names.find((name) => name !== TRACE_HEADER)
  if (other !== undefined) {
    throw invalidParameter(`Message system attribute name '${other.slice(0, 300)}' is invalid.`)
  }
  const read = readMessageAttributes(given)
  const value = read?.headers[TRACE_HEADER]
  if (typeof value !== 'string' || read?.types !== undefined) {
    throw invalidParameter(`The message system attribute '${TRACE_HEADER}' must be of type String.`)
  }
  return { value, md5: read?.md5 }
}
