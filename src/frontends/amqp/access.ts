/** Permissions, in RabbitMQ's words. Resources are the names in the store. */
import type { Identity } from '../../model/access.ts'
import { AmqpFault, resource } from './fault.ts'

/** Throws ACCESS_REFUSED. `stored`: the name in the store; `name`: as the client said it. */
export function checkAccess(
  identity: Identity,
  verb: 'configure' | 'write' | 'read',
  kind: 'queue' | 'exchange',
  stored: string,
  name: string,
  vhost: string,
): void {
  if (identity.may(verb, stored)) return
  throw new AmqpFault(403, `access to ${resource(kind, name, vhost)} refused for user '${identity.name}'`)
}
