/**
 * Basic authentication over Spindle's users. While none is configured, `guest` with the password `guest` may do everything, from this
 * machine alone, as over AMQP. Passwords are taken as AMQP takes them.
 */
import type { Users } from '../../broker/users.ts'
import type { Identity } from '../../model/access.ts'
import { authenticate, type Peer } from '../amqp/sasl.ts'
import { notAuthorised } from './fault.ts'

/** Tags that let a user in, as in RabbitMQ. */
const tags = ['management', 'policymaker', 'monitoring', 'administrator'] as const
type ManagementTag = (typeof tags)[number]

/** Throws 401. */
export async function signIn(users: Users, peer: Peer, authorization: string | undefined): Promise<Identity> {
  const encoded = /^Basic +([A-Za-z0-9+/=_-]{1,4096})$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) throw notAuthorised('Login failed')
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  const name = text.slice(0, Math.max(0, colon))
  const response = Buffer.from(`\0${name}\0${text.slice(colon + 1)}`)
  const identity = colon < 0 ? undefined : await authenticate(users, peer, 'PLAIN', response)
  if (identity === undefined) throw notAuthorised('Login failed')
  if (!tags.some((tag) => isA(identity, tag))) throw notAuthorised('Not management user')
  return identity
}

/** A user with `admin` on everything is an administrator, with or without the tag. */
export function isA(identity: Identity, tag: ManagementTag): boolean {
  const has = (other: ManagementTag): boolean => identity.tags.includes(other)
  if (has(tag) || has('administrator') || identity.may('admin', '')) return true
  return tag === 'management' && (has('policymaker') || has('monitoring'))
}
