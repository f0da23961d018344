/** Who gets into the dashboard, in a real browser: a login, a mistake, the way out, and the configurations that show less or nothing. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { buildWeb } from '../../scripts/build-web.ts'
import { parseGrant } from '../../src/model/access.ts'
import { launchBrowser, type RunningBrowser } from '../browser/browser.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'

const START_LIMIT_MS = 180_000

let running: RunningBrowser

beforeAll(async () => {
  await buildWeb('dist/web')
  running = await launchBrowser()
}, START_LIMIT_MS)

afterAll(() => running?.stop(), START_LIMIT_MS)

async function started(settings: Parameters<typeof testServer>[0] = {}): Promise<TestServer> {
  const server = await testServer(settings)
  onTestFinished(() => server.close())
  await server.port.declareQueue('orders', {})
  await server.port.declareQueue('salaries', {})
  return server
}

async function withUsers(): Promise<TestServer & { readonly token: string }> {
  const server = await started()
  await server.users.put('ada', { password: 'lovelace', grants: [parseGrant('admin:*')] })
  await server.users.put('bob', { password: 'builder', grants: [parseGrant('read:orders')] })
  return { ...server, token: await server.users.addToken('ada') }
}

async function visit({ url }: TestServer, path = ''): Promise<Page> {
  const context = await running.browser.newContext({ reducedMotion: 'reduce' })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  await page.goto(`${url}/dashboard/#/${path}`)
  return page
}

async function logIn(page: Page, user: string, password: string): Promise<void> {
  await page.getByLabel('User').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
}

describe('a dashboard with users', () => {
  it('lets a password in, goes on where the address leads, and is left by logging out', async () => {
    const page = await visit(await withUsers(), 'queues/orders')
    await logIn(page, 'ada', 'lovelace')
    await page.getByRole('heading', { name: 'orders' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'orders' }).waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    expect(await page.evaluate('document.cookie')).toBe('')
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('button', { name: 'Log in' }).waitFor()
    await page.reload()
    await page.getByRole('button', { name: 'Log in' }).waitFor()
  })

  it('lets a token in', async () => {
    const server = await withUsers()
    const page = await visit(server)
    await page.getByLabel('Token').fill(server.token)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.getByRole('button', { name: 'Log out' }).waitFor()
  })

  it('says that a password is wrong, and keeps out', async () => {
    const page = await visit(await withUsers())
    await logIn(page, 'ada', 'byron')
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('button', { name: 'Log out' }).count()).toBe(0)
    await logIn(page, 'ada', 'lovelace')
    await page.getByRole('button', { name: 'Log out' }).waitFor()
  })

  it('shows each what their grants say', async () => {
    const page = await visit(await withUsers(), 'queues')
    await logIn(page, 'bob', 'builder')
    await page.getByRole('link', { name: 'orders' }).waitFor()
    expect(await page.getByRole('link', { name: 'salaries' }).count()).toBe(0)
  })
})

describe('the configuration', () => {
  it("dashboard: 'readOnly' shows everything and changes nothing, whoever asks", async () => {
    const server = await started({ dashboard: 'readOnly' })
    const page = await visit(server, 'queues/orders')
    await page.getByRole('heading', { name: 'orders' }).waitFor()
    expect(await page.getByRole('button', { name: /Purge|Delete|Pause|Send/ }).count()).toBe(0)
    const status = await page.evaluate(
      `fetch('api/v1/queues/orders', { method: 'DELETE' }).then(({ status }) => status)`,
    )
    expect(status).toBe(403)
    expect((await server.port.measure(['orders'])).length).toBe(1)
  })

  it("dashboard: 'off' serves none", async () => {
    const server = await started({ dashboard: 'off' })
    const answer = await fetch(`${server.url}/dashboard/`, { headers: { accept: 'text/html' } })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(await answer.text()).not.toContain('<script')
  })
})
