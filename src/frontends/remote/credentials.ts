/** Who greets: the `auth` of a greeting's facts, judged against the users of the store. */
import type { Credentials, Users } from '../../broker/users.ts'
import type { Identity } from '../../model/access.ts'
import { SpindleError } from '../../model/errors.ts'
import type { Facts } from '../../wire/remote/frame.ts'

/** Asked again and again while a connection lasts; undefined: the account is gone, or no longer opened by what opened it. */
export type StandingIdentity = () => Identity | undefined

/** `from`: the address, whose failures are counted. Rejects `not-authenticated`, or `overloaded` after too many failures. */
export async function authenticate(
  facts: Facts,
  { users, from }: { readonly users: Users; readonly from: string },
): Promise<StandingIdentity> {
  const credentials = credentialsOf(facts['auth'])
  const proven = credentials === undefined ? undefined : await users.logIn(credentials, from)
  if (proven === undefined) throw new SpindleError('not-authenticated', 'connect')
  const { identity, proof } = proven
  return () => users.stillProven(identity.name, proof)
}

function credentialsOf(auth: unknown): Credentials | undefined {
  const { token, user, password } = (auth ?? {}) as Readonly<Record<string, unknown>>
  if (typeof token === 'string') return { kind: 'token', token }
  if (typeof user === 'string' && typeof password === 'string') return { kind: 'password', name: user, password }
  return undefined
}
