/**
 * The JSON in which SNS delivers a message that is not raw, signed so that its receiver can tell where it came from.
 *
 * What is signed: name and value of some fields, each followed by a newline, in the order of their names. Source: Amazon SNS
 * developer guide, "Verifying the signatures of Amazon SNS messages".
 */
import { type Address, subscriptionArn, topicArn } from './arns.ts'
import type { SignatureVersion, Signer } from './signer.ts'

export interface EnvelopeAttribute {
  readonly Type: string
  readonly Value: string
}

export interface NotificationFields {
  readonly topic: Address
  readonly messageId: string
  readonly message: string
  readonly subject: string | undefined
  readonly timestampMs: number
  readonly version: SignatureVersion
  /** Of FIFO topics. */
  readonly sequenceNumber: string | undefined
  /** By name; {} when there are none. */
  readonly attributes: Readonly<Record<string, EnvelopeAttribute>>
}

/** A signed notification; only the way out of it differs between subscriptions. */
export interface SignedNotification {
  for(subscription: { readonly id: string; readonly baseUrl: string; readonly unsubscribeToken: string }): string
}

export async function signNotification(fields: NotificationFields, signer: Signer): Promise<SignedNotification> {
  const { messageId, message, subject, version, sequenceNumber, attributes } = fields
  const arn = topicArn(fields.topic)
  const timestamp = new Date(fields.timestampMs).toISOString()
  const signed = {
    Message: message,
    MessageId: messageId,
    ...(subject === undefined ? {} : { Subject: subject }),
    Timestamp: timestamp,
    TopicArn: arn,
    Type: 'Notification',
  }
  const signature = await signer.sign(textToSign(signed), version)
  const { certificatePath } = await signer.identity()
  return {
    for: ({ id, baseUrl, unsubscribeToken }) =>
      laidOut({
        Type: 'Notification',
        MessageId: messageId,
        SequenceNumber: sequenceNumber,
        TopicArn: arn,
        Subject: subject,
        Message: message,
        Timestamp: timestamp,
        SignatureVersion: version,
        Signature: signature,
        SigningCertURL: baseUrl + certificatePath,
        UnsubscribeURL: unsubscribeUrl(baseUrl, subscriptionArn({ topic: fields.topic, id }), unsubscribeToken),
        MessageAttributes: Object.keys(attributes).length === 0 ? undefined : attributes,
      }),
  }
}

export interface HandshakeFields {
  readonly type: 'SubscriptionConfirmation' | 'UnsubscribeConfirmation'
  readonly topic: Address
  readonly subscriptionId: string
  readonly messageId: string
  readonly token: string
  readonly timestampMs: number
  readonly version: SignatureVersion
  readonly baseUrl: string
}

/** What asks an endpoint to confirm, or tells it that it was unsubscribed. */
export async function signHandshake(fields: HandshakeFields, signer: Signer): Promise<string> {
  const { type, topic, messageId, token, version, baseUrl } = fields
  const arn = topicArn(topic)
  const message =
    type === 'SubscriptionConfirmation'
      ? `You have chosen to subscribe to the topic ${arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message.`
      : `You have chosen to deactivate subscription ${subscriptionArn({ topic, id: fields.subscriptionId })}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.`
  const signed = {
    Message: message,
    MessageId: messageId,
    SubscribeURL: confirmationUrl(baseUrl, arn, token),
    Timestamp: new Date(fields.timestampMs).toISOString(),
    Token: token,
    TopicArn: arn,
    Type: type,
  }
  const signature = await signer.sign(textToSign(signed), version)
  const { certificatePath } = await signer.identity()
  return laidOut({
    Type: type,
    MessageId: messageId,
    Token: token,
    TopicArn: arn,
    Message: message,
    SubscribeURL: signed.SubscribeURL,
    Timestamp: signed.Timestamp,
    SignatureVersion: version,
    Signature: signature,
    SigningCertURL: baseUrl + certificatePath,
  })
}

function confirmationUrl(baseUrl: string, arn: string, token: string): string {
  return `${baseUrl}/?Action=ConfirmSubscription&TopicArn=${arn}&Token=${token}`
}

function unsubscribeUrl(baseUrl: string, arn: string, token: string): string {
  return `${baseUrl}/?Action=Unsubscribe&SubscriptionArn=${arn}${token === '' ? '' : `&Token=${token}`}`
}

function textToSign(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}\n${value}\n`)
    .join('')
}

/** One field a line, with blanks about the colon, as SNS writes it: some receivers compare texts. */
function laidOut(fields: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        `  "${name}" : ${name === 'MessageAttributes' ? laidOutAttributes(value as object) : JSON.stringify(value)}`,
    )
  return `{\n${lines.join(',\n')}\n}`
}

function laidOutAttributes(attributes: object): string {
  const lines = Object.entries(attributes as Record<string, EnvelopeAttribute>).map(
    ([name, { Type, Value }]) =>
      `    ${JSON.stringify(name)} : {"Type":${JSON.stringify(Type)},"Value":${JSON.stringify(Value)}}`,
  )
  return `{\n${lines.join(',\n')}\n  }`
}
