/** Which calls a peer may make, and how each goes from judged arguments to the port. */
import type { Port } from '../../broker/port.ts'
import {
  browseRequest,
  list,
  messageId,
  newMessages,
  number,
  optional,
  policy,
  receipt,
  releaseOptions,
  scanOptions,
  settleRequest,
  text,
  texts,
  transactOptions,
} from './arguments.ts'
import {
  binding,
  declareExchangeOptions,
  declareQueueOptions,
  deleteOptions,
  exchangeSettings,
  publishedMessages,
  queuedMessage,
  redriveRequest,
  withRecords,
} from './exchange-arguments.ts'
import { step } from './steps.ts'

type Args = readonly unknown[]
/** `receive` is not among them: the connection answers it itself, because it may be cancelled and must not be lost. */
type Method = Exclude<keyof Port, 'direct' | 'within' | 'receive' | 'announce' | 'listen' | 'close'>

const table: { readonly [M in Method]: (port: Port, args: Args) => ReturnType<Port[M]> } = {
  declareQueue: (port, [queue, fields, options]) =>
    port.declareQueue(text(queue, 'queue'), policy(fields), optional(options, 'options', declareQueueOptions)),
  deleteQueue: (port, [queue, options]) =>
    port.deleteQueue(text(queue, 'queue'), optional(options, 'options', deleteOptions)),
  declareExchange: (port, [exchange, fields, options]) =>
    port.declareExchange(
      text(exchange, 'exchange'),
      exchangeSettings(fields),
      optional(options, 'options', declareExchangeOptions),
    ),
  deleteExchange: (port, [exchange, options]) =>
    port.deleteExchange(text(exchange, 'exchange'), optional(options, 'options', deleteOptions)),
  putBinding: (port, [put, options]) => port.putBinding(binding(put), optional(options, 'options', withRecords)),
  removeBinding: (port, [exchange, id, options]) =>
    port.removeBinding(text(exchange, 'exchange'), text(id, 'id'), optional(options, 'options', withRecords)),
  listExchanges: (port, [exchanges]) => port.listExchanges(optional(exchanges, 'exchanges', texts)),
  startRedrive: (port, [request]) => port.startRedrive(redriveRequest(request)),
  listRedrives: (port, [source]) => port.listRedrives(optional(source, 'source', text)),
  cancelRedrive: (port, [id]) => port.cancelRedrive(text(id, 'id')),
  append: (port, [queue, messages]) => port.append(text(queue, 'queue'), newMessages(messages)),
  publish: (port, [exchange, messages]) => port.publish(text(exchange, 'exchange'), publishedMessages(messages)),
  match: (port, [exchange, messages]) => port.match(text(exchange, 'exchange'), publishedMessages(messages)),
  deliver: (port, [units]) => port.deliver(list(units, 'units', (unit) => list(unit, 'a unit', queuedMessage))),
  settle: (port, [settlements]) => port.settle(list(settlements, 'settlements', settleRequest)),
  extend: (port, [receipts, leaseMs]) => port.extend(list(receipts, 'receipts', receipt), number(leaseMs, 'leaseMs')),
  transact: (port, [steps, options]) =>
    port.transact(list(steps, 'steps', step), optional(options, 'options', transactOptions)),
  renewHolder: (port, [holder, ttlMs]) => port.renewHolder(text(holder, 'holder'), number(ttlMs, 'ttlMs')),
  releaseHolder: (port, [holder, options]) =>
    port.releaseHolder(text(holder, 'holder'), optional(options, 'options', releaseOptions)),
  find: (port, [id]) => port.find(messageId(id)),
  browse: (port, [request]) => port.browse(browseRequest(request)),
  measure: (port, [queues]) => port.measure(optional(queues, 'queues', texts)),
  purge: (port, [queue]) => port.purge(text(queue, 'queue')),
  read: (port, [key]) => port.read(text(key, 'key')),
  scan: (port, [prefix, options]) => port.scan(text(prefix, 'prefix'), scanOptions(options)),
}

export type PortCall = (port: Port, args: Args) => Promise<unknown>

export const methods: ReadonlyMap<string, PortCall> = new Map<string, PortCall>(Object.entries(table))
