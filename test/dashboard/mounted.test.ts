/** The dashboard as a fetch handler of an application. */

import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildWeb } from '../../scripts/build-web.ts'
import { type Dashboard, type DashboardAccess, dashboard } from '../../src/dashboard/index.ts'
import { open } from '../../src/index.ts'
import type { Spindle } from '../../src/spindle.ts'

let spindle: Spindle
let mounted: Dashboard
let access: DashboardAccess

beforeEach(async () => {
  if (!existsSync('dist/web/index.html')) await buildWeb('dist/web')
  access = 'all'
  spindle = await open('memory:')
  mounted = await dashboard(spindle, { base: '/admin/queues', access: () => access, allowedHosts: ['shop.example'] })
}, 60_000)
afterEach(async () => {
  mounted.close()
  await spindle.close()
})

const call = (path: string, init?: RequestInit): Promise<Response> =>
  mounted.fetch(new Request(`https://shop.example${path}`, init))

async function token(): Promise<string> {
  return ((await (await call('/admin/queues/api/v1/session')).json()) as { writeToken: string }).writeToken
}

describe('a mounted dashboard', () => {
  it('serves its page below the base, and sends those without the slash there', async () => {
    const page = await call('/admin/queues/')
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<div id="app">')])
    expect((await call('/admin/queues')).headers.get('location')).toBe('/admin/queues/')
    expect((await call('/elsewhere')).status).toBe(404)
  })

  it('reads and writes the store, for pages that know the token', async () => {
    const write = { method: 'PUT', body: '{}', headers: { 'content-type': 'application/json' } }
    const path = '/admin/queues/api/v1/queues/mail'
    expect((await call(path, write)).status).toBe(403)
    const allowed = { ...write, headers: { ...write.headers, 'x-spindle-token': await token() } }
    expect((await call(path, allowed)).status).toBe(200)
    expect(await (await call(path)).json()).toMatchObject({ name: 'mail', ready: 0 })
    const foreign = { ...allowed, headers: { ...allowed.headers, origin: 'https://attacker.example' } }
    expect((await call(path, foreign)).status).toBe(403)
  })

  it('lets the application say who may look and who may act', async () => {
    const sent = { method: 'DELETE', headers: { 'x-spindle-token': await token() } }
    access = 'read'
    expect((await call('/admin/queues/api/v1/queues/mail', sent)).status).toBe(403)
    expect((await call('/admin/queues/api/v1/queues')).status).toBe(200)
    access = null
    expect((await call('/admin/queues/api/v1/queues')).status).toBe(403)
    expect((await call('/admin/queues/')).status).toBe(403)
  })

  it('refuses names that are not its own', async () => {
    expect((await mounted.fetch(new Request('https://attacker.example/admin/queues/'))).status).toBe(403)
  })

  it('streams figures, and ends the stream when it closes', async () => {
    const response = await call('/admin/queues/api/v1/events')
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const { value } = await reader.read()
    expect(Buffer.from(value ?? []).toString()).toMatch(/^event: stats\ndata: \{"atMs"/)
    mounted.close()
    for (;;) if ((await reader.read()).done) break
  })
})
