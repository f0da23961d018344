/**
 * RabbitMQ's policies: arguments for every queue or exchange whose name matches a pattern. Of those that match, the one with the highest
 * priority counts (of equals, the first by name), and it alone. What a queue was declared with goes before it; of two numbers the smaller
 * one counts.
 */
import { SpindleError } from '../../../model/errors.ts'
import { type FieldTable, type FieldValue, fieldOf } from '../../../wire/amqp/field-table.ts'
import { type QueueDefinition, wholeOf } from '../queue-arguments.ts'

export interface Policy {
  readonly vhost: string
  readonly name: string
  readonly pattern: string
  readonly applyTo: PolicyTarget
  readonly priority: number
  readonly definition: Readonly<Record<string, string | number>>
}

export type PolicyTarget = 'all' | 'queues' | 'classic_queues' | 'quorum_queues' | 'exchanges'

export const policyTargets: readonly PolicyTarget[] = ['all', 'queues', 'classic_queues', 'quorum_queues', 'exchanges']

type Kind = 'number' | 'text'

/** What a policy may say that has an effect. Those of queues become the argument with `x-` before it. */
export const policyKeys: Readonly<Record<string, Kind>> = {
  'message-ttl': 'number',
  expires: 'number',
  'max-length': 'number',
  'max-length-bytes': 'number',
  'delivery-limit': 'number',
  overflow: 'text',
  'dead-letter-exchange': 'text',
  'dead-letter-routing-key': 'text',
  'alternate-exchange': 'text',
}

/** Kept and given back, without an effect: they say where RabbitMQ's nodes keep a queue. */
export const inertPolicyKeys: ReadonlySet<string> = new Set([
  'ha-mode',
  'ha-params',
  'ha-promote-on-failure',
  'ha-promote-on-shutdown',
  'ha-sync-batch-size',
  'ha-sync-mode',
  'queue-master-locator',
  'queue-mode',
  'queue-version',
])

const OVERFLOWS = ['drop-head', 'reject-publish', 'reject-publish-dlx']
const ALTERNATE = 'alternate-exchange'

/** Throws `invalid-argument`, which names the key. */
export function checkPolicyDefinition(value: unknown): Policy['definition'] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('definition must be an object')
  const entries = Object.entries(value)
  if (entries.length === 0) throw wrong('definition must say something')
  const checked: Record<string, string | number> = Object.create(null)
  for (const [key, said] of entries) {
    const kind = Object.hasOwn(policyKeys, key) ? policyKeys[key] : undefined
    if (kind === undefined && !inertPolicyKeys.has(key)) {
      throw wrong(`definition.${key} is not supported; known are ${Object.keys(policyKeys).join(', ')}`)
    }
    if (kind === 'number' && !(Number.isSafeInteger(said) && said >= 0))
      throw wrong(`definition.${key} must be a whole number`)
    if (kind === 'text' && typeof said !== 'string') throw wrong(`definition.${key} must be text`)
    if (key === 'overflow' && !OVERFLOWS.includes(said))
      throw wrong(`definition.overflow must be one of ${OVERFLOWS.join(', ')}`)
    if (key === 'expires' && said === 0) throw wrong('definition.expires must be above 0')
    checked[key] = typeof said === 'number' || typeof said === 'string' ? said : JSON.stringify(said)
  }
  return checked
}

/** What the queue is by its declaration and this policy together. */
export function underPolicy(definition: QueueDefinition, policy: Policy | undefined): QueueDefinition {
  if (policy === undefined) return definition
  const args = new Map<string, FieldValue>(definition.arguments)
  for (const [key, said] of Object.entries(policy.definition)) {
    if (!Object.hasOwn(policyKeys, key) || key === ALTERNATE) continue
    const name = `x-${key}`
    const declared = args.get(name)
    // A routing key belongs to the exchange that it was said with.
    if (key === 'dead-letter-routing-key' && definition.arguments.has('x-dead-letter-exchange')) continue
    const own = wholeOf(declared)
    if (declared === undefined || (typeof said === 'number' && own !== undefined && said < own))
      args.set(name, fieldOf(said))
  }
  return { ...definition, arguments: args }
}

/** The alternate exchange of an exchange, by its declaration or else by this policy; as clients name it. */
export function alternateUnder(args: FieldTable, policy: Policy | undefined): string | undefined {
  const declared = args.get(ALTERNATE)
  if (declared?.type === 'S') return Buffer.from(declared.value).toString('utf8')
  const said = policy?.definition[ALTERNATE]
  return typeof said === 'string' ? said : undefined
}

export function appliesTo({ applyTo }: Policy, kind: 'classic' | 'quorum' | 'exchange'): boolean {
  if (applyTo === 'all') return true
  if (kind === 'exchange') return applyTo === 'exchanges'
  return applyTo === 'queues' || applyTo === `${kind}_queues`
}

function wrong(what: string): SpindleError {
  return new SpindleError('invalid-argument', what)
}
