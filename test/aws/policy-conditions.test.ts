import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeConditions, type RequestFacts } from '../../src/frontends/aws/policy-conditions.ts'

const facts: RequestFacts = {
  'aws:currenttime': '2026-06-01T12:00:00.000Z',
  'aws:epochtime': '1780315200',
  'aws:principalarn': 'arn:aws:iam::000000000000:user/web',
  'aws:principalaccount': '000000000000',
  'aws:securetransport': 'false',
  'aws:sourceip': '203.0.113.9',
  'aws:sourcearn': null,
  'aws:username': 'web',
}
const topicFacts: RequestFacts = { ...facts, 'aws:sourcearn': 'arn:aws:sns:us-east-1:000000000000:orders' }

describe('conditions of a policy', () => {
  it.each<[object, RequestFacts, boolean | 'unknown']>([
    [{ StringEquals: { 'aws:username': 'web' } }, facts, true],
    [{ StringEquals: { 'AWS:UserName': ['boss', 'web'] } }, facts, true],
    [{ StringEquals: { 'aws:username': 'WEB' } }, facts, false],
    [{ StringEqualsIgnoreCase: { 'aws:username': 'WEB' } }, facts, true],
    [{ StringNotEquals: { 'aws:username': ['boss', 'web'] } }, facts, false],
    [{ StringNotEquals: { 'aws:username': ['boss', 'root'] } }, facts, true],
    [{ StringLike: { 'aws:username': 'w?b*' } }, facts, true],
    [{ StringNotLike: { 'aws:username': 'w*' } }, facts, false],
    [{ StringEquals: { 'aws:username': 'w*' } }, facts, false],
    [{ StringEquals: { 'aws:principalaccount': 0 } }, facts, false],
    [{ Bool: { 'aws:SecureTransport': 'false' } }, facts, true],
    [{ Bool: { 'aws:SecureTransport': true } }, facts, false],
    [{ Bool: { 'aws:SecureTransport': 'maybe' } }, facts, 'unknown'],
    [{ IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '203.0.113.0/24'] } }, facts, true],
    [{ IpAddress: { 'aws:SourceIp': '203.0.113.10' } }, facts, false],
    [{ IpAddress: { 'aws:SourceIp': '::ffff:0:0/96' } }, facts, false],
    [{ IpAddress: { 'aws:SourceIp': '2001:db8::/32' } }, { 'aws:sourceip': '2001:db8::1' }, true],
    [{ IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } }, { 'aws:sourceip': '::ffff:203.0.113.9' }, true],
    [{ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, facts, true],
    [{ NotIpAddress: { 'aws:SourceIp': '203.0.113.0/33' } }, facts, 'unknown'],
    [{ ArnEquals: { 'aws:SourceArn': 'arn:aws:sns:us-east-1:000000000000:orders' } }, topicFacts, true],
    [{ ArnLike: { 'aws:SourceArn': 'arn:aws:sns:*:000000000000:ord*' } }, topicFacts, true],
    [{ ArnLike: { 'aws:SourceArn': 'arn:aws:sns:*:orders' } }, topicFacts, 'unknown'],
    [{ ArnLike: { 'aws:SourceArn': 'arn:aws:sns:*:*:mail' } }, topicFacts, false],
    [{ ArnNotLike: { 'aws:SourceArn': 'arn:aws:sns:*:*:mail' } }, topicFacts, true],
    [{ ArnLike: { 'aws:SourceArn': 'arn:aws:sns:*:*:*' } }, facts, false],
    [{ ArnNotEquals: { 'aws:SourceArn': 'arn:aws:sns:us-east-1:1:a' } }, facts, true],
    [{ ArnEqualsIfExists: { 'aws:SourceArn': 'arn:aws:sns:us-east-1:1:a' } }, facts, true],
    [{ ArnEqualsIfExists: { 'aws:SourceArn': 'arn:aws:sns:us-east-1:1:a' } }, topicFacts, false],
    [{ Null: { 'aws:SourceArn': 'true' } }, facts, true],
    [{ Null: { 'aws:SourceArn': 'true' } }, topicFacts, false],
    [{ Null: { 'aws:SourceArn': false } }, topicFacts, true],
    [{ DateGreaterThan: { 'aws:CurrentTime': '2026-01-01T00:00:00Z' } }, facts, true],
    [{ DateLessThan: { 'aws:CurrentTime': '2026-06-01' } }, facts, false],
    [{ DateLessThanEquals: { 'aws:EpochTime': '1780315200' } }, facts, true],
    [{ DateLessThan: { 'aws:CurrentTime': 'tomorrow' } }, facts, 'unknown'],
    [{ NumericLessThan: { 'aws:EpochTime': 1_780_315_201 } }, facts, true],
    [{ NumericGreaterThanEquals: { 'aws:EpochTime': '1780315201' } }, facts, false],
    [{ NumericNotEquals: { 'aws:EpochTime': '1' } }, facts, true],
    [{ NumericEquals: { 'aws:username': '1' } }, facts, 'unknown'],
    [{ StringEquals: { 'aws:PrincipalOrgID': 'o-1' } }, facts, 'unknown'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable, as IAM writes it
    [{ StringEquals: { 'aws:username': '${aws:username}' } }, facts, 'unknown'],
    [{ 'ForAllValues:StringEquals': { 'aws:username': 'web' } }, facts, 'unknown'],
    [{ toString: { 'aws:username': 'web' } }, facts, 'unknown'],
    [{ StringEquals: { 'aws:username': [] } }, facts, 'unknown'],
    [{ StringEquals: { 'aws:username': { a: 1 } } }, facts, 'unknown'],
    [{ StringEquals: 'web' }, facts, 'unknown'],
    [{}, facts, true],
    // A part that fails decides, whatever else is not known.
    [{ StringEquals: { 'aws:username': 'boss', 'aws:weather': 'fair' } }, facts, false],
    [{ StringEquals: { 'aws:username': 'web', 'aws:weather': 'fair' } }, facts, 'unknown'],
    [{ StringEquals: { 'aws:username': 'web' }, Bool: { 'aws:SecureTransport': 'true' } }, facts, false],
  ])('%j', (condition, about, expected) => {
    expect(judgeConditions(condition, about)).toBe(expected)
  })

  it('of any form are judged without a fault', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom('StringLike', 'IpAddress', 'ArnLike', 'DateEquals', 'Null'),
        (any, name) => {
          expect([true, false, 'unknown']).toContain(judgeConditions(any, facts))
          expect([true, false, 'unknown']).toContain(judgeConditions({ [name]: { 'aws:sourceip': any } }, facts))
        },
      ),
    )
  })
})
