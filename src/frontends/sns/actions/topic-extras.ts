/** What hangs on a topic: tags, permissions, data protection policy. */
import { checkTopic } from '../access.ts'
import { type Address, isTopicName, parseArn, parseTopicArn, topicArn } from '../arns.ts'
import { type Action, DONE } from '../context.ts'
import { checkDataProtection } from '../data-protection.ts'
import { invalidParameter, missing, notFound, resourceNotFound } from '../errors.ts'
import { POLICY_STATEMENTS_MAX } from '../limits.ts'
import { list, required, texts } from '../params.ts'
import { mergedTags, readTags, type Tag } from '../tags.ts'
import { readTopicPolicy } from '../topic-attributes.ts'

export const tagResource: Action = async (context, call) => {
  const address = taggedTopic(required(call.params, 'ResourceArn'))
  await checkTopic(context, call, 'configure', address)
  const more = readTags(list<Tag>(call.params, 'Tags'))
  if ((await context.topics.find(address)) === undefined) throw noResource()
  await context.topics.change(address, (state) => ({ ...state, tags: mergedTags(state.tags, more) }))
  return DONE
}

export const untagResource: Action = async (context, call) => {
  const address = taggedTopic(required(call.params, 'ResourceArn'))
  await checkTopic(context, call, 'configure', address)
  const gone = new Set(list<string>(call.params, 'TagKeys'))
  if ((await context.topics.find(address)) === undefined) throw noResource()
  await context.topics.change(address, (state) => ({
    ...state,
    tags: texts(Object.entries(state.tags).filter(([key]) => !gone.has(key))),
  }))
  return DONE
}

export const listTagsForResource: Action = async (context, call) => {
  const address = taggedTopic(required(call.params, 'ResourceArn'))
  await checkTopic(context, call, 'any', address)
  const topic = await context.topics.find(address)
  if (topic === undefined) throw noResource()
  return { Tags: Object.entries(topic.state.tags).map(([Key, Value]) => ({ Key, Value })) }
}

/** Topics alone have tags. */
function taggedTopic(arn: string): Address {
  const { region, account, rest } = parseArn(arn, 'ResourceArn')
  const [name = ''] = rest
  if (rest.length !== 1 || !isTopicName(name)) throw noResource()
  return { region, account, name }
}

function noResource() {
  return resourceNotFound('Resource does not exist')
}

const ACTIONS = new Set([
  'AddPermission',
  'DeleteTopic',
  'GetDataProtectionPolicy',
  'GetTopicAttributes',
  'ListSubscriptionsByTopic',
  'ListTagsForResource',
  'Publish',
  'PutDataProtectionPolicy',
  'RemovePermission',
  'SetTopicAttributes',
  'Subscribe',
])

/** Adds a statement to the topic's policy, as AWS does. */
export const addPermission: Action = async (context, call) => {
  const { params } = call
  const address = parseTopicArn(required(params, 'TopicArn'))
  const label = required(params, 'Label')
  await checkTopic(context, call, 'configure', address)
  const accounts = list<string>(params, 'AWSAccountId')
  const actions = list<string>(params, 'ActionName')
  if (accounts.length === 0) throw missing('AWSAccountId')
  if (actions.length === 0) throw missing('ActionName')
  if (!/^[A-Za-z0-9_-]{1,80}$/.test(label)) throw invalidParameter('Label')
  if (!accounts.every((account) => /^[0-9]{12}$/.test(account))) throw invalidParameter('AWSAccountId')
  if (!actions.every((action) => ACTIONS.has(action))) {
    throw invalidParameter('Policy statement action out of service scope!')
  }
  const principals = accounts.map((account) => `arn:aws:iam::${account}:root`)
  const statement = {
    Sid: label,
    Effect: 'Allow',
    Principal: { AWS: principals.length === 1 ? principals[0] : principals },
    Action: actions.length === 1 ? `SNS:${actions[0]}` : actions.map((action) => `SNS:${action}`),
    Resource: topicArn(address),
  }
  await context.topics.change(address, (state) => {
    const policy = readTopicPolicy(state.attributes['Policy'], address)
    if (policy.Statement.some(({ Sid }) => Sid === label)) throw invalidParameter('Statement already exists')
    if (policy.Statement.length >= POLICY_STATEMENTS_MAX) throw invalidParameter('Policy Reason: too many statements')
    const Policy = JSON.stringify({ ...policy, Statement: [...policy.Statement, statement] })
    return { ...state, attributes: { ...state.attributes, Policy } }
  })
  return DONE
}

export const removePermission: Action = async (context, call) => {
  const address = parseTopicArn(required(call.params, 'TopicArn'))
  const label = required(call.params, 'Label')
  await checkTopic(context, call, 'configure', address)
  await context.topics.change(address, (state) => {
    const policy = readTopicPolicy(state.attributes['Policy'], address)
    const Statement = policy.Statement.filter(({ Sid }) => Sid !== label)
    if (Statement.length === policy.Statement.length) return state
    return { ...state, attributes: { ...state.attributes, Policy: JSON.stringify({ ...policy, Statement }) } }
  })
  return DONE
}

export const getDataProtectionPolicy: Action = async (context, call) => {
  const address = parseTopicArn(required(call.params, 'ResourceArn'), 'ResourceArn')
  await checkTopic(context, call, 'any', address)
  const topic = await context.topics.find(address)
  if (topic === undefined) throw notFound('Topic')
  return { DataProtectionPolicy: topic.state.dataProtectionPolicy ?? '' }
}

/** An empty text removes it. */
export const putDataProtectionPolicy: Action = async (context, call) => {
  const address = parseTopicArn(required(call.params, 'ResourceArn'), 'ResourceArn')
  const policy = required(call.params, 'DataProtectionPolicy')
  await checkTopic(context, call, 'configure', address)
  if (policy !== '') checkDataProtection(policy)
  await context.topics.change(address, ({ attributes, tags }) => ({
    attributes,
    tags,
    ...(policy === '' ? {} : { dataProtectionPolicy: policy }),
  }))
  return DONE
}
