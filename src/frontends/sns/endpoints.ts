/** Where a subscription may lead: each protocol's endpoint, checked. */
import { checkedUrl } from '../../runtime/outbound-http.ts'
import { type Address, isFifo, readQueueArn } from './arns.ts'
import { invalidBecause, invalidParameter } from './errors.ts'

export const protocols = [
  'application',
  'email',
  'email-json',
  'firehose',
  'http',
  'https',
  'lambda',
  'sms',
  'sqs',
] as const

export type SubscriptionProtocol = (typeof protocols)[number]

const EMAIL = /^[^\s@]{1,64}@[^\s@]{1,255}$/
/** E.164 */
const PHONE = /^\+[1-9][0-9]{6,14}$/
const LAMBDA_ARN = /^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(?::[A-Za-z0-9_$-]{1,128})?$/
const FIREHOSE_ARN = /^arn:[a-z-]+:firehose:[a-z0-9-]+:[0-9]{12}:deliverystream\/[A-Za-z0-9_.-]{1,64}$/

/** Of `arn:…:endpoint/PLATFORM/NAME/UUID`: the key of a structured message. */
export function platformOf(endpointArn: string): string {
  return endpointArn.split('/')[1] ?? 'application'
}

export function isPhoneNumber(text: string): boolean {
  return PHONE.test(text)
}

/** Throws `InvalidParameter`. That a mobile endpoint exists is not asked here. */
export function checkEndpoint(
  topic: Address,
  { protocol, endpoint, http }: { readonly protocol: string; readonly endpoint: string; readonly http: boolean },
): SubscriptionProtocol {
  const known = protocols.find((each) => each === protocol)
  if (known === undefined) {
    throw invalidParameter(`Amazon SNS does not support this protocol string: ${protocol.slice(0, 100)}`)
  }
  if (endpoint === '') throw invalidParameter('Endpoint')
  if (isFifo(topic.name) && known !== 'sqs') {
    throw invalidBecause('Invalid parameter: Endpoint', 'Please use an SQS queue: FIFO topics deliver to nothing else')
  }
  switch (known) {
    case 'sqs': {
      const queue = readQueueArn(endpoint)
      if (queue === undefined) throw invalidParameter('SQS endpoint ARN')
      if (isFifo(queue.name) && !isFifo(topic.name)) {
        const why = 'FIFO SQS Queues can not be subscribed to standard SNS topics'
        throw invalidBecause('Invalid parameter: Endpoint', why)
      }
      return known
    }
    case 'http':
    case 'https':
      if (!http)
        throw invalidBecause(
          'Protocol',
          'HTTP and HTTPS subscriptions are switched off on this server; SPINDLE_SNS_HTTP turns them on',
        )
      checkUrl(known, endpoint)
      return known
    case 'email':
    case 'email-json':
      if (!EMAIL.test(endpoint)) throw invalidParameter('Email address')
      return known
    case 'sms':
      if (!PHONE.test(endpoint)) throw invalidParameter(`Invalid SMS endpoint: ${endpoint.slice(0, 100)}`)
      return known
    case 'lambda':
      if (!LAMBDA_ARN.test(endpoint)) throw invalidParameter('Lambda endpoint ARN')
      return known
    case 'firehose':
      if (!FIREHOSE_ARN.test(endpoint)) throw invalidParameter('Firehose endpoint ARN')
      return known
    case 'application':
      return known
    default:
      return known satisfies never
  }
}

function checkUrl(protocol: 'http' | 'https', endpoint: string): void {
  const url = checkedUrl(endpoint)
  if (typeof url === 'string') throw invalidParameter('Endpoint')
  if (url.protocol !== `${protocol}:`) throw invalidParameter('Endpoint must match the specified protocol')
}

/** Must its owner first say that the endpoint wants this? */
export function needsConfirmation(protocol: SubscriptionProtocol): boolean {
  return protocol === 'http' || protocol === 'https' || protocol === 'email' || protocol === 'email-json'
}
