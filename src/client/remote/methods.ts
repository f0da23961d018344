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
  step,
  text,
  texts,
  transactOptions,
} from './arguments.ts'

type Args = readonly unknown[]
/** `receive` is not among them: the connection answers it itself, because it may be cancelled and must not be lost. */
type Method = Exclude<keyof Port, 'receive' | 'announce' | 'listen' | 'close'>

const table: { readonly [M in Method]: (port: Port, args: Args) => ReturnType<Port[M]> } = {
  declareQueue: (port, [queue, fields]) => port.declareQueue(text(queue, 'queue'), policy(fields)),
  deleteQueue: (port, [queue]) => port.deleteQueue(text(queue, 'queue')),
  declareTopic: (port, [topic]) => port.declareTopic(text(topic, 'topic')),
  deleteTopic: (port, [topic]) => port.deleteTopic(text(topic, 'topic')),
  bind: (port, [topic, queue]) => port.bind(text(topic, 'topic'), text(queue, 'queue')),
  unbind: (port, [topic, queue]) => port.unbind(text(topic, 'topic'), text(queue, 'queue')),
  listTopics: (port) => port.listTopics(),
  append: (port, [queue, messages]) => port.append(text(queue, 'queue'), newMessages(messages)),
  publish: (port, [topic, messages]) => port.publish(text(topic, 'topic'), newMessages(messages)),
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
