import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { adminRoutes } from '../../src/frontends/admin/admin-service.ts'

it('lists every route of the admin API, and no other, on its page', () => {
  const page = readFileSync(new URL('../../docs/concepts/admin-api.md', import.meta.url), 'utf8')
  const listed = [...page.matchAll(/^\| `((?:GET|PUT|POST|DELETE) [^`]+)` \|/gm)].map(([, route]) => route)
  expect(listed.sort()).toEqual(adminRoutes.map(({ method, path }) => `${method} ${path}`).sort())
})
