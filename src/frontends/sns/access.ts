/**
 * May this caller do this? Topics are judged by their name in the store, as the same exchange would be through any other protocol; what
 * belongs to no topic (platform applications, SMS settings) by the names below. Asked only where credentials are on.
 */
import type { AccessVerb } from '../../model/access.ts'
import type { AwsCall } from '../aws/call.ts'
import { judge } from '../sqs/policy-document.ts'
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
  const principals = [account, `arn:aws:iam::${account}:root`, `arn:aws:iam::${account}:user/${identity.name}`]
  // A batch is allowed by what allows its single action.
  const action = call.action.replace(/Batch$/, '')
  const verdict =
    text === undefined ? 'silent' : judge(readTopicPolicy(text, topic), { principals, action, arn, service: 'sns' })
  if (verdict === 'deny' || !(isGranted || verdict === 'allow')) throw notAuthorized(call.action, arn, nameOf(call))
}

export function isShown({ identity }: AwsCall, name: string): boolean {
  if (identity === undefined) return true
  return identity.may('read', name) || identity.may('write', name) || identity.may('configure', name)
}

export function check(call: AwsCall, verb: AccessVerb, on: { readonly name: string; readonly arn: string }): void {
  if (call.identity === undefined || call.identity.may(verb, on.name)) return
  throw notAuthorized(call.action, on.arn, nameOf(call))
}

/** For what belongs to the account. */
export function checkAccount(call: AwsCall, verb: AccessVerb, name: typeof MOBILE | typeof SMS): void {
  check(call, verb, { name, arn: `arn:aws:sns:${call.region}:${call.account}:*` })
}

function nameOf({ identity, account }: AwsCall): string {
  return `arn:aws:iam::${account}:user/${identity?.name ?? 'anonymous'}`
}
