/** What the conditions of a policy may ask of a request. docs/compat/sqs.md lists the keys; a test compares the two. */
import { plainAddress } from '../../runtime/address-block.ts'
import type { AwsCall } from './call.ts'
import type { RequestFacts } from './policy-conditions.ts'

/** Of a request that its caller signed. `more`: what only one service knows, by lower-case key. */
export function requestFacts(call: AwsCall, more: RequestFacts = {}): RequestFacts {
  const { account, region, identity, receivedAtMs } = call
  const name = identity?.name
  return Object.assign(Object.create(null), more, {
    'aws:currenttime': new Date(receivedAtMs).toISOString(),
    'aws:epochtime': String(Math.floor(receivedAtMs / 1_000)),
    'aws:principalaccount': account,
    'aws:principalarn': userArn(call),
    'aws:principalisawsservice': 'false',
    'aws:principaltype': name === undefined ? 'Anonymous' : 'User',
    'aws:requestedregion': region,
    'aws:securetransport': String(call.baseUrl.startsWith('https:')),
    'aws:sourceip': plainAddress(call.client.address),
    'aws:username': name ?? null,
    'aws:viaawsservice': 'false',
    // Only services that act for somebody have these.
    'aws:sourceaccount': null,
    'aws:sourcearn': null,
  })
}

/** Of a topic that leads into a queue: what a queue's policy says of SNS. */
export function serviceFacts(
  call: AwsCall,
  source: { readonly arn: string; readonly account: string; readonly service: string },
): RequestFacts {
  return Object.assign(Object.create(null), requestFacts(call), {
    'aws:principalarn': null,
    'aws:principalaccount': null,
    'aws:principalisawsservice': 'true',
    'aws:principalservicename': source.service,
    'aws:principaltype': null,
    'aws:sourceaccount': source.account,
    'aws:sourcearn': source.arn,
    'aws:sourceip': null,
    'aws:username': null,
    'aws:viaawsservice': 'true',
  })
}

export function userArn({ account, identity }: AwsCall): string {
  return `arn:aws:iam::${account}:user/${identity?.name ?? 'anonymous'}`
}
