/** The attributes that clients may set: which there are, what values they take, and what they are by default. */
import { invalidAttribute, unknownAttribute } from './errors.ts'
import {
  DELAY_SECONDS_MAX,
  MESSAGE_BYTES_MAX_MIN,
  RECEIVE_COUNT_MAX,
  RETENTION_SECONDS_MAX,
  RETENTION_SECONDS_MIN,
  VISIBILITY_SECONDS_MAX,
  WAIT_SECONDS_MAX,
} from './limits.ts'
import { checkPolicyDocument } from './policy-document.ts'
import { parseQueueArn, type QueueAddress } from './queue-address.ts'

/** Texts, as they came: what is read back equals what was set, byte for byte. */
export type Attributes = Readonly<Record<string, string>>

export const settableAttributes = {
  VisibilityTimeout: seconds(0, VISIBILITY_SECONDS_MAX),
  MaximumMessageSize: (text, name, { messageBytesMax }) =>
    wholeNumber(MESSAGE_BYTES_MAX_MIN, messageBytesMax)(text, name),
  MessageRetentionPeriod: seconds(RETENTION_SECONDS_MIN, RETENTION_SECONDS_MAX),
  DelaySeconds: seconds(0, DELAY_SECONDS_MAX),
  ReceiveMessageWaitTimeSeconds: seconds(0, WAIT_SECONDS_MAX),
  Policy: checkPolicyDocument,
  RedrivePolicy: (text: string) => void readRedrivePolicy(text),
  RedriveAllowPolicy: checkRedriveAllowPolicy,
  KmsMasterKeyId: anyText,
  KmsDataKeyReusePeriodSeconds: wholeNumber(60, 86_400),
  SqsManagedSseEnabled: flag,
  FifoQueue: flag,
  ContentBasedDeduplication: flag,
  DeduplicationScope: oneOf('queue', 'messageGroup'),
  FifoThroughputLimit: oneOf('perQueue', 'perMessageGroupId'),
} as const satisfies Record<string, (text: string, name: string, kind: QueueKind) => void>

const FIFO_ONLY = new Set(['FifoQueue', 'ContentBasedDeduplication', 'DeduplicationScope', 'FifoThroughputLimit'])
/** An empty text takes these away. */
const REMOVABLE = new Set(['Policy', 'RedrivePolicy', 'RedriveAllowPolicy', 'KmsMasterKeyId'])

const standardDefaults: Attributes = {
  VisibilityTimeout: '30',
  MessageRetentionPeriod: '345600',
  DelaySeconds: '0',
  ReceiveMessageWaitTimeSeconds: '0',
  SqsManagedSseEnabled: 'true',
}
const fifoDefaults: Attributes = {
  ...standardDefaults,
  FifoQueue: 'true',
  ContentBasedDeduplication: 'false',
  DeduplicationScope: 'queue',
  FifoThroughputLimit: 'perQueue',
}

/** What attributes depend on beside their values. */
export interface QueueKind {
  readonly isFifo: boolean
  /** The largest message that the server takes. */
  readonly messageBytesMax: number
}

export function defaultAttributes({ isFifo, messageBytesMax }: QueueKind): Attributes {
  return { ...(isFifo ? fifoDefaults : standardDefaults), MaximumMessageSize: String(messageBytesMax) }
}

/**
 * Checks each attribute by itself, then together. `before`: what is in force (the defaults for a new queue). Answers the
 * attributes in force afterwards. Throws `InvalidAttributeName`, `InvalidAttributeValue`, `InvalidParameterValue`.
 */
export function changedAttributes(before: Attributes, changes: Attributes, kind: QueueKind): Attributes {
  const { isFifo } = kind
  const after: Record<string, string> = { ...before }
  for (const [name, text] of Object.entries(changes)) {
    if (!isSettable(name) || (!isFifo && FIFO_ONLY.has(name))) throw unknownAttribute(name)
    if (text === '' && REMOVABLE.has(name)) {
      delete after[name]
      continue
    }
    settableAttributes[name](text, name, kind)
    after[name] = text
  }
  if (isFifo && after['FifoQueue'] !== 'true') {
    throw invalidAttribute('FifoQueue', 'Modifying queue type is not supported.')
  }
  if (after['FifoThroughputLimit'] === 'perMessageGroupId' && after['DeduplicationScope'] !== 'messageGroup') {
    const reason = 'perMessageGroupId is allowed only when DeduplicationScope is messageGroup.'
    throw invalidAttribute('FifoThroughputLimit', reason)
  }
  keepOneEncryption(after, changes)
  return after
}

