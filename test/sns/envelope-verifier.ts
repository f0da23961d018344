/** Judges an envelope as receivers do (the rules of AWS's validators), sharing no code with what signs. */
import { createVerify, X509Certificate } from 'node:crypto'

const FIELDS = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
  UnsubscribeConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
}

export async function verified(envelope: Readonly<Record<string, string>>): Promise<boolean> {
  const { SigningCertURL = '', Signature = '', SignatureVersion, Type } = envelope
  const pem = await (await fetch(SigningCertURL)).text()
  const certificate = new X509Certificate(pem)
  if (!certificate.checkHost('sns.amazonaws.com') || !certificate.verify(certificate.publicKey)) return false
  const verify = createVerify(SignatureVersion === '2' ? 'RSA-SHA256' : 'RSA-SHA1')
  for (const name of FIELDS[Type as keyof typeof FIELDS]) {
    if (envelope[name] !== undefined) verify.update(`${name}\n${envelope[name]}\n`)
  }
  return verify.verify(certificate.publicKey, Signature, 'base64')
}
