/** SMS settings, opted-out numbers, origination numbers and the sandbox: eleven actions over records. No SMS is ever sent. */
import type { AwsCall } from '../../aws/call.ts'
import { checkAccount, SMS } from '../access.ts'
import { type Action, DONE } from '../context.ts'
import { isPhoneNumber } from '../endpoints.ts'
import {
  invalidBecause,
  invalidParameter,
  optedOut,
  resourceNotFound,
  userError,
  validation,
  verificationFailed,
} from '../errors.ts'
import { uuid } from '../ids.ts'
import { PAGE, SANDBOX_NUMBERS_MAX } from '../limits.ts'
import { afterToken, pageOf } from '../paging.ts'
import { list, optional, required, textMap, texts } from '../params.ts'
import {
  findSandboxNumber,
  isOptedOut,
  optedOutPage,
  optIn,
  putSandboxNumber,
  readSmsSettings,
  removeSandboxNumber,
  sandboxPage,
  writeSmsSettings,
} from '../sms-records.ts'

export const smsAttributeNames = [
  'DefaultSMSType',
  'DefaultSenderID',
  'DeliveryStatusIAMRole',
  'DeliveryStatusSuccessSamplingRate',
  'MonthlySpendLimit',
  'UsageReportS3Bucket',
]

export const setSMSAttributes: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', SMS)
  const given = textMap(call.params, 'attributes')
  for (const [name, value] of Object.entries(given)) {
    if (!smsAttributeNames.includes(name)) throw invalidParameter(`${name} is not a valid attribute`)
    if (name === 'DefaultSMSType' && value !== 'Promotional' && value !== 'Transactional') {
      throw invalidParameter('DefaultSMSType is invalid')
    }
    if (name === 'MonthlySpendLimit' && !/^\d+(?:\.\d+)?$/.test(value)) {
      throw invalidParameter('MonthlySpendLimit is invalid')
    }
  }
  await writeSmsSettings(port, Object.assign(texts(), await readSmsSettings(port), given))
  return DONE
}

export const getSMSAttributes: Action = async ({ port }, call) => {
  checkAccount(call, 'read', SMS)
  const settings = await readSmsSettings(port)
  const wanted = list<string>(call.params, 'attributes')
  const shown = Object.entries(settings).filter(([name]) => wanted.length === 0 || wanted.includes(name))
  return { attributes: texts(shown) }
}

export const checkIfPhoneNumberIsOptedOut: Action = async ({ port }, call) => {
  checkAccount(call, 'read', SMS)
  return { isOptedOut: await isOptedOut(port, phoneNumber(call, 'phoneNumber')) }
}

export const listPhoneNumbersOptedOut: Action = async ({ port }, call) => {
  checkAccount(call, 'read', SMS)
  const after = afterToken(optional(call.params, 'nextToken'), 'nextToken')
  const { page, token } = pageOf(await optedOutPage(port, { after, limit: PAGE + 1 }), {
    limit: PAGE,
    keyOf: (number) => number,
  })
  return { phoneNumbers: page, nextToken: token }
}

export const optInPhoneNumber: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', SMS)
  await optIn(port, phoneNumber(call, 'phoneNumber'))
  return DONE
}

/** A server that sends no SMS owns no numbers to send them from. */
export const listOriginationNumbers: Action = (_context, call) => {
  checkAccount(call, 'read', SMS)
  checkMax(call)
  afterToken(optional(call.params, 'NextToken'))
  return Promise.resolve({ PhoneNumbers: [] })
}

export const getSMSSandboxAccountStatus: Action = (_context, call) => {
  checkAccount(call, 'read', SMS)
  return Promise.resolve({ IsInSandbox: true })
}

/** The one-time password goes where the SMS would have gone: to the outbox. */
export const createSMSSandboxPhoneNumber: Action = async ({ port, outbox, random }, call) => {
  checkAccount(call, 'configure', SMS)
  const number = phoneNumber(call, 'PhoneNumber')
  if (await isOptedOut(port, number)) throw optedOut(number)
  const known = await findSandboxNumber(port, number)
  if (known?.status === 'Verified') throw userError('The phone number is verified already')
  const numbers = await sandboxPage(port, { after: undefined, limit: SANDBOX_NUMBERS_MAX })
  if (known === undefined && numbers.length >= SANDBOX_NUMBERS_MAX) {
    throw userError(`The sandbox takes at most ${SANDBOX_NUMBERS_MAX} phone numbers`)
  }
  const password = String(Math.floor(random.float() * 1_000_000)).padStart(6, '0')
  await putSandboxNumber(port, { number, status: 'Pending', password })
  await outbox.put({
    protocol: 'sms',
    endpoint: number,
    topicArn: undefined,
    subscriptionArn: undefined,
    messageId: uuid(random),
    type: 'Notification',
    subject: undefined,
    text: `The one-time password of this phone number is ${password}.`,
  })
  return DONE
}

export const verifySMSSandboxPhoneNumber: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', SMS)
  const number = phoneNumber(call, 'PhoneNumber')
  const password = required(call.params, 'OneTimePassword')
  if (!/^[0-9]{5,8}$/.test(password)) throw invalidParameter('OneTimePassword')
  const known = await findSandboxNumber(port, number)
  if (known === undefined) throw resourceNotFound('The phone number is not in the sandbox')
  if (known.password !== password) throw verificationFailed('The one-time password is not the one in the outbox')
  await putSandboxNumber(port, { ...known, status: 'Verified' })
  return DONE
}

export const deleteSMSSandboxPhoneNumber: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', SMS)
  const number = phoneNumber(call, 'PhoneNumber')
  if ((await findSandboxNumber(port, number)) === undefined) {
    throw resourceNotFound('The phone number is not in the sandbox')
  }
  await removeSandboxNumber(port, number)
  return DONE
}

export const listSMSSandboxPhoneNumbers: Action = async ({ port }, call) => {
  checkAccount(call, 'read', SMS)
  const limit = checkMax(call)
  const after = afterToken(optional(call.params, 'NextToken'))
  const found = await sandboxPage(port, { after, limit: limit + 1 })
  const { page, token } = pageOf(found, { limit, keyOf: ({ number }) => number })
  return { PhoneNumbers: page.map(({ number, status }) => ({ PhoneNumber: number, Status: status })), NextToken: token }
}

function phoneNumber({ params }: AwsCall, name: string): string {
  const number = required(params, name)
  if (!isPhoneNumber(number)) throw invalidBecause(name, `${number.slice(0, 100)} is not an E.164 phone number`)
  return number
}

/** MaxResults: 1 to 100. */
function checkMax({ params }: AwsCall): number {
  const max = (params['MaxResults'] as number | undefined) ?? PAGE
  if (max < 1 || max > PAGE) throw validation(`MaxResults must be from 1 to ${PAGE}`)
  return max
}