/** A key of KMS and SQS's own encryption exclude each other: naming one ends the other, naming both is refused. */
function keepOneEncryption(after: Record<string, string>, changes: Attributes): void {
  if (after['KmsMasterKeyId'] === undefined) return
  if (after['SqsManagedSseEnabled'] !== 'true') return
  if (changes['KmsMasterKeyId'] !== undefined && changes['SqsManagedSseEnabled'] === 'true') {
    const reason =
      'You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.'
    throw invalidAttribute('SqsManagedSseEnabled', reason)
  }
  if (changes['KmsMasterKeyId'] !== undefined) after['SqsManagedSseEnabled'] = 'false'
  else delete after['KmsMasterKeyId']
}

function isSettable(name: string): name is keyof typeof settableAttributes {
  return Object.hasOwn(settableAttributes, name)
}

export interface RedriveRule {
  readonly target: QueueAddress
  readonly receiveCountMax: number
}

/** `{"deadLetterTargetArn":…,"maxReceiveCount":…}`; the count may be a text, as Terraform and CloudFormation write it. */
export function readRedrivePolicy(text: string): RedriveRule {
  const policy = readObject(text)
  if (policy === undefined) throw badRedrive(text, 'Redrive policy is not a valid JSON map.')
  const arn = policy['deadLetterTargetArn']
  const count = policy['maxReceiveCount']
  if (typeof arn !== 'string' || arn === '') {
    throw badRedrive(text, 'Redrive policy does not contain mandatory attribute: deadLetterTargetArn.')
  }
  if (count === undefined || count === null) {
    throw badRedrive(text, 'Redrive policy does not contain mandatory attribute: maxReceiveCount.')
  }
  const receiveCountMax = typeof count === 'string' && /^[0-9]{1,4}$/.test(count) ? Number(count) : count
  if (
    typeof receiveCountMax !== 'number' ||
    !Number.isInteger(receiveCountMax) ||
    receiveCountMax < 1 ||
    receiveCountMax > RECEIVE_COUNT_MAX
  ) {
    throw badRedrive(
      text,
      `Invalid value for maxReceiveCount: ${String(count).slice(0, 20)}, valid values are from 1 to ${RECEIVE_COUNT_MAX} both inclusive.`,
    )
  }
  return { target: parseRedriveArn(arn, text), receiveCountMax }
}

function parseRedriveArn(arn: string, text: string): QueueAddress {
  try {
    return parseQueueArn(arn, 'deadLetterTargetArn')
  } catch {
    throw badRedrive(text, 'Invalid value for deadLetterTargetArn.')
  }
}

export interface RedriveAllowRule {
  readonly permission: 'allowAll' | 'denyAll' | 'byQueue'
  readonly sources: readonly string[]
}

export function readRedriveAllowPolicy(text: string): RedriveAllowRule {
  const policy = readObject(text)
  const permission = policy?.['redrivePermission']
  const sources = policy?.['sourceQueueArns'] ?? []
  const areTexts = Array.isArray(sources) && sources.every((arn) => typeof arn === 'string')
  if ((permission !== 'allowAll' && permission !== 'denyAll' && permission !== 'byQueue') || !areTexts) {
    throw invalidAttribute('RedriveAllowPolicy')
  }
  if ((permission === 'byQueue') !== sources.length > 0 || sources.length > 10) {
    throw invalidAttribute('RedriveAllowPolicy')
  }
  return { permission, sources: sources as string[] }
}

function checkRedriveAllowPolicy(text: string): void {
  readRedriveAllowPolicy(text)
}

function badRedrive(text: string, reason: string) {
  return invalidAttribute('RedrivePolicy', `${reason} Value: ${text.slice(0, 300)}`)
}

function readObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    return isObject ? (parsed as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

function wholeNumber(min: number, max: number): (text: string, name: string) => void {
  return (text, name) => {
    const isInRange = /^[0-9]{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max
    if (!isInRange) throw invalidAttribute(name)
  }
}

function seconds(min: number, max: number): (text: string, name: string) => void {
  return wholeNumber(min, max)
}

function oneOf(...allowed: readonly string[]): (text: string, name: string) => void {
  return (text, name) => {
    if (!allowed.includes(text)) throw invalidAttribute(name)
  }
}

function flag(text: string, name: string): void {
  if (text !== 'true' && text !== 'false') throw invalidAttribute(name)
}

function anyText(text: string, name: string): void {
  if (text.length > 2_048) throw invalidAttribute(name)
}
