/** Subscribe, ConfirmSubscription, Unsubscribe, ListSubscriptions, ListSubscriptionsByTopic. */
import { timingSafeEqual } from 'node:crypto'
import { AwsError } from '../../../wire/aws/error.ts'
import type { AwsCall } from '../../aws/call.ts'
import { check, checkLeadsInto, checkTopic, isShown } from '../access.ts'
import {
  type Address,
  parseSubscriptionArn,
  parseTopicArn,
  readQueueArn,
  storeName,
  subscriptionArn,
  topicArn,
} from '../arns.ts'
import { type Action, DONE, type SnsContext } from '../context.ts'
import { checkEndpoint, needsConfirmation } from '../endpoints.ts'
import { invalidBecause, invalidParameter } from '../errors.ts'
import { confirmationToken, uuid } from '../ids.ts'
import { CONFIRMATION_MS_MAX, PAGE } from '../limits.ts'
import { endpointExists } from '../mobile-records.ts'
import { afterToken, pageOf } from '../paging.ts'
import { optional, required, type Texts, textMap } from '../params.ts'
import { changedSubscriptionAttributes, redriveQueueOf } from '../subscription-attributes.ts'
import type { Subscription } from '../subscriptions.ts'
import type { Topic } from '../topics.ts'

const PENDING = 'pending confirmation'

export const subscribe: Action = async (context, call) => {
  const { params } = call
  const address = parseTopicArn(required(params, 'TopicArn'))
  await checkTopic(context, call, 'configure', address)
  const endpoint = optional(params, 'Endpoint') ?? ''
  const protocol = checkEndpoint(address, { protocol: required(params, 'Protocol'), endpoint, http: context.http })
  const topic = await context.topics.get(address)
  if (protocol === 'application' && !(await endpointExists(context.port, endpoint))) {
    throw invalidBecause('Endpoint', `Endpoint does not exist for endpoint ${endpoint.slice(0, 300)}`)
  }
  const attributes = readAttributes(textMap(params, 'Attributes'), { protocol, topic: address })
  await checkQueues(context, call, { topic: address, endpoint: protocol === 'sqs' ? endpoint : undefined, attributes })
  const subscription = await context.topics.oneByOne(() =>
    subscribeOnce(context, call, { topic, protocol, endpoint, attributes, pending: needsConfirmation(protocol) }),
  )
  const isAnswered = subscription.state === 'confirmed' || params['ReturnSubscriptionArn'] === true
  const { id } = subscription
  return { SubscriptionArn: isAnswered ? subscriptionArn({ topic: address, id }) : PENDING }
}

async function subscribeOnce(
  context: SnsContext,
  call: AwsCall,
  wanted: {
    readonly topic: Topic
    readonly protocol: string
    readonly endpoint: string
    readonly attributes: Texts
    readonly pending: boolean
  },
): Promise<Subscription> {
  const { topic, protocol, endpoint, attributes, pending } = wanted
  const { random, clock, subscriptions, courier } = context
  const known = [...(await subscriptions.of(topic.exchange)).values()].find(
    (each) => each.protocol === protocol && each.endpoint === endpoint,
  )
  if (known !== undefined && known.state === 'confirmed') {
    if (isSame(known.attributes, attributes)) return known
    throw invalidBecause('Attributes', 'Subscription already exists with different attributes')
  }
  const subscription: Subscription = {
    id: known?.id ?? uuid(random),
    topic: topic.address,
    exchange: topic.exchange,
    protocol,
    endpoint,
    owner: call.account,
    state: pending ? 'pending' : 'confirmed',
    token: pending ? confirmationToken(random) : undefined,
    createdAtMs: clock.wallMs(),
    attributes,
    baseUrl: call.baseUrl,
    authenticateOnUnsubscribe: false,
    unsubscribeToken: Buffer.from(random.bytes(24)).toString('hex'),
  }
  await subscriptions.put(subscription)
  if (pending) await courier.askToConfirm(subscription)
  return subscription
}

function readAttributes(given: Texts, about: { readonly protocol: string; readonly topic: Address }): Texts {
  try {
    return changedSubscriptionAttributes({}, given, about)
  } catch (fault) {
    if (!(fault instanceof AwsError) || fault.code !== 'InvalidParameter') throw fault
    throw invalidBecause('Attributes', fault.message.replace(/^Invalid parameter: /, ''))
  }
}

