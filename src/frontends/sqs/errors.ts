/**
 * SQS's errors: class (JSON), code (Query) and status as the service's model has them, messages as the service words them.
 * `refusalError` and `faultError` are the one place where the broker's words become AWS's.
 */
import { isUnavailable, SpindleError } from '../../model/errors.ts'
import type { RefusalReason } from '../../model/message.ts'
import { AwsError } from '../../wire/aws/error.ts'

const SERVICE = 'AWS.SimpleQueueService.'

export function queueDoesNotExist(): AwsError {
  return new AwsError({
    type: 'QueueDoesNotExist',
    code: `${SERVICE}NonExistentQueue`,
    message: 'The specified queue does not exist.',
  })
}

export function queueNameExists(why: string): AwsError {
  return new AwsError({ type: 'QueueNameExists', code: 'QueueAlreadyExists', message: why })
}

export function queueDeletedRecently(): AwsError {
  const message = 'You must wait 60 seconds after deleting a queue before you can create another with the same name.'
  return new AwsError({ type: 'QueueDeletedRecently', code: `${SERVICE}QueueDeletedRecently`, message })
}

export function purgeQueueInProgress(queue: string): AwsError {
  const message = `Only one PurgeQueue operation on ${queue} is allowed every 60 seconds.`
  return new AwsError({ type: 'PurgeQueueInProgress', code: `${SERVICE}PurgeQueueInProgress`, status: 403, message })
}

export function missingParameter(name: string): AwsError {
  return new AwsError({
    type: 'MissingRequiredParameterException',
    code: 'MissingParameter',
    message: `The request must contain the parameter ${name}.`,
  })
}

export function invalidParameter(message: string): AwsError {
  return new AwsError({ type: 'InvalidParameterValueException', code: 'InvalidParameterValue', message })
}

/** `Value V for parameter P is invalid. Reason: R` */
export function invalidValue(value: unknown, parameter: string, reason: string): AwsError {
  return invalidParameter(`Value ${shown(value)} for parameter ${parameter} is invalid. Reason: ${reason}`)
}

export function unknownAttribute(name: string): AwsError {
  return new AwsError({ type: 'InvalidAttributeName', message: `Unknown Attribute ${shown(name)}.` })
}

export function invalidAttribute(name: string, reason?: string): AwsError {
  const message = `Invalid value for the parameter ${name}.${reason === undefined ? '' : ` Reason: ${reason}`}`
  return new AwsError({ type: 'InvalidAttributeValue', message })
}

export function receiptHandleIsInvalid(handle: string): AwsError {
  const message = `The input receipt handle "${shown(handle)}" is not a valid receipt handle.`
  return new AwsError({ type: 'ReceiptHandleIsInvalid', status: 404, message })
}

export function messageNotInflight(handle: string): AwsError {
  const message = `Value ${shown(handle)} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`
  return new AwsError({ type: 'MessageNotInflight', code: `${SERVICE}MessageNotInflight`, message })
}

export function invalidMessageContents(): AwsError {
  const valid = '#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF'
  const message = `Invalid characters found. Valid unicode characters are ${valid}`
  return new AwsError({ type: 'InvalidMessageContents', message })
}

export function messageTooLong(bytesMax: number): AwsError {
  const reason = `Message must be shorter than ${bytesMax} bytes.`
  return invalidParameter(`One or more parameters are invalid. Reason: ${reason}`)
}

export function overLimit(message: string): AwsError {
  return new AwsError({ type: 'OverLimit', status: 403, message })
}

export function requestThrottled(): AwsError {
  return new AwsError({ type: 'RequestThrottled', status: 403, message: 'Request is throttled.' })
}

export function unsupportedOperation(message: string): AwsError {
  return new AwsError({ type: 'UnsupportedOperation', code: `${SERVICE}UnsupportedOperation`, message })
}

export function resourceNotFound(message: string): AwsError {
  return new AwsError({ type: 'ResourceNotFoundException', status: 404, message })
}

export function accessDenied(action: string, arn: string): AwsError {
  const message = `User is not authorized to perform: sqs:${action} on resource: ${arn}`
  return new AwsError({ type: 'AccessDeniedException', code: 'AccessDenied', status: 403, message })
}

const batchMessages = {
  EmptyBatchRequest: 'There should be at least one entry in the request.',
  BatchEntryIdsNotDistinct: '',
  InvalidBatchEntryId:
    'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
  TooManyEntriesInBatchRequest: '',
  BatchRequestTooLong: '',
} as const

export function batchError(type: keyof typeof batchMessages, message: string = batchMessages[type]): AwsError {
  return new AwsError({ type, code: `${SERVICE}${type}`, message })
}

/** Why the broker did not take a message. */
export function refusalError(reason: RefusalReason): AwsError {
  switch (reason) {
    case 'no-such-queue':
      return queueDoesNotExist()
    case 'too-large':
      return invalidParameter('One or more parameters are invalid. Reason: Message is larger than the server takes.')
    case 'group-required':
      return missingParameter('MessageGroupId')
    case 'queue-full':
      return overLimit('The queue is at its lengthMax and its policy refuses more.')
    case 'disk-full':
      return unavailable('The disk has no room for new messages; receiving and deleting go on.')
    case 'id-in-use':
      return internal('A message could not be given an id.')
    default:
      return reason satisfies never
  }
}

/** The broker's faults; undefined: nothing that a client should be told of, so the entry logs it. */
export function faultError(fault: unknown): AwsError | undefined {
  if (!(fault instanceof SpindleError)) return undefined
  switch (fault.code) {
    case 'no-such-queue':
      return queueDoesNotExist()
    case 'invalid-argument':
      return invalidParameter(fault.message)
    case 'too-large':
      return invalidParameter('One or more parameters are invalid. Reason: Message is larger than the server takes.')
    case 'overloaded':
      return requestThrottled()
    case 'disk-full':
      return unavailable('The disk has no room for new messages; receiving and deleting go on.')
    default:
      return isUnavailable(fault.code) ? unavailable('The service is shutting down or restarting.') : undefined
  }
}

function unavailable(message: string): AwsError {
  return new AwsError({ type: 'ServiceUnavailable', status: 503, message })
}

function internal(message: string): AwsError {
  return new AwsError({ type: 'InternalError', status: 500, message })
}

/** Values come from clients: cut, so that an answer stays an answer. */
function shown(value: unknown): string {
  const text = String(value)
  return text.length > 1_100 ? `${text.slice(0, 1_100)}…` : text
}
