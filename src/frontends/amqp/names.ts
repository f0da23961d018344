/**
 * AMQP's names in the one namespace of the store. The virtual host `/` has plain names, so that its queue `x` is the queue `x` of SQS
 * and of the embedded API; others are `vhost:NAME/x`, with NAME percent-encoded, so that no two pairs meet in one name.
 */
import { AmqpFault } from './fault.ts'

export const DEFAULT_VHOST = '/'
const PREFIX = 'vhost:'

/** Throws ACCESS_REFUSED for a name in `/` that would reach into another virtual host. */
export function storeName(vhost: string, name: string): string {
  if (vhost !== DEFAULT_VHOST) return `${PREFIX}${encodeURIComponent(vhost)}/${name}`
  if (name.startsWith(PREFIX)) throw new AmqpFault(403, `name '${name}' contains reserved prefix '${PREFIX}*'`)
  return name
}

/** The virtual host and name that a stored name has. */
export function wireName(stored: string): { readonly vhost: string; readonly name: string } {
  if (!stored.startsWith(PREFIX)) return { vhost: DEFAULT_VHOST, name: stored }
  const slash = stored.indexOf('/')
  if (slash < 0) return { vhost: DEFAULT_VHOST, name: stored }
  return { vhost: decoded(stored.slice(PREFIX.length, slash)), name: stored.slice(slash + 1) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Names that only the broker gives. `what`: queue or exchange. */
export function refuseReserved(what: 'queue' | 'exchange', name: string): void {
  if (name.startsWith('amq.')) throw new AmqpFault(403, `${what} name '${name}' contains reserved prefix 'amq.*'`)
}
