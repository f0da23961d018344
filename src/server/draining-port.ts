/** The port that front ends get: the same one, but waits can be ended before it is closed, so that long polls are answered and the rest goes on. */
import type { Port, ReceiveRequest } from '../broker/port.ts'
import type { Delivery } from '../model/message.ts'

export interface DrainingPort {
  readonly port: Port
  /** Receives that wait answer []; from now on none waits. Idempotent. */
  endWaits(): void
}

export function drainingPort(port: Port): DrainingPort {
  const waits = new Set<AbortController>()
  let ended = false

  const receive = (request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]> => {
    if (ended || (request.waitMs ?? 0) === 0) {
      return port.receive(request.waitMs === undefined ? request : { ...request, waitMs: 0 }, signal)
    }
    const wait = new AbortController()
    const hungUp = (): void => wait.abort()
    signal?.addEventListener('abort', hungUp, { once: true })
    if (signal?.aborted === true) hungUp()
    waits.add(wait)
    return port.receive(request, wait.signal).finally(() => {
      waits.delete(wait)
      signal?.removeEventListener('abort', hungUp)
    })
  }

  return {
    port: withReceive(port, receive),
    endWaits() {
      ended = true
      for (const wait of waits) wait.abort()
    },
  }
}

function withReceive(port: Port, receive: Port['receive']): Port {
  return {
    receive,
    // Never waits, so there is nothing to end; and it comes and goes with the ownership of the folder.
    get direct() {
      return port.direct
    },
    declareQueue: (queue, policy, options) => port.declareQueue(queue, policy, options),
    deleteQueue: (queue, options) => port.deleteQueue(queue, options),
    declareExchange: (exchange, settings, options) => port.declareExchange(exchange, settings, options),
    deleteExchange: (exchange, options) => port.deleteExchange(exchange, options),
    putBinding: (binding, options) => port.putBinding(binding, options),
    removeBinding: (exchange, id, options) => port.removeBinding(exchange, id, options),
    listExchanges: (exchanges) => port.listExchanges(exchanges),
    append: (queue, messages) => port.append(queue, messages),
    publish: (exchange, messages) => port.publish(exchange, messages),
    match: (exchange, messages) => port.match(exchange, messages),
    deliver: (units) => port.deliver(units),
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
    listen: (channel, heard) => port.listen(channel, heard),
    close: () => port.close(),
  }
}
