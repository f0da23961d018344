/** The attributes of a subscription that clients may set: which there are, what values they take, and what they mean. */

import { judgeFilter } from '../../broker/filters.ts'
import type { Filter } from '../../broker/port.ts'
import { type Address, isFifo, readQueueArn } from './arns.ts'
import { readDeliveryPolicy } from './delivery-policy.ts'
import { invalidParameter } from './errors.ts'
import { ATTRIBUTE_BYTES_MAX } from './limits.ts'
import type { Texts } from './params.ts'

export const subscriptionAttributeNames = [
  'DeliveryPolicy',
  'FilterPolicy',
  'FilterPolicyScope',
  'RawMessageDelivery',
  'RedrivePolicy',
  'ReplayPolicy',
  'SubscriptionRoleArn',
] as const

/** Protocols that can have raw delivery. */
const RAW_PROTOCOLS = new Set(['sqs', 'http', 'https', 'firehose'])

/** With `changes` over `before`; an empty value takes an attribute away. Throws `InvalidParameter`. `about` goes before the reason. */
export function changedSubscriptionAttributes(
  before: Texts,
  changes: Texts,
  about: { readonly protocol: string; readonly topic: Address },
): Texts {
  const after: Record<string, string> = Object.assign(Object.create(null), before)
  for (const [name, value] of Object.entries(changes)) {
    check(name, value, about)
    if (value === '' || value === '{}') delete after[name]
    else after[name] = value
  }
  const policy = after['FilterPolicy']
  if (policy !== undefined) checkFilter(policy, after['FilterPolicyScope'])
  return after
}

function check(name: string, value: string, { protocol, topic }: { protocol: string; topic: Address }): void {
  if (Buffer.byteLength(value) > ATTRIBUTE_BYTES_MAX) throw invalidParameter(`${name}: Value too long`)
  switch (name) {
    case 'RawMessageDelivery':
      if (value.toLowerCase() !== 'true' && value.toLowerCase() !== 'false') {
        throw invalidParameter(`RawMessageDelivery: Invalid value [${value}]. Must be true or false.`)
      }
      if (value.toLowerCase() === 'true' && !RAW_PROTOCOLS.has(protocol)) {
        throw invalidParameter('RawMessageDelivery: Not supported for this protocol')
      }
      return
    case 'FilterPolicy':
      return
    case 'FilterPolicyScope':
      if (value === 'MessageAttributes' || value === 'MessageBody') return
      throw invalidParameter(
        `FilterPolicyScope: Invalid value [${value}]. Please use either MessageBody or MessageAttributes`,
      )
    case 'RedrivePolicy':
      if (value !== '') checkRedrive(value, topic)
      return
    case 'DeliveryPolicy':
      if (value !== '') readDeliveryPolicy(value, 'DeliveryPolicy')
      return
    case 'SubscriptionRoleArn':
      if (value === '' || /^arn:[a-z-]+:iam::[0-9]{12}:role\/.+$/.test(value)) return
      throw invalidParameter('SubscriptionRoleArn: must be the ARN of a role')
    case 'ReplayPolicy':
      throw invalidParameter('ReplayPolicy: message archiving is not supported by this server')
    default:
      throw invalidParameter('AttributeName')
  }
}

function checkFilter(text: string, scopeName: string | undefined): void {
  const policy = parsedObject(text, 'FilterPolicy')
  const fault = judgeFilter({ scope: scopeOf(scopeName), policy })
  if (fault !== undefined) throw invalidParameter(fault.text)
}

function checkRedrive(text: string, topic: Address): void {
  const arn = parsedObject(text, 'RedrivePolicy')['deadLetterTargetArn']
  const queue = typeof arn === 'string' ? readQueueArn(arn) : undefined
  if (queue === undefined) throw invalidParameter('RedrivePolicy: deadLetterTargetArn is an invalid arn')
  if (queue.region !== topic.region || queue.account !== topic.account) {
    throw invalidParameter('RedrivePolicy: deadLetterTargetArn must be in the same account and region as the topic')
  }
  if (isFifo(queue.name) !== isFifo(topic.name)) {
    throw invalidParameter(
      isFifo(topic.name)
        ? 'RedrivePolicy: must use a FIFO queue as DLQ for a FIFO topic'
        : 'RedrivePolicy: must use a standard queue as DLQ for a standard topic',
    )
  }
}

/** undefined: everything passes. The attributes have been checked. */
export function filterOf(attributes: Texts): Filter | undefined {
  const text = attributes['FilterPolicy']
  if (text === undefined) return undefined
  return { scope: scopeOf(attributes['FilterPolicyScope']), policy: parsedObject(text, 'FilterPolicy') }
}

/** Where messages go that cannot be delivered. */
export function redriveQueueOf(attributes: Texts): Address | undefined {
  const text = attributes['RedrivePolicy']
  if (text === undefined) return undefined
  const arn = parsedObject(text, 'RedrivePolicy')['deadLetterTargetArn']
  return typeof arn === 'string' ? readQueueArn(arn) : undefined
}

export function isRaw(attributes: Texts): boolean {
  return attributes['RawMessageDelivery']?.toLowerCase() === 'true'
}

function scopeOf(name: string | undefined): Filter['scope'] {
  return name === 'MessageBody' ? 'body' : 'headers'
}

function parsedObject(text: string, name: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalidParameter(`${name}: failed to parse JSON.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidParameter(`${name}: failed to parse JSON.`)
  }
  return value as Readonly<Record<string, unknown>>
}
