/** Bindings as RabbitMQ's management API shows them. */
import { createHash } from 'node:crypto'
import type { Binding, Port } from '../../broker/port.ts'
import { EMPTY_TABLE, type FieldTable } from '../../wire/amqp/field-table.ts'
import { decodeTable, encodeTable } from '../amqp/definitions.ts'
import { wireName } from '../amqp/names.ts'
import { tableToJson } from './field-json.ts'

export interface BindingView {
  readonly source: string
  readonly vhost: string
  readonly destination: string
  readonly destination_type: 'queue' | 'exchange'
  readonly routing_key: string
  readonly arguments: Readonly<Record<string, unknown>>
  readonly properties_key: string
}

export interface FoundBinding {
  readonly binding: Binding
  readonly view: BindingView
}

export function bindingView(binding: Binding): BindingView {
  const { exchange, target, key } = binding
  const amqp = binding.attributes?.['amqp'] as { readonly arguments?: unknown } | undefined
  const args = decodeTable(amqp?.arguments)
  const { vhost, name: source } = wireName(exchange)
  return {
    source,
    vhost,
    destination: wireName(target.name).name,
    destination_type: target.kind,
    routing_key: key,
    arguments: tableToJson(args),
    properties_key: propertiesKey(key, args),
  }
}

/** What tells bindings between the same two apart in a path: the routing key, and a hash of the arguments where there are any. */
export function propertiesKey(key: string, args: FieldTable): string {
  const quoted = encodeURIComponent(key).replaceAll('~', '%7E')
  if (args.size === 0) return quoted === '' ? '~' : quoted
  return `${quoted}~${createHash('sha256').update(encodeTable(args)).digest('base64url').slice(0, 22)}`
}

/** Every binding that somebody made; those of the default exchange are not stored. */
export async function foundBindings(port: Port): Promise<FoundBinding[]> {
  const exchanges = await port.listExchanges()
  return exchanges.flatMap(({ bindings }) => bindings.map((binding) => ({ binding, view: bindingView(binding) })))
}

/** Each queue is bound to the default exchange by its name. */
export function defaultBinding(stored: string): BindingView {
  const { vhost, name } = wireName(stored)
  return {
    source: '',
    vhost,
    destination: name,
    destination_type: 'queue',
    routing_key: name,
    arguments: {},
    properties_key: propertiesKey(name, EMPTY_TABLE),
  }
}
