/** AddPermission and RemovePermission: statements of the queue's policy, by label. */
import { checkAccess } from '../access.ts'
import { type Action, DONE } from '../context.ts'
import { invalidParameter, invalidValue, missingParameter, overLimit } from '../errors.ts'
import { type PolicyDocument, type PolicyStatement, readPolicyDocument } from '../policy-document.ts'
import { queueArn } from '../queue-address.ts'
import { changeQueue } from '../queue-changes.ts'
import type { SqsQueue } from '../queue-directory.ts'

const ACTIONS_MAX = 7
const STATEMENTS_MAX = 20
/** What an owner can share. */
const shareable = new Set([
  '*',
  'SendMessage',
  'ReceiveMessage',
  'DeleteMessage',
  'ChangeMessageVisibility',
  'GetQueueAttributes',
  'GetQueueUrl',
  'ListDeadLetterSourceQueues',
  'PurgeQueue',
])

export const addPermission: Action = async (context, call) => {
  const named = await context.directory.named(call)
  checkAccess(call, named)
  const label = readLabel(call.params['Label'] as string | undefined)
  const accounts = (call.params['AWSAccountIds'] as readonly string[] | undefined) ?? []
  const actions = (call.params['Actions'] as readonly string[] | undefined) ?? []
  if (accounts.length === 0) throw missingParameter('AWSAccountIds')
  if (actions.length === 0) throw missingParameter('Actions')
  if (actions.length > ACTIONS_MAX) {
    throw overLimit(`${actions.length} Actions were found, maximum allowed is ${ACTIONS_MAX}.`)
  }
  for (const action of actions) {
    if (!shareable.has(action)) {
      throw invalidValue(`SQS:${action}`, 'ActionName', 'Only the queue owner is allowed to invoke this action.')
    }
  }
  const foreign = accounts.find((account) => !/^[0-9]{12}$/.test(account))
  if (foreign !== undefined) {
    throw invalidValue(`[${foreign}]`, 'PrincipalId', 'Unable to verify.')
  }
  await changeQueue(context, named, (queue) => {
    const policy = policyOf(queue)
    if (policy.Statement.some(({ Sid }) => Sid === label)) throw invalidValue(label, 'Label', 'Already exists.')
    if (policy.Statement.length >= STATEMENTS_MAX) {
      throw overLimit(`${policy.Statement.length + 1} statements were found, maximum allowed is ${STATEMENTS_MAX}.`)
    }
    const principals = accounts.map((account) => `arn:aws:iam::${account}:root`)
    const statement: PolicyStatement = {
      Sid: label,
      Effect: 'Allow',
      Principal: { AWS: oneOrAll(principals) },
      Action: oneOrAll(actions.map((action) => `SQS:${action}`)),
      Resource: queueArn(queue.address),
    }
    return withPolicy(queue, { ...policy, Statement: [...policy.Statement, statement] })
  })
  return DONE
}

export const removePermission: Action = async (context, call) => {
  const named = await context.directory.named(call)
  checkAccess(call, named)
  const label = readLabel(call.params['Label'] as string | undefined)
  await changeQueue(context, named, (queue) => {
    const policy = policyOf(queue)
    const left = policy.Statement.filter(({ Sid }) => Sid !== label)
    if (left.length === policy.Statement.length) {
      throw invalidValue(label, 'Label', "can't find label on existing policy.")
    }
    return withPolicy(queue, { ...policy, Statement: left })
  })
  return DONE
}

function policyOf({ attributes, address }: SqsQueue): PolicyDocument {
  const text = attributes['Policy']
  if (text !== undefined) return readPolicyDocument(text)
  return { Version: '2008-10-17', Id: `${queueArn(address)}/SQSDefaultPolicy`, Statement: [] }
}

function withPolicy({ attributes }: SqsQueue, policy: PolicyDocument) {
  const { Policy: _, ...others } = attributes
  if (policy.Statement.length === 0) return { attributes: others }
  return { attributes: { ...others, Policy: JSON.stringify(policy) } }
}

function oneOrAll(texts: readonly string[]): string | readonly string[] {
  return texts.length === 1 ? (texts[0] as string) : texts
}

function readLabel(label: string | undefined): string {
  if (label === undefined || label === '') throw missingParameter('Label')
  if (!/^[A-Za-z0-9_-]{1,80}$/.test(label)) {
    throw invalidParameter(
      `Value ${label.slice(0, 100)} for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.`,
    )
  }
  return label
}
