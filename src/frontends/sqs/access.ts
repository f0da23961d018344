/**
 * May this caller do this to this queue? Its own grants say so, or the queue's policy lets it in; an explicit Deny of the
 * policy wins over both. Asked only where credentials are on.
 */
import type { AccessVerb } from '../../model/access.ts'
import type { AwsCall } from '../aws/call.ts'
import { accessDenied } from './errors.ts'
import { judge, type PolicyDocument, readPolicyDocument } from './policy-document.ts'
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
  const text = queue.attributes['Policy']
  const policy = text === undefined ? undefined : parsed(text)
  if (policy === undefined) return isGranted(call, queue.store)
  const principals = [account, `arn:aws:iam::${account}:root`, `arn:aws:iam::${account}:user/${identity.name}`]
  // A batch is allowed by what allows its single action, and by its own name.
  const single = call.action.replace(/Batch$/, '')
  const arn = queueArn(queue.address)
  const verdict = judge(policy, { principals, action: single, arn })
  if (verdict === 'deny') return false
  return (verdict === 'allow' && !ownersOnly.has(call.action)) || isGranted(call, queue.store)
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
