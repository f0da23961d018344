import { SpindleError } from '../../../model/errors.ts'
import { userToPut } from '../orders.ts'
import { NO_CONTENT, ok, type Route } from '../route.ts'

/** Users are a matter of those who may do everything. */
const EVERYTHING = '*'

export const userRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/users',
    async answer({ need }, { users }) {
      need('admin', EVERYTHING)
      return ok({ items: users.list(), next: null })
    },
  },
  {
    method: 'PUT',
    path: '/users/:user',
    async answer({ name, need, body }, { users }) {
      need('admin', EVERYTHING)
      const user = name('user')
      const { newToken = false, newAccessKey = false, ...fields } = userToPut(body)
      const view = await users.put(user, fields)
      // In one call, since the first user closes the door through which it was made.
      const token = newToken ? { token: await users.addToken(user) } : {}
      const accessKey = newAccessKey ? { accessKey: await users.addAccessKey(user) } : {}
      return ok({ ...view, ...token, ...accessKey })
    },
  },
  {
    method: 'DELETE',
    path: '/users/:user',
    async answer({ name, need }, { users }) {
      need('admin', EVERYTHING)
      const user = name('user')
      if (await users.remove(user)) return NO_CONTENT
      throw new SpindleError('no-such-user', `remove '${user}'`)
    },
  },
  {
    method: 'POST',
    path: '/users/:user/tokens',
    async answer({ name, need }, { users }) {
      need('admin', EVERYTHING)
      return { status: 201, body: { token: await users.addToken(name('user')) } }
    },
  },
  {
    method: 'POST',
    path: '/users/:user/access-keys',
    async answer({ name, need }, { users }) {
      need('admin', EVERYTHING)
      return { status: 201, body: await users.addAccessKey(name('user')) }
    },
  },
]
