/** CreateTopic, DeleteTopic, ListTopics, GetTopicAttributes, SetTopicAttributes. */
import { isFault } from '../../../model/errors.ts'
import type { AwsCall } from '../../aws/call.ts'
import { checkTopic, isShown } from '../access.ts'
import { type Address, isFifo, isTopicName, parseTopicArn, storeName, topicArn } from '../arns.ts'
import { type Action, DONE, type SnsContext } from '../context.ts'
import { checkDataProtection } from '../data-protection.ts'
import { invalidParameter } from '../errors.ts'
import { PAGE } from '../limits.ts'
import { afterToken, pageOf } from '../paging.ts'
import { list, optional, required, type Texts, textMap } from '../params.ts'
import { mergedTags, readTags, type Tag } from '../tags.ts'
import { changedTopicAttributes, shownTopicAttributes } from '../topic-attributes.ts'
import type { Topic, TopicState } from '../topics.ts'

const FIFO_NAME =
  'Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.'

export const createTopic: Action = async (context, call) => {
  const { params } = call
  const name = required(params, 'Name')
  const given = textMap(params, 'Attributes')
  const wantsFifo = given['FifoTopic']?.toLowerCase() === 'true'
  if (!isTopicName(name)) throw invalidParameter(wantsFifo ? FIFO_NAME : 'Topic Name')
  if (wantsFifo !== isFifo(name)) throw invalidParameter(wantsFifo ? FIFO_NAME : 'Topic Name')
  const address: Address = { region: call.region, account: call.account, name }
  await checkTopic(context, call, 'configure', address)
  const tags = mergedTags({}, readTags(list<Tag>(params, 'Tags')))
  const attributes = changedTopicAttributes({}, given, name)
  const protection = optional(params, 'DataProtectionPolicy')
  if (protection !== undefined) checkDataProtection(protection)
  const state: TopicState = {
    attributes,
    tags,
    ...(protection === undefined ? {} : { dataProtectionPolicy: protection }),
  }
  await context.topics.oneByOne(() => createOrCompare(context, address, { state, given }))
  return { TopicArn: topicArn(address) }
}

async function createOrCompare(
  context: SnsContext,
  address: Address,
  wanted: { readonly state: TopicState; readonly given: Texts },
): Promise<void> {
  const known = await context.topics.find(address)
  if (known !== undefined) {
    compare(known, wanted)
    return
  }
  const exchange = storeName(address, context.home)
  try {
    // What an earlier topic of this name left when another protocol deleted it.
    const records = await context.subscriptions.recordsOf(exchange)
    await context.topics.create(address, wanted.state, records)
    if (records.length > 0) await context.subscriptions.forgot(exchange, [])
  } catch (fault) {
    if (!isFault(fault, 'exchange-exists')) throw fault
    const now = await context.topics.find(address)
    if (now === undefined) throw invalidParameter('Name Reason: an exchange of another kind has this name')
    compare(now, wanted)
  }
}

/** The same topic may be created again; with other attributes or tags it is another one. */
function compare({ state, address }: Topic, wanted: { readonly state: TopicState; readonly given: Texts }): void {
  const shown = shownTopicAttributes({ address, attributes: state.attributes }, { confirmed: 0, pending: 0 })
  for (const [name, value] of Object.entries(wanted.given)) {
    const now = shown[name] ?? (name === 'FifoTopic' ? 'false' : '')
    if (now !== value) throw invalidParameter('Attributes Reason: Topic already exists with different attributes')
  }
  const names = Object.keys(wanted.state.tags)
  if (names.length === 0) return
  const isSame =
    names.length === Object.keys(state.tags).length &&
    names.every((name) => state.tags[name] === wanted.state.tags[name])
  if (!isSame) throw invalidParameter('Tags Reason: Topic already exists with different tags')
}

export const deleteTopic: Action = async (context, call) => {
  const address = parseTopicArn(required(call.params, 'TopicArn'))
  await checkTopic(context, call, 'configure', address)
  await context.topics.oneByOne(async () => {
    const topic = await context.topics.find(address)
    if (topic === undefined) return
    const { exchange } = topic
    const subscriptions = [...(await context.subscriptions.of(exchange)).values()]
    const records = await context.subscriptions.recordsOf(exchange)
    await context.port.deleteExchange(exchange, { records })
    await context.subscriptions.forgot(exchange, subscriptions)
    if (isFifo(address.name)) await context.publisher.forget(exchange)
  })
  return DONE
}

export const listTopics: Action = async (context, call) => {
  const after = afterToken(optional(call.params, 'NextToken'))
  const topics = await context.topics.list({ region: call.region, account: call.account }, after)
  const shown = topics.filter(({ exchange }) => isShown(call, exchange))
  const { page, token } = pageOf(shown, { limit: PAGE, keyOf: ({ address }) => address.name })
  return { Topics: page.map(({ address }) => ({ TopicArn: topicArn(address) })), NextToken: token }
}

export const getTopicAttributes: Action = async (context, call) => {
  const topic = await shownTopic(context, call)
  let pending = 0
  const subscriptions = await context.subscriptions.of(topic.exchange)
  for (const { state } of subscriptions.values()) if (state === 'pending') pending++
  const counts = { pending, confirmed: subscriptions.size - pending }
  const { address, state } = topic
  return { Attributes: shownTopicAttributes({ address, attributes: state.attributes }, counts) }
}

export const setTopicAttributes: Action = async (context, call) => {
  const address = parseTopicArn(required(call.params, 'TopicArn'))
  const name = required(call.params, 'AttributeName')
  const value = optional(call.params, 'AttributeValue') ?? ''
  await checkTopic(context, call, 'configure', address)
  if (name === 'FifoTopic') throw invalidParameter('AttributeName')
  await context.topics.change(address, (state) => ({
    ...state,
    attributes: changedTopicAttributes(state.attributes, { [name]: value }, address.name),
  }))
  context.subscriptions.onChange(storeName(address, context.home))
  return DONE
}

/** The topic that `TopicArn` names, for actions that only look at it. */
export async function shownTopic(context: SnsContext, call: AwsCall): Promise<Topic> {
  const address = parseTopicArn(required(call.params, 'TopicArn'))
  await checkTopic(context, call, 'any', address)
  return context.topics.get(address)
}
