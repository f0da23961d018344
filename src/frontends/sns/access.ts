/**
 * May this caller do this? Topics are judged by their name in the store, as the same exchange would be through any other protocol; what
 * belongs to no topic (platform applications, SMS settings) by the names below. Asked only where credentials are on.
 */
import type { AccessVerb } from '../../model/access.ts'
import type { AwsCall } from '../aws/call.ts'
import { requestFacts, userArn } from '../aws/request-facts.ts'
import { judgeTopic } from '../sqs/access.ts'
import { judge } from '../sqs/policy-document.ts'
import { type QueueAddress, queueArn } from '../sqs/queue-address.ts'
import { type Address, storeName, topicArn } from './arns.ts'
import type { SnsContext } from './context.ts'
import { notAuthorized } from './errors.ts'
import { readTopicPolicy } from './topic-attributes.ts'

/** Platform applications and their endpoints. */
export const MOBILE = 'spindle.sns/mobile'
/** SMS settings, opted-out and sandbox numbers, and SMS sent to a number itself. */
export const SMS = 'spindle.sns/sms'

/**
 * `any`: whichever right. The topic's policy may give what grants do not, and an explicit Deny of it wins over both. Throws
 * `AuthorizationError`.
 */
export async function checkTopic(
  { topics, home }: Pick<SnsContext, 'topics' | 'home'>,
  call: AwsCall,
  verb: AccessVerb | 'any',
  topic: Address,
): Promise<void> {
  const { identity, account } = call
  if (identity === undefined) return
  const name = storeName(topic, home)
  const isGranted = verb === 'any' ? isShown(call, name) : identity.may(verb, name)
  const arn = topicArn(topic)
  const text = (await topics.find(topic))?.state.attributes['Policy']
  const principals = [account, `arn:aws:iam::${account}:root`, userArn(call)]
  // A batch is allowed by what allows its single action.
  const action = call.action.replace(/Batch$/, '')
  const verdict =
    text === undefined
      ? 'silent'
      : judge(readTopicPolicy(text, topic), { principals, action, arn, service: 'sns', facts: snsFacts(call) })
  if (verdict === 'deny' || !(isGranted || verdict === 'allow')) throw notAuthorized(call.action, arn, userArn(call))
}

/** Subscribe may be narrowed to a protocol and to endpoints. */
function snsFacts(call: AwsCall) {
  const { Protocol, Endpoint } = call.params
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  return requestFacts(call, { 'sns:protocol': text(Protocol), 'sns:endpoint': text(Endpoint) })
}

/**
 * Who leads a topic into a queue must be allowed to write there, or the queue's policy lets the topic in (as `sns.amazonaws.com`, with
 * the topic as `aws:SourceArn`); a Deny of it wins. Throws `AuthorizationError`.
 */
export async function checkLeadsInto(
  { queues, home }: Pick<SnsContext, 'queues' | 'home'>,
  call: AwsCall,
  { topic, queue }: { readonly topic: Address; readonly queue: QueueAddress },
): Promise<void> {
  const { identity } = call
  if (identity === undefined) return
  const found = await queues.at(queue)
  const source = { arn: topicArn(topic), account: topic.account }
  const verdict = found === undefined ? 'silent' : judgeTopic(call, found, source)
  if (verdict === 'allow' || (verdict === 'silent' && identity.may('write', storeName(queue, home)))) return
  throw notAuthorized(call.action, queueArn(queue), userArn(call))
}

export function isShown({ identity }: AwsCall, name: string): boolean {
  if (identity === undefined) return true
  return identity.may('read', name) || identity.may('write', name) || identity.may('configure', name)
}

export function check(call: AwsCall, verb: AccessVerb, on: { readonly name: string; readonly arn: string }): void {
  if (call.identity === undefined || call.identity.may(verb, on.name)) return
  throw notAuthorized(call.action, on.arn, userArn(call))
}

/** For what belongs to the account. */
export function checkAccount(call: AwsCall, verb: AccessVerb, name: typeof MOBILE | typeof SMS): void {
  check(call, verb, { name, arn: `arn:aws:sns:${call.region}:${call.account}:*` })
}
