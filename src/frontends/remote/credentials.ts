/** Who greets: the `auth` of a greeting's facts, judged against the users of the store. */
import type { Users } from '../../broker/users.ts'
import { type Identity, identityOf } from '../../model/access.ts'
import { SpindleError } from '../../model/errors.ts'
import type { Facts } from '../../wire/remote/frame.ts'

/** Asked again and again while a connection lasts; undefined: the account is gone, or no longer opened by this. */
export type StandingIdentity = () => Identity | undefined

/** Rejects `not-authenticated`, or `overloaded` while too many passwords are being checked. */
export async function authenticate(facts: Facts, users: Users): Promise<StandingIdentity> {
  const { token, user, password } = (facts['auth'] ?? {}) as Readonly<Record<string, unknown>>
  if (typeof token === 'string') {
    const standing = (): Identity | undefined => users.withToken(token)
    if (standing() !== undefined) return standing
  } else if (typeof user === 'string' && typeof password === 'string') {
    if ((await users.withPassword(user, password)) !== undefined) {
      return () => {
        const view = users.find(user)
        return view?.hasPassword === true ? identityOf(view) : undefined
      }
    }
  }
  throw new SpindleError('not-authenticated', 'connect')
}
