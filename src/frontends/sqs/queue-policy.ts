/** SQS's attributes and the store's queue policy: each says what the other means. */
import type { QueuePolicy } from '../../model/policy.ts'
import { FIFO_WINDOW_MS } from './limits.ts'
import { addressOfStoreName, type HomeRealm, queueArn, storeName } from './queue-address.ts'
import { type Attributes, readRedrivePolicy } from './queue-attributes.ts'

/** Policies know no lease of nothing; a message that is received so is there again with the next call. */
const LEASE_MS_MIN = 1

/** What changes with the attributes of a queue. */
export function changingPolicy(attributes: Attributes, home: HomeRealm): Partial<QueuePolicy> {
  const redrive = attributes['RedrivePolicy'] === undefined ? undefined : readRedrivePolicy(attributes['RedrivePolicy'])
  return {
    leaseMs: Math.max(LEASE_MS_MIN, msOf(attributes['VisibilityTimeout'])),
    delayMs: msOf(attributes['DelaySeconds']),
    ttlMs: msOf(attributes['MessageRetentionPeriod']),
    attemptsMax: redrive === undefined ? null : redrive.receiveCountMax,
    onDeath: redrive === undefined ? { kind: 'hold' } : { kind: 'deadLetter', queue: storeName(redrive.target, home) },
  }
}

/** The policy of a queue that SQS creates. */
export function newPolicy(attributes: Attributes, isFifo: boolean, home: HomeRealm): Partial<QueuePolicy> {
  const changing = changingPolicy(attributes, home)
  if (!isFifo) return { ...changing, lateAck: true }
  return {
    ...changing,
    groups: { kind: 'ordered' },
    dedup: { kind: 'window', windowMs: FIFO_WINDOW_MS },
    lateAck: false,
  }
}

/** The attributes as the policy in force has them: another protocol may have changed it, or made the queue. */
export function overlaid(attributes: Attributes, policy: QueuePolicy, home: HomeRealm): Attributes {
  const expected = changingPolicy(attributes, home)
  const inForce: Record<string, string> = { ...attributes }
  if (expected.leaseMs !== policy.leaseMs) inForce['VisibilityTimeout'] = secondsOf(policy.leaseMs)
  if (expected.delayMs !== policy.delayMs) inForce['DelaySeconds'] = secondsOf(policy.delayMs)
  if (expected.ttlMs !== policy.ttlMs && policy.ttlMs !== null) {
    inForce['MessageRetentionPeriod'] = secondsOf(policy.ttlMs)
  }
  if (!isSameRedrive(expected, policy)) {
    const text = redriveText(policy, home)
    if (text === undefined) delete inForce['RedrivePolicy']
    else inForce['RedrivePolicy'] = text
  }
  return inForce
}

function isSameRedrive(expected: Partial<QueuePolicy>, { attemptsMax, onDeath }: QueuePolicy): boolean {
  if (expected.onDeath?.kind !== 'deadLetter') return onDeath.kind !== 'deadLetter'
  const isSameTarget = onDeath.kind === 'deadLetter' && onDeath.queue === expected.onDeath.queue
  return isSameTarget && attemptsMax === expected.attemptsMax
}

function redriveText({ attemptsMax, onDeath }: QueuePolicy, home: HomeRealm): string | undefined {
  const target = onDeath.kind === 'deadLetter' ? addressOfStoreName(onDeath.queue, home) : undefined
  if (target === undefined || attemptsMax === null) return undefined
  return JSON.stringify({ deadLetterTargetArn: queueArn(target), maxReceiveCount: attemptsMax })
}

function msOf(seconds: string | undefined): number {
  return Number(seconds ?? 0) * 1_000
}

function secondsOf(ms: number): string {
  return String(Math.ceil(ms / 1_000))
}
