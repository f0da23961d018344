import type { Port } from './port.ts'

/** The same port but for the verbs given. What it does not replace is asked of `port` at each call. */
export function portWith(port: Port, replaced: Partial<Port>): Port {
  return {
    // It comes and goes with the ownership of the folder.
    get direct() {
      return port.direct
    },
    receive: (request, signal) => port.receive(request, signal),
    declareQueue: (queue, policy, options) => port.declareQueue(queue, policy, options),
    deleteQueue: (queue, options) => port.deleteQueue(queue, options),
    declareExchange: (exchange, settings, options) => port.declareExchange(exchange, settings, options),
    deleteExchange: (exchange, options) => port.deleteExchange(exchange, options),
    putBinding: (binding, options) => port.putBinding(binding, options),
    removeBinding: (exchange, id, options) => port.removeBinding(exchange, id, options),
    listExchanges: (exchanges) => port.listExchanges(exchanges),
    append: (queue, messages, options) => port.append(queue, messages, options),
    publish: (exchange, messages, options) => port.publish(exchange, messages, options),
    match: (exchange, messages) => port.match(exchange, messages),
    deliver: (units, options) => port.deliver(units, options),
    settle: (settlements) => port.settle(settlements),
    extend: (receipts, leaseMs) => port.extend(receipts, leaseMs),
    transact: (steps, options) => port.transact(steps, options),
    renewHolder: (holder, ttlMs) => port.renewHolder(holder, ttlMs),
    releaseHolder: (holder, options) => port.releaseHolder(holder, options),
    find: (id) => port.find(id),
    browse: (request) => port.browse(request),
    measure: (queues) => port.measure(queues),
    purge: (queue) => port.purge(queue),
    startRedrive: (request) => port.startRedrive(request),
    listRedrives: (source) => port.listRedrives(source),
    cancelRedrive: (id) => port.cancelRedrive(id),
    read: (key) => port.read(key),
    scan: (prefix, options) => port.scan(prefix, options),
    announce: (channel, data) => port.announce(channel, data),
    listen: (channel, heard, missed) => port.listen(channel, heard, missed),
    close: () => port.close(),
    ...replaced,
  }
}