/** The queue it leads into, and the one for its dead letters. Throws `AuthorizationError`. */
export async function checkQueues(
  context: SnsContext,
  call: AwsCall,
  about: { readonly topic: Address; readonly endpoint: string | undefined; readonly attributes: Texts },
): Promise<void> {
  const { topic, endpoint, attributes } = about
  for (const queue of [endpoint === undefined ? undefined : readQueueArn(endpoint), redriveQueueOf(attributes)]) {
    if (queue !== undefined) await checkLeadsInto(context, call, { topic, queue })
  }
}

/** Asks for no right but the token, which only the endpoint was told. */
export const confirmSubscription: Action = async (context, call) => {
  const { params } = call
  const topic = await context.topics.get(parseTopicArn(required(params, 'TopicArn')))
  const token = required(params, 'Token')
  return context.topics.oneByOne(async () => {
    const subscriptions = await context.subscriptions.of(topic.exchange)
    const subscription = [...subscriptions.values()].find((each) => isSameToken(each.token, token))
    if (subscription === undefined) throw invalidParameter('Token')
    const { id } = subscription
    const answer = { SubscriptionArn: subscriptionArn({ topic: topic.address, id }) }
    if (subscription.state === 'confirmed') return answer
    if (context.clock.wallMs() - subscription.createdAtMs > CONFIRMATION_MS_MAX) throw invalidParameter('Token')
    const authenticateOnUnsubscribe = optional(params, 'AuthenticateOnUnsubscribe')?.toLowerCase() === 'true'
    await context.subscriptions.put({
      ...subscription,
      state: 'confirmed',
      authenticateOnUnsubscribe,
      unsubscribeToken: authenticateOnUnsubscribe ? '' : subscription.unsubscribeToken,
    })
    return answer
  })
}

/** Also of one that is gone already, as with AWS. */
export const unsubscribe: Action = async (context, call) => {
  const arn = required(call.params, 'SubscriptionArn')
  const { topic, id } = parseSubscriptionArn(arn)
  await context.topics.oneByOne(async () => {
    const subscription = await context.subscriptions.find({ topic, id })
    const token = optional(call.params, 'Token')
    const mayByToken =
      subscription !== undefined && token !== undefined && isSameToken(subscription.unsubscribeToken, token)
    if (!mayByToken) check(call, 'configure', { name: storeName(topic, context.home), arn })
    if (subscription === undefined) return
    await context.subscriptions.remove(subscription)
    await context.courier.sayFarewell(subscription, confirmationToken(context.random))
  })
  return DONE
}

export const listSubscriptions: Action = async (context, call) => {
  const found: (readonly [string, Subscription])[] = []
  let after = afterToken(optional(call.params, 'NextToken'))
  for (;;) {
    const page = await context.subscriptions.page({ limit: SCAN, ...(after === undefined ? {} : { after }) })
    for (const entry of page) {
      const { topic, exchange } = entry[1]
      if (topic.region === call.region && topic.account === call.account && isShown(call, exchange)) found.push(entry)
    }
    after = page.at(-1)?.[0]
    if (page.length < SCAN || found.length > PAGE) break
  }
  const { page, token } = pageOf(found, { limit: PAGE, keyOf: ([key]) => key })
  return { Subscriptions: page.map(([, subscription]) => shown(subscription)), NextToken: token }
}

const SCAN = 500

export const listSubscriptionsByTopic: Action = async (context, call) => {
  const address = parseTopicArn(required(call.params, 'TopicArn'))
  await checkTopic(context, call, 'any', address)
  const topic = await context.topics.get(address)
  const after = afterToken(optional(call.params, 'NextToken')) ?? ''
  const subscriptions = [...(await context.subscriptions.of(topic.exchange)).values()]
  const { page, token } = pageOf(
    subscriptions.filter(({ id }) => id > after),
    { limit: PAGE, keyOf: ({ id }) => id },
  )
  return { Subscriptions: page.map(shown), NextToken: token }
}

function shown({ topic, id, owner, protocol, endpoint, state }: Subscription): object {
  return {
    SubscriptionArn: state === 'pending' ? 'PendingConfirmation' : subscriptionArn({ topic, id }),
    Owner: owner,
    Protocol: protocol,
    Endpoint: endpoint,
    TopicArn: topicArn(topic),
  }
}

function isSame(known: Texts, wanted: Texts): boolean {
  const names = Object.keys(wanted)
  return names.every((name) => known[name] === wanted[name])
}

function isSameToken(known: string | undefined, given: string): boolean {
  if (known === undefined || known === '' || known.length !== given.length) return false
  const [a, b] = [Buffer.from(known), Buffer.from(given)]
  return a.length === b.length && timingSafeEqual(a, b)
}
