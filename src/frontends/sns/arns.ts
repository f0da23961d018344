/**
 * The names of SNS: ARNs, and the names under which the store has what they name.
 *
 *   arn:aws:sns:REGION:ACCOUNT:NAME             topic       exchange NAME, or sqs:REGION:ACCOUNT/NAME outside the home realm
 *   arn:aws:sns:REGION:ACCOUNT:NAME:UUID        subscription
 *   arn:aws:sns:REGION:ACCOUNT:app/PLATFORM/NAME             platform application
 *   arn:aws:sns:REGION:ACCOUNT:endpoint/PLATFORM/NAME/UUID   endpoint of one
 */
import { type Address, addressIn, type HomeRealm, storeName } from '../aws/realm.ts'
import { invalidBecause, invalidParameter } from './errors.ts'

export { type Address, type HomeRealm, storeName }

export interface SubscriptionAddress {
  readonly topic: Address
  readonly id: string
}

const TOPIC_NAME = /^[A-Za-z0-9_-]{1,256}$/
const FIFO_TOPIC_NAME = /^[A-Za-z0-9_-]{1,251}\.fifo$/
const QUEUE_NAME = /^(?:[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)$/
const REGION = /^[a-z0-9-]{1,32}$/
const ACCOUNT = /^[0-9]{12}$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const ARN_CHARACTERS_MAX = 2_048

export function isTopicName(name: string): boolean {
  return TOPIC_NAME.test(name) || FIFO_TOPIC_NAME.test(name)
}

export function isFifo(name: string): boolean {
  return name.endsWith('.fifo')
}

export function topicArn({ region, account, name }: Address): string {
  return `arn:aws:sns:${region}:${account}:${name}`
}

export function subscriptionArn({ topic, id }: SubscriptionAddress): string {
  return `${topicArn(topic)}:${id}`
}

/** Throws `InvalidParameter` naming `parameter`. */
export function parseTopicArn(arn: string, parameter = 'TopicArn'): Address {
  const { region, account, rest } = parseArn(arn, parameter)
  if (rest.length !== 1 || !isTopicName(rest[0] ?? '')) throw invalidParameter(parameter)
  return { region, account, name: rest[0] as string }
}

/** Throws `InvalidParameter`. */
export function parseSubscriptionArn(arn: string): SubscriptionAddress {
  const { region, account, rest } = parseArn(arn, 'SubscriptionArn')
  const [name = '', id = ''] = rest
  if (rest.length !== 2 || !isTopicName(name)) throw invalidBecause('SubscriptionArn', 'An ARN must have 7 elements')
  if (!UUID.test(id)) throw invalidBecause('SubscriptionArn', 'The last element must be a UUID')
  return { topic: { region, account, name }, id }
}

/** undefined: it is not the ARN of an SQS queue. */
export function readQueueArn(arn: string): Address | undefined {
  const parts = arn.split(':')
  const [scheme, , service, region = '', account = '', name = ''] = parts
  const isQueue = parts.length === 6 && scheme === 'arn' && service === 'sqs'
  if (!isQueue || !REGION.test(region) || !ACCOUNT.test(account) || !QUEUE_NAME.test(name)) return undefined
  return { region, account, name }
}

/** Fields of any SNS ARN; `rest` is what stands behind the account. Throws `InvalidParameter` naming `parameter`. */
export function parseArn(
  arn: string,
  parameter: string,
): { readonly region: string; readonly account: string; readonly rest: readonly string[] } {
  if (arn.length > ARN_CHARACTERS_MAX) throw invalidParameter(parameter)
  const parts = arn.split(':')
  if (parts.length < 6) {
    throw invalidBecause(parameter, `An ARN must have at least 6 elements, not ${parts.length}`)
  }
  const [scheme, , service, region = '', account = '', ...rest] = parts
  if (scheme !== 'arn' || service !== 'sns' || !REGION.test(region) || !ACCOUNT.test(account)) {
    throw invalidParameter(parameter)
  }
  return { region, account, rest }
}

/** undefined: an exchange that SNS cannot name. */
export function topicOfStoreName(store: string, home: HomeRealm): Address | undefined {
  const address = addressIn(store, home)
  return isTopicName(address.name) ? address : undefined
}
