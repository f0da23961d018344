/** What waits in the queue of a subscription for the courier: the text to deliver, and what must be said beside it. */
import { utf8Text } from '../../../model/bytes.ts'
import { decodeHead, encodeContent } from '../../../model/content.ts'
import type { Content } from '../../../model/message.ts'

export type NotificationType = 'Notification' | 'SubscriptionConfirmation' | 'UnsubscribeConfirmation'

export interface CourierMessage {
  readonly type: NotificationType
  readonly messageId: string
  readonly subject: string | undefined
  /** `text` is the message alone, not an envelope. */
  readonly raw: boolean
  readonly text: string
  /** Of a subscription that is no more. */
  readonly gone?: GoneSubscription
}

export interface GoneSubscription {
  readonly endpoint: string
  readonly protocol: string
  readonly topicArn: string
  readonly subscriptionArn: string
}

/** Marks messages that SNS made. Others come from publishers of other protocols, and get their envelope when they are delivered. */
const TYPE = 'spindle.sns'

export function encodeCourierMessage({ text, ...about }: CourierMessage): Content {
  return encodeContent(text, { type: TYPE, system: { sns: JSON.stringify(about) } })
}

/** undefined: SNS did not make it. */
export function decodeCourierMessage({ head, body }: Content): CourierMessage | undefined {
  const { type, system } = decodeHead(head)
  const about = system['sns']
  if (type !== TYPE || about === undefined) return undefined
  return { ...(JSON.parse(about) as Omit<CourierMessage, 'text'>), text: utf8Text(body) }
}
