/** Declares what the management API is told to, by the rules of the protocol's own methods. */
import { bindingId, type ExchangeKind } from '../../broker/port.ts'
import { isFault, SpindleError } from '../../model/errors.ts'
import type { FieldTable } from '../../wire/amqp/field-table.ts'
import { textOf } from '../../wire/amqp/field-table.ts'
import { bindingWords } from '../amqp/binding-words.ts'
import {
  type ExchangeDefinition,
  encodeQueue,
  exchangeAttributes,
  exchangeDefinition,
  queueKey,
  readQueue,
} from '../amqp/definitions.ts'
import { DELAYED_TYPE, EXCHANGES_CHANGED, predeclaredKind } from '../amqp/exchanges.ts'
import { AmqpFault, preconditionFailed, resource } from '../amqp/fault.ts'
import { QUEUE_DELETED } from '../amqp/hub.ts'
import { refuseReserved, storeName, wireName } from '../amqp/names.ts'
import { alternateUnder, underPolicy } from '../amqp/policies/policy.ts'
import {
  checkEquivalent,
  checkQueueArguments,
  lifetimeOf,
  PLAIN_DEFINITION,
  type QueueDefinition,
  queuePolicy,
} from '../amqp/queue-arguments.ts'
import { badRequest, notFound } from './fault.ts'
import type { ManagementParts } from './route.ts'

export interface Place {
  readonly vhost: string
  readonly name: string
}

const kinds: readonly ExchangeKind[] = ['direct', 'fanout', 'topic', 'headers']

/** true: it was made now; false: it was there, the same. Throws PRECONDITION_FAILED where it differs. */
export async function declareQueue(
  { port, policies }: ManagementParts,
  { vhost, name }: Place,
  wanted: Omit<QueueDefinition, 'owner'>,
): Promise<boolean> {
  if (name === '') throw badRequest('a queue needs a name')
  if (!name.startsWith('amq.gen-')) refuseReserved('queue', name)
  const stored = storeName(vhost, name)
  const definition: QueueDefinition = { ...wanted, owner: undefined }
  checkQueueArguments(name, vhost, definition.arguments)
  const { version } = policies
  const ruled = underPolicy(definition, await policies.forQueue(stored, definition))
  try {
    await port.declareQueue(stored, queuePolicy(vhost, ruled), {
      expect: 'absent',
      lifetime: lifetimeOf(ruled),
      records: [{ key: queueKey(stored), value: encodeQueue(definition) }],
    })
    if (version !== policies.version) await policies.apply(stored)
    return true
  } catch (fault) {
    if (!isFault(fault, 'queue-exists')) throw fault
    checkEquivalent(name, vhost, definition, (await readQueue(port, stored)) ?? PLAIN_DEFINITION)
    return false
  }
}

/** false: there was none. Throws PRECONDITION_FAILED. */
export async function deleteQueue(
  { port, registry }: ManagementParts,
  stored: string,
  { ifEmpty = false, ifUnused = false }: { readonly ifEmpty?: boolean; readonly ifUnused?: boolean } = {},
): Promise<boolean> {
  const { vhost, name } = wireName(stored)
  const isUsed = registry
    ?.connections()
    .some(({ channels }) => channels.some(({ consumers }) => consumers.some(({ queue }) => queue === stored)))
  if (ifUnused && isUsed === true) throw preconditionFailed(`${resource('queue', name, vhost)} in use`)
  try {
    const records = [{ key: queueKey(stored), value: null }]
    const deleted = await port.deleteQueue(stored, { ...(ifEmpty ? { ifEmpty } : {}), records })
    if (deleted) port.announce(QUEUE_DELETED, Buffer.from(stored))
    port.announce(EXCHANGES_CHANGED, new Uint8Array(0))
    return deleted
  } catch (fault) {
    if (!isFault(fault, 'queue-not-empty')) throw fault
    throw preconditionFailed(`${resource('queue', name, vhost)} not empty`)
  }
}

export type WantedExchange = Omit<ExchangeDefinition, 'kind'>

