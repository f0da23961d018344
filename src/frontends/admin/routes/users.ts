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
  {
    method: 'DELETE',
    path: '/users/:user/tokens/:token',
    async answer({ name, need }, { users }) {
      need('admin', EVERYTHING)
      if (await users.removeToken(name('user'), name('token'))) return NO_CONTENT
      throw new SpindleError('not-found', `remove token '${name('token')}' of '${name('user')}'`)
    },
  },
  {
    method: 'DELETE',
    path: '/users/:user/access-keys/:key',
    async answer({ name, need }, { users }) {
      need('admin', EVERYTHING)
      if (await users.removeAccessKey(name('user'), name('key'))) return NO_CONTENT
      throw new SpindleError('not-found', `remove access key '${name('key')}' of '${name('user')}'`)
    },
  },
]
