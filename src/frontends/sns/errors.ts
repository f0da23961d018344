/**
 * SNS's errors: class, code and status as the service's model has them, messages as the service words them. `refusalError` and
 * `faultError` are the one place where the broker's words become AWS's.
 */
import { isUnavailable, SpindleError } from '../../model/errors.ts'
import type { RefusalReason } from '../../model/message.ts'
import { AwsError } from '../../wire/aws/error.ts'

/** `Invalid parameter: …` */
export function invalidParameter(what: string): AwsError {
  return new AwsError({
    type: 'InvalidParameterException',
    code: 'InvalidParameter',
    message: `Invalid parameter: ${shown(what)}`,
  })
}

/** `Invalid parameter: NAME Reason: WHY` */
export function invalidBecause(name: string, why: string): AwsError {
  return invalidParameter(`${name} Reason: ${why}`)
}

/** A message attribute's value. */
export function invalidValue(message: string): AwsError {
  return new AwsError({
    type: 'InvalidParameterValueException',
    code: 'ParameterValueInvalid',
    message: shown(message),
  })
}

export function missing(name: string): AwsError {
  const problem = `Value null at '${name.charAt(0).toLowerCase()}${name.slice(1)}' failed to satisfy constraint`
  return new AwsError({
    type: 'ValidationError',
    message: `1 validation error detected: ${problem}: Member must not be null`,
  })
}

export function validation(message: string): AwsError {
  return new AwsError({ type: 'ValidationException', message: shown(message) })
}

export function notFound(what: 'Topic' | 'Subscription' | 'PlatformApplication' | 'Endpoint'): AwsError {
  return new AwsError({ type: 'NotFoundException', code: 'NotFound', status: 404, message: `${what} does not exist` })
}

export function resourceNotFound(message: string): AwsError {
  return new AwsError({ type: 'ResourceNotFoundException', code: 'ResourceNotFound', status: 404, message })
}

export function notAuthorized(action: string, arn: string, name: string): AwsError {
  const message = `User: ${name} is not authorized to perform: SNS:${action} on resource: ${arn}`
  return new AwsError({ type: 'AuthorizationErrorException', code: 'AuthorizationError', status: 403, message })
}

export function tagLimit(): AwsError {
  const message = 'Could not complete request: tag quota of per resource exceeded'
  return new AwsError({ type: 'TagLimitExceededException', code: 'TagLimitExceeded', message })
}

export function endpointDisabled(): AwsError {
  return new AwsError({ type: 'EndpointDisabledException', code: 'EndpointDisabled', message: 'Endpoint is disabled' })
}

export function applicationDisabled(): AwsError {
  const message = 'Platform application is disabled'
  return new AwsError({ type: 'PlatformApplicationDisabledException', code: 'PlatformApplicationDisabled', message })
}

export function optedOut(number: string): AwsError {
  return new AwsError({
    type: 'OptedOutException',
    code: 'OptedOut',
    message: `${number} is opted out of SMS messages`,
  })
}

export function verificationFailed(message: string): AwsError {
  return new AwsError({ type: 'VerificationException', message })
}

export function userError(message: string): AwsError {
  return new AwsError({ type: 'UserErrorException', code: 'UserError', message })
}

const batchMessages = {
  EmptyBatchRequest: "The batch request doesn't contain any entries.",
  BatchEntryIdsNotDistinct: 'Two or more batch entries in the request have the same Id.',
  InvalidBatchEntryId: "The Id of a batch entry in a batch request doesn't abide by the specification.",
  TooManyEntriesInBatchRequest: 'The batch request contains more entries than permissible.',
  BatchRequestTooLong: 'The length of all the messages put together is more than the limit.',
} as const

export function batchError(code: keyof typeof batchMessages): AwsError {
  return new AwsError({ type: `${code}Exception`, code, message: batchMessages[code] })
}

export function unavailable(message: string): AwsError {
  return new AwsError({ type: 'ServiceUnavailable', status: 503, message })
}

/** Why the broker did not take a message that the publisher must hear of; undefined: a matter of one subscriber. */
export function refusalError(reason: RefusalReason): AwsError | undefined {
  switch (reason) {
    case 'disk-full':
      return unavailable('The disk has no room for new messages; receiving and deleting go on.')
    case 'no-such-queue':
    case 'queue-full':
    case 'too-large':
    case 'group-required':
    case 'id-in-use':
      return undefined
    default:
      return reason satisfies never
  }
}

/** The broker's faults; undefined: nothing that a client should be told of, so the entry logs it. */
export function faultError(fault: unknown): AwsError | undefined {
  if (!(fault instanceof SpindleError)) return undefined
  switch (fault.code) {
    case 'no-such-exchange':
      return notFound('Topic')
    case 'invalid-argument':
      return invalidParameter(fault.message)
    case 'overloaded':
      return new AwsError({ type: 'ThrottledException', code: 'Throttled', status: 429, message: 'Rate exceeded' })
    case 'disk-full':
      return refusalError('disk-full')
    default:
      return isUnavailable(fault.code) ? unavailable('The service is shutting down or restarting.') : undefined
  }
}

/** Values come from clients: cut, so that an answer stays an answer. */
export function shown(text: string): string {
  return text.length > 1_100 ? `${text.slice(0, 1_100)}…` : text
}