/** How an exchange of this type routes. Throws for a type that is not known. */
export function kindOf({ type, arguments: args }: Pick<WantedExchange, 'type' | 'arguments'>): ExchangeKind {
  const kind = type === DELAYED_TYPE ? textOf(args.get('x-delayed-type')) : type
  const known = kinds.find((one) => one === kind)
  if (known === undefined) throw badRequest(`unknown exchange type '${kind ?? type}'`)
  return known
}

/** true: it was made now. Throws PRECONDITION_FAILED where one that is there differs. */
export async function declareExchange(
  { port, policies }: ManagementParts,
  { vhost, name }: Place,
  wanted: WantedExchange,
): Promise<boolean> {
  const { arguments: args } = wanted
  const kind = kindOf(wanted)
  if (name === '') throw new AmqpFault(403, 'operation not permitted on the default exchange')
  if (predeclaredKind(name) === undefined) refuseReserved('exchange', name)
  const stored = storeName(vhost, name)
  const definition: ExchangeDefinition = { ...wanted, kind }
  const alternate = alternateUnder(args, await policies.forExchange(stored))
  try {
    await port.declareExchange(
      stored,
      {
        kind: definition.kind,
        autoDelete: definition.autoDelete,
        alternate: alternate === undefined ? null : storeName(vhost, alternate),
        attributes: exchangeAttributes(definition),
      },
      { expect: 'absent' },
    )
  } catch (fault) {
    if (!isFault(fault, 'exchange-exists')) throw fault
    const [there] = await port.listExchanges([stored])
    if (there !== undefined) checkSameExchange({ vhost, name }, definition, exchangeDefinition(there.settings))
    return false
  }
  port.announce(EXCHANGES_CHANGED, new Uint8Array(0))
  return true
}

function checkSameExchange({ vhost, name }: Place, wanted: ExchangeDefinition, current: ExchangeDefinition): void {
  for (const field of ['type', 'durable', 'autoDelete', 'internal'] as const) {
    if (wanted[field] === current[field]) continue
    const arg = field === 'autoDelete' ? 'auto_delete' : field
    const which = `inequivalent arg '${arg}' for ${resource('exchange', name, vhost)}`
    throw preconditionFailed(`${which}: received '${wanted[field]}' but current is '${current[field]}'`)
  }
}

export interface WantedBinding {
  readonly vhost: string
  readonly source: string
  readonly target: { readonly kind: 'queue' | 'exchange'; readonly name: string }
  readonly routingKey: string
  readonly arguments: FieldTable
}

/** Throws 404 when one of the ends is not there. */
export async function putBinding(parts: ManagementParts, wanted: WantedBinding): Promise<void> {
  const { port } = parts
  const { vhost, source, target, routingKey, arguments: args } = wanted
  const from = await existingExchange(parts, { vhost, name: source })
  if (target.kind === 'exchange') await existingExchange(parts, { vhost, name: target.name })
  const stored = storeName(vhost, target.name)
  const words = bindingWords({ kind: target.kind, name: stored }, routingKey, args, from.kind)
  try {
    await port.putBinding({ exchange: storeName(vhost, source), id: bindingId(words), ...words })
  } catch (fault) {
    if (fault instanceof SpindleError && fault.code.startsWith('no-such')) throw notFound()
    throw fault
  }
}

/** Makes `amq.direct` and its like when they are first meant. Throws 404, or ACCESS_REFUSED for the default exchange. */
export async function existingExchange(parts: ManagementParts, { vhost, name }: Place): Promise<ExchangeDefinition> {
  if (name === '') throw new AmqpFault(403, 'operation not permitted on the default exchange')
  const stored = storeName(vhost, name)
  const [view] = await parts.port.listExchanges([stored])
  if (view !== undefined) return exchangeDefinition(view.settings)
  const kind = predeclaredKind(name)
  if (kind === undefined) throw notFound()
  const wanted = { type: kind, durable: true, autoDelete: false, internal: false, arguments: new Map() }
  await declareExchange(parts, { vhost, name }, wanted)
  return { ...wanted, kind }
}
