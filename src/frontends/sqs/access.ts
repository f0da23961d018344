/**
 * May this caller do this to this queue? Its own grants say so, or the queue's policy lets it in; an explicit Deny of the
 * policy wins over both. Asked only where credentials are on.
 */
import type { AccessVerb } from '../../model/access.ts'
import type { AwsCall } from '../aws/call.ts'
import { requestFacts, serviceFacts, userArn } from '../aws/request-facts.ts'
import { accessDenied } from './errors.ts'
import { judge, type PolicyDocument, readPolicyDocument, type Verdict } from './policy-document.ts'
import { type HomeRealm, type QueueAddress, queueArn, storeName } from './queue-address.ts'
import type { SqsQueue } from './queue-directory.ts'
import type { SqsAction } from './shapes.ts'

/** What an action needs of its caller; `any`: some right on the queue, whichever. */
const verbs: Readonly<Record<SqsAction, AccessVerb | 'any'>> = {
  AddPermission: 'configure',
  CancelMessageMoveTask: 'configure',
  ChangeMessageVisibility: 'read',
  ChangeMessageVisibilityBatch: 'read',
  CreateQueue: 'configure',
  DeleteMessage: 'read',
  DeleteMessageBatch: 'read',
  DeleteQueue: 'configure',
  GetQueueAttributes: 'any',
  GetQueueUrl: 'any',
  ListDeadLetterSourceQueues: 'any',
  ListMessageMoveTasks: 'any',
  ListQueues: 'any',
  ListQueueTags: 'any',
  PurgeQueue: 'configure',
  ReceiveMessage: 'read',
  RemovePermission: 'configure',
  SendMessage: 'write',
  SendMessageBatch: 'write',
  SetQueueAttributes: 'configure',
  StartMessageMoveTask: 'configure',
  TagQueue: 'configure',
  UntagQueue: 'configure',
}

/** A policy cannot give these to others: as with AWS, they stay with the owner. */
const ownersOnly: ReadonlySet<string> = new Set<SqsAction>([
  'AddPermission',
  'CancelMessageMoveTask',
  'CreateQueue',
  'DeleteQueue',
  'ListMessageMoveTasks',
  'ListQueues',
  'ListQueueTags',
  'RemovePermission',
  'SetQueueAttributes',
  'StartMessageMoveTask',
  'TagQueue',
  'UntagQueue',
])

/** As a policy names the service that delivers for a topic. */
const SNS = 'sns.amazonaws.com'

/** Throws `AccessDenied`. */
export function checkAccess(call: AwsCall, queue: SqsQueue): void {
  if (call.identity === undefined) return
  if (!mayUse(call, queue)) throw accessDenied(call.action, queueArn(queue.address))
}

/** For queues that are not there (yet), whose policy nobody can ask. */
export function checkAccessByName(call: AwsCall, address: QueueAddress, home: HomeRealm): void {
  if (call.identity === undefined || isGranted(call, storeName(address, home))) return
  throw accessDenied(call.action, queueArn(address))
}

export function mayUse(call: AwsCall, queue: SqsQueue): boolean {
  const { identity, account } = call
  if (identity === undefined) return true
  const policy = policyOf(queue)
  if (policy === undefined) return isGranted(call, queue.store)
  const principals = [account, `arn:aws:iam::${account}:root`, userArn(call)]
  // A batch is allowed by what allows its single action, and by its own name.
  const action = call.action.replace(/Batch$/, '')
  const verdict = judge(policy, { principals, action, arn: queueArn(queue.address), facts: requestFacts(call) })
  if (verdict === 'deny') return false
  return (verdict === 'allow' && !ownersOnly.has(call.action)) || isGranted(call, queue.store)
}

/** What the queue's policy says of a topic that would send to it. */
export function judgeTopic(
  call: AwsCall,
  queue: SqsQueue,
  topic: { readonly arn: string; readonly account: string },
): Verdict {
  const policy = policyOf(queue)
  if (policy === undefined) return 'silent'
  const facts = serviceFacts(call, { ...topic, service: SNS })
  return judge(policy, { principals: { service: SNS }, action: 'SendMessage', arn: queueArn(queue.address), facts })
}

function isGranted({ identity, action }: AwsCall, store: string): boolean {
  const verb = verbs[action as SqsAction]
  if (verb !== 'any') return identity?.may(verb, store) === true
  return (
    identity?.may('read', store) === true ||
    identity?.may('write', store) === true ||
    identity?.may('configure', store) === true
  )
}

function policyOf({ attributes }: SqsQueue): PolicyDocument | undefined {
  const text = attributes['Policy']
  return text === undefined ? undefined : parsed(text)
}

/** The policies of hot queues, parsed once. */
const POLICIES_MAX = 256
const policies = new Map<string, PolicyDocument>()

function parsed(text: string): PolicyDocument {
  let policy = policies.get(text)
  if (policy === undefined) {
    policy = readPolicyDocument(text)
    if (policies.size >= POLICIES_MAX) policies.clear()
    policies.set(text, policy)
  }
  return policy
}
