/** GetSubscriptionAttributes, SetSubscriptionAttributes. */
import { checkTopic } from '../access.ts'
import { parseSubscriptionArn, subscriptionArn, topicArn } from '../arns.ts'
import { type Action, DONE } from '../context.ts'
import { defaultRetryPolicy, readDeliveryPolicy } from '../delivery-policy.ts'
import { notFound } from '../errors.ts'
import { optional, required, texts } from '../params.ts'
import { changedSubscriptionAttributes } from '../subscription-attributes.ts'
import { checkQueues } from './subscriptions.ts'

export const getSubscriptionAttributes: Action = async (context, call) => {
  const address = parseSubscriptionArn(required(call.params, 'SubscriptionArn'))
  await checkTopic(context, call, 'any', address.topic)
  const subscription = await context.subscriptions.find(address)
  if (subscription === undefined) throw notFound('Subscription')
  const { attributes, owner, protocol, endpoint, state, authenticateOnUnsubscribe } = subscription
  const delivery = attributes['DeliveryPolicy']
  const retry = delivery === undefined ? defaultRetryPolicy : readDeliveryPolicy(delivery, 'DeliveryPolicy').retry
  const isHttp = protocol.startsWith('http')
  const shown = {
    SubscriptionArn: subscriptionArn(address),
    TopicArn: topicArn(address.topic),
    Owner: owner,
    Protocol: protocol,
    Endpoint: endpoint,
    PendingConfirmation: String(state === 'pending'),
    ConfirmationWasAuthenticated: String(authenticateOnUnsubscribe || protocol === 'sqs'),
    RawMessageDelivery: 'false',
    SubscriptionPrincipal: `arn:aws:iam::${owner}:root`,
    ...(isHttp ? { EffectiveDeliveryPolicy: JSON.stringify({ healthyRetryPolicy: retry }) } : {}),
    ...(attributes['FilterPolicy'] === undefined ? {} : { FilterPolicyScope: 'MessageAttributes' }),
    ...attributes,
  }
  return { Attributes: texts(Object.entries(shown)) }
}

export const setSubscriptionAttributes: Action = async (context, call) => {
  const { params } = call
  const address = parseSubscriptionArn(required(params, 'SubscriptionArn'))
  const name = required(params, 'AttributeName')
  const value = optional(params, 'AttributeValue') ?? ''
  await checkTopic(context, call, 'configure', address.topic)
  await context.topics.oneByOne(async () => {
    const subscription = await context.subscriptions.find(address)
    if (subscription === undefined) throw notFound('Subscription')
    const { protocol, topic } = subscription
    const attributes = changedSubscriptionAttributes(subscription.attributes, { [name]: value }, { protocol, topic })
    await checkQueues(context, call, { topic, endpoint: undefined, attributes })
    await context.subscriptions.put({ ...subscription, attributes })
  })
  return DONE
}
