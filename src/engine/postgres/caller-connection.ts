/** What an application hands to `within`: a `pg` Client, one that a Pool lent, or anything with their `query`. */
import { SpindleError } from '../../model/errors.ts'
import type { Connection } from './driver.ts'

export function callerConnection(given: unknown): Connection {
  if (typeof given !== 'object' || given === null || !('query' in given) || typeof given.query !== 'function') {
    throw new SpindleError(
      'invalid-argument',
      'commit within a transaction: it takes a pg client whose transaction is open',
    )
  }
  // A Pool has `query`, too, and runs each statement in a session of its choice.
  if ('totalCount' in given) {
    throw new SpindleError(
      'invalid-argument',
      'commit within a transaction: that is a pool; take a client of it (pool.connect)',
    )
  }
  return given as Connection
}
