/**
 * When a delivery over HTTP is tried again: the phases of SNS's delivery policy.
 *
 *   numNoDelayRetries at once | numMinDelayRetries at minDelayTarget | backoff from min to max | numMaxDelayRetries at maxDelayTarget
 *
 * Source: Amazon SNS developer guide, "Message delivery retries".
 */
import { invalidParameter } from './errors.ts'

export interface RetryPolicy {
  /** Seconds, 1 to `maxDelayTarget`. Default 20. */
  readonly minDelayTarget: number
  /** Seconds, up to 3,600. Default 20. */
  readonly maxDelayTarget: number
  /** All phases together, 0 to 100. Default 3. */
  readonly numRetries: number
  /** Default 0. */
  readonly numNoDelayRetries: number
  /** Default 0. */
  readonly numMinDelayRetries: number
  /** Default 0. */
  readonly numMaxDelayRetries: number
  /** Default linear. */
  readonly backoffFunction: 'linear' | 'arithmetic' | 'geometric' | 'exponential'
}

export const defaultRetryPolicy: RetryPolicy = {
  minDelayTarget: 20,
  maxDelayTarget: 20,
  numRetries: 3,
  numNoDelayRetries: 0,
  numMinDelayRetries: 0,
  numMaxDelayRetries: 0,
  backoffFunction: 'linear',
}

const DELAY_SECONDS_MAX = 3_600
const RETRIES_MAX = 100
const backoffs = new Set<unknown>(['linear', 'arithmetic', 'geometric', 'exponential'])

export interface DeliveryPolicy {
  readonly retry: RetryPolicy
  /** Deliveries a second; undefined: as many as there are. */
  readonly maxReceivesPerSecond: number | undefined
  readonly contentType: string | undefined
}

/**
 * Of a subscription (`{ healthyRetryPolicy, throttlePolicy, requestPolicy }`) or a topic (`{ http: { defaultHealthyRetryPolicy, … } }`).
 * Throws `InvalidParameter`, naming `attribute`.
 */
export function readDeliveryPolicy(text: string, attribute: string): DeliveryPolicy {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw invalidParameter(`${attribute}: failed to parse JSON.`)
  }
  const policy = object(parsed, attribute)
  const http = policy['http'] === undefined ? undefined : object(policy['http'], attribute)
  const retry = http === undefined ? policy['healthyRetryPolicy'] : http['defaultHealthyRetryPolicy']
  const throttle = http === undefined ? policy['throttlePolicy'] : http['defaultThrottlePolicy']
  const request = http === undefined ? policy['requestPolicy'] : http['defaultRequestPolicy']
  const rate = optionalObject(throttle, attribute)['maxReceivesPerSecond']
  const contentType = optionalObject(request, attribute)['headerContentType']
  if (rate !== undefined && rate !== null && !(typeof rate === 'number' && rate >= 1)) {
    throw invalidParameter(`${attribute}: throttlePolicy.maxReceivesPerSecond must be greater than or equal to 1`)
  }
  if (
    contentType !== undefined &&
    !(typeof contentType === 'string' && /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:; ?[\w-]+=[\w.-]+)*$/.test(contentType))
  ) {
    throw invalidParameter(`${attribute}: requestPolicy.headerContentType is not a media type`)
  }
  return {
    retry: readRetry(optionalObject(retry, attribute), attribute),
    maxReceivesPerSecond: typeof rate === 'number' ? rate : undefined,
    contentType: typeof contentType === 'string' ? contentType : undefined,
  }
}

function readRetry(given: Readonly<Record<string, unknown>>, attribute: string): RetryPolicy {
  const number = (name: keyof RetryPolicy, min: number, max: number): number => {
    const value = given[name] ?? defaultRetryPolicy[name]
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    throw invalidParameter(`${attribute}: healthyRetryPolicy.${name} must be a whole number from ${min} to ${max}`)
  }
  const backoffFunction = given['backoffFunction'] ?? defaultRetryPolicy.backoffFunction
  if (!backoffs.has(backoffFunction)) {
    throw invalidParameter(
      `${attribute}: healthyRetryPolicy.backoffFunction must be one of ${[...backoffs].join(', ')}`,
    )
  }
  const policy: RetryPolicy = {
    minDelayTarget: number('minDelayTarget', 1, DELAY_SECONDS_MAX),
    maxDelayTarget: number('maxDelayTarget', 1, DELAY_SECONDS_MAX),
    numRetries: number('numRetries', 0, RETRIES_MAX),
    numNoDelayRetries: number('numNoDelayRetries', 0, RETRIES_MAX),
    numMinDelayRetries: number('numMinDelayRetries', 0, RETRIES_MAX),
    numMaxDelayRetries: number('numMaxDelayRetries', 0, RETRIES_MAX),
    backoffFunction: backoffFunction as RetryPolicy['backoffFunction'],
  }
  if (policy.minDelayTarget > policy.maxDelayTarget) {
    throw invalidParameter(`${attribute}: healthyRetryPolicy.minDelayTarget must not exceed maxDelayTarget`)
  }
  if (policy.numNoDelayRetries + policy.numMinDelayRetries + policy.numMaxDelayRetries > policy.numRetries) {
    throw invalidParameter(`${attribute}: healthyRetryPolicy.numRetries must be at least the retries of its phases`)
  }
  return policy
}

/** Milliseconds before retry `number` (1 is the first); undefined: there is none any more. */
export function retryDelayMs(policy: RetryPolicy, number: number): number | undefined {
  const { numRetries, numNoDelayRetries, numMinDelayRetries, numMaxDelayRetries } = policy
  const { minDelayTarget: min, maxDelayTarget: max } = policy
  if (number > numRetries) return undefined
  if (number <= numNoDelayRetries) return 0
  const afterMin = number - numNoDelayRetries - numMinDelayRetries
  if (afterMin <= 0) return min * 1_000
  const between = numRetries - numNoDelayRetries - numMinDelayRetries - numMaxDelayRetries
  if (afterMin > between) return max * 1_000
  return (min + (max - min) * rise(policy.backoffFunction, { step: afterMin, of: between })) * 1_000
}

/** How far from min to max, 0 to 1: even steps, growing ones, or doubling ones. */
function rise(
  backoff: RetryPolicy['backoffFunction'],
  { step, of }: { readonly step: number; readonly of: number },
): number {
  if (of <= 1) return 0
  const part = (step - 1) / (of - 1)
  switch (backoff) {
    case 'linear':
      return part
    case 'arithmetic':
      return (part * (part + 1)) / 2
    case 'geometric':
      return part ** 2
    case 'exponential':
      return (2 ** (part * 8) - 1) / (2 ** 8 - 1)
    default:
      return backoff satisfies never
  }
}

function object(value: unknown, attribute: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw invalidParameter(`${attribute}: failed to parse JSON.`)
}

function optionalObject(value: unknown, attribute: string): Readonly<Record<string, unknown>> {
  return value === undefined || value === null ? {} : object(value, attribute)
}
