/**
 * May this caller do this? Topics are judged by their name in the store, as the same exchange would be through any other protocol; what
 * belongs to no topic (platform applications, SMS settings) by the names below. Asked only where credentials are on.
 */
import type { AccessVerb } from '../../model/access.ts'
import type { AwsCall } from '../aws/call.ts'
import { type Address, type HomeRealm, storeName, topicArn } from './arns.ts'
import { notAuthorized } from './errors.ts'

/** Platform applications and their endpoints. */
export const MOBILE = 'spindle.sns/mobile'
/** SMS settings, opted-out and sandbox numbers, and SMS sent to a number itself. */
export const SMS = 'spindle.sns/sms'

/** Throws `AuthorizationError`. */
export function checkTopic(call: AwsCall, verb: AccessVerb, topic: Address, home: HomeRealm): void {
  check(call, verb, { name: storeName(topic, home), arn: topicArn(topic) })
}

/** As `checkTopic`; any right on it is enough. */
export function checkTopicShown(call: AwsCall, topic: Address, home: HomeRealm): void {
  if (!isShown(call, storeName(topic, home))) throw notAuthorized(call.action, topicArn(topic), nameOf(call))
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
