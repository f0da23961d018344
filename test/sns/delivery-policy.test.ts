import { describe, expect, it } from 'vitest'
import {
  defaultRetryPolicy,
  type RetryPolicy,
  readDeliveryPolicy,
  retryDelayMs,
} from '../../src/frontends/sns/delivery-policy.ts'

function delays(policy: Partial<RetryPolicy>): number[] {
  const found: number[] = []
  for (let number = 1; ; number++) {
    const delayMs = retryDelayMs({ ...defaultRetryPolicy, ...policy }, number)
    if (delayMs === undefined) return found
    found.push(Math.round(delayMs / 1_000))
  }
}

describe('retries of a delivery', () => {
  it('are three after twenty seconds each, unless told otherwise', () => {
    expect(delays({})).toEqual([20, 20, 20])
  })

  it('pass through the phases in order', () => {
    const phases = { numRetries: 9, numNoDelayRetries: 2, numMinDelayRetries: 2, numMaxDelayRetries: 2 }
    expect(delays({ ...phases, minDelayTarget: 10, maxDelayTarget: 30 })).toEqual([0, 0, 10, 10, 10, 20, 30, 30, 30])
  })

  it.each(['linear', 'arithmetic', 'geometric', 'exponential'] as const)(
    'grow from least to most: %s',
    (backoffFunction) => {
      const grown = delays({ numRetries: 10, minDelayTarget: 1, maxDelayTarget: 100, backoffFunction })
      expect(grown).toHaveLength(10)
      expect([grown[0], grown[9]]).toEqual([1, 100])
      expect(grown).toEqual(grown.toSorted((a, b) => a - b))
    },
  )
})

describe('a delivery policy', () => {
  it('is read of a subscription and of a topic', () => {
    const own = readDeliveryPolicy(
      '{"healthyRetryPolicy":{"numRetries":5},"throttlePolicy":{"maxReceivesPerSecond":7},"requestPolicy":{"headerContentType":"application/json"}}',
      'DeliveryPolicy',
    )
    expect(own).toMatchObject({ retry: { numRetries: 5 }, maxReceivesPerSecond: 7, contentType: 'application/json' })
    const shared = readDeliveryPolicy('{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":2}}}', 'DeliveryPolicy')
    expect(shared.retry).toMatchObject({ minDelayTarget: 2, maxDelayTarget: 20 })
  })

  it.each([
    ['no json', 'failed to parse JSON'],
    ['[]', 'failed to parse JSON'],
    ['{"healthyRetryPolicy":[]}', 'failed to parse JSON'],
    ['{"healthyRetryPolicy":{"numRetries":1.5}}', 'whole number from 0 to 100'],
    ['{"healthyRetryPolicy":{"minDelayTarget":30}}', 'must not exceed maxDelayTarget'],
    ['{"healthyRetryPolicy":{"numRetries":1,"numNoDelayRetries":2}}', 'at least the retries of its phases'],
    ['{"throttlePolicy":{"maxReceivesPerSecond":0}}', 'greater than or equal to 1'],
    ['{"requestPolicy":{"headerContentType":"text/plain\\r\\nX: y"}}', 'is not a media type'],
  ])('%s is none', (text, why) => {
    expect(() => readDeliveryPolicy(text, 'DeliveryPolicy')).toThrow(why)
  })
})
