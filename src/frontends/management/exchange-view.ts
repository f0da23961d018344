/** Exchanges as RabbitMQ's management API shows them, with those that are there without being declared. */
import type { ExchangeView, Port } from '../../broker/port.ts'
import { EMPTY_TABLE } from '../../wire/amqp/field-table.ts'
import { exchangeDefinition } from '../amqp/definitions.ts'
import { predeclaredKind, predeclaredNames } from '../amqp/exchanges.ts'
import { storeName, wireName } from '../amqp/names.ts'
import { tableToJson } from './field-json.ts'

const plain = { durable: true, auto_delete: false, internal: false, arguments: tableToJson(EMPTY_TABLE) }

function predeclared(vhost: string, name: string) {
  return { name, vhost, type: predeclaredKind(name) ?? 'direct', ...plain, user_who_performed_action: 'rmq-internal' }
}

export function exchangeView({ exchange, settings }: Pick<ExchangeView, 'exchange' | 'settings'>) {
  const { vhost, name } = wireName(exchange)
  const { type, durable, autoDelete, internal, arguments: args } = exchangeDefinition(settings)
  return {
    name,
    vhost,
    type,
    durable,
    auto_delete: autoDelete,
    internal,
    arguments: tableToJson(args),
    user_who_performed_action: '',
  }
}

/** Those of these virtual hosts, the default exchange (named '') and the `amq.` ones first. */
export async function exchangeViews(port: Port, vhosts: readonly string[]) {
  const stored = (await port.listExchanges()).map(exchangeView)
  return vhosts.flatMap((vhost) => {
    const here = stored.filter((exchange) => exchange.vhost === vhost)
    const missing = predeclaredNames.filter((name) => here.every((exchange) => exchange.name !== name))
    return [predeclared(vhost, ''), ...missing.map((name) => predeclared(vhost, name)), ...here]
  })
}

/** undefined: there is none. */
export async function exchangeViewOf(port: Port, vhost: string, name: string) {
  const [view] = name === '' ? [] : await port.listExchanges([storeName(vhost, name)])
  if (view !== undefined) return exchangeView(view)
  return name === '' || predeclaredKind(name) !== undefined ? predeclared(vhost, name) : undefined
}
