/** The dashboard in a real browser: what each page is for, that it is live, and that nothing a message says is ever run. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildWeb } from '../../scripts/build-web.ts'
import { encodeContent } from '../../src/model/content.ts'
import { rawCall } from '../admin/call.ts'
import { launchBrowser, type RunningBrowser } from '../browser/browser.ts'
import { NAUGHTY } from './naughty.ts'
import { type Kitchen, openKitchen } from './open-kitchen.ts'

const START_LIMIT_MS = 180_000
const WAIT = { timeout: 30_000 }
const FIRST_LOAD_BYTES_MAX = 200_000
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let kitchen: Kitchen
let running: RunningBrowser

beforeAll(async () => {
  await buildWeb('dist/web')
  kitchen = await openKitchen()
  running = await launchBrowser()
}, START_LIMIT_MS)

afterAll(async () => {
  await running?.stop()
  await kitchen?.close()
}, START_LIMIT_MS)

interface Visit {
  readonly page: Page
  /** Everything that went wrong in the page, and every address outside of it that it asked for. */
  readonly complaints: string[]
}

async function visit(
  path: string,
  how: { readonly colorScheme?: 'light' | 'dark'; readonly width?: number } = {},
): Promise<Visit> {
  const { colorScheme = 'light', width = 1_280 } = how
  const context = await running.browser.newContext({
    colorScheme,
    viewport: { width, height: 900 },
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  page.setDefaultTimeout(WAIT.timeout)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(kitchen.url)) complaints.push(request.url())
  })
  await page.goto(`${kitchen.url}/dashboard/#/${path}`)
  await page.waitForSelector('.lamp.on', { state: 'attached', ...WAIT })
  return { page, complaints }
}

async function leave({ page, complaints }: Visit): Promise<void> {
  await page.context().close()
  expect(complaints).toEqual([])
}

describe('the first look', () => {
  it('loads less than 200 KB, compressed, all of it from here', async () => {
    const page = await running.browser.newPage()
    const bodies: Promise<Buffer>[] = []
    page.on('response', (response) => {
      if (/\/dashboard\/(?:$|assets|icon)/.test(response.url())) bodies.push(response.body())
    })
    await page.goto(`${kitchen.url}/dashboard/`)
    await page.waitForSelector('h1')
    const sizes = (await Promise.all(bodies)).map((body) => gzipSync(body).length)
    expect(sizes.length).toBeGreaterThanOrEqual(3)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD_BYTES_MAX)
    await page.close()
  })

  it('leads a browser from the root to the dashboard, and leaves other callers to SQS', async () => {
    const asked = (accept: string) => fetch(`${kitchen.url}/`, { headers: { accept }, redirect: 'manual' })
    const browser = await asked('text/html')
    expect([browser.status, browser.headers.get('location')]).toEqual([302, '/dashboard/'])
    expect((await asked('application/json')).headers.get('location')).toBeNull()
  })

  it('shows what waits, runs and fails, why, and which queue to look at first', async () => {
    const one = await visit('')
    const { page } = one
    await page.locator('[data-figure="Dead"][data-exact="61"]').waitFor()
    await page.locator('[data-figure="Running"][data-exact="16"]').waitFor()
    await page.getByText('TimeoutError').first().waitFor()
    const attention = await page.locator('section[aria-labelledby=attention] li a').allTextContents()
    // On a slow machine the queues that nobody works are a minute old by now, and told of as well.
    const [first] = attention.filter((words) => words.startsWith('failing'))
    expect(first).toContain('payments')
    await leave(one)
  })

  it('shows an event within a second of it', async () => {
    const one = await visit('queues/search-index')
    const { page } = one
    await page.getByRole('button', { name: 'Waiting 0' }).waitFor()
    // As text: what runs in the page knows the page's names, which are none of this program's.
    await page.evaluate(`(function look() {
      const found = [...document.querySelectorAll('.tabs button')].some(({ textContent }) => textContent === 'Waiting 3')
      if (found) window.seenAt ??= Date.now()
      else requestAnimationFrame(look)
    })()`)
    await kitchen.server.port.append(
      'search-index',
      [1, 2, 3].map((n) => ({ content: encodeContent({ n }) })),
    )
    const happenedAt = Date.now()
    await expect.poll(() => page.evaluate('window.seenAt'), WAIT).toBeTypeOf('number')
    const seenAt = Number(await page.evaluate('window.seenAt'))
    // A machine that is busy with other things must not fail it; on a free one it is 0.1 to 0.6 s (bench:dashboard holds it to 1 s).
    expect(seenAt - happenedAt).toBeLessThan(10_000)
    await leave(one)
  })
})

describe('what a person does', () => {
  it('finds a message by text, header and type, and reads it as JSON, text and hex', async () => {
    const one = await visit('queues/orders')
    const { page } = one
    await page.getByLabel('Text', { exact: true }).fill('A-1011')
    await page.getByLabel('Text', { exact: true }).press('Enter')
    await page.getByLabel('Header (name:value)').fill('tenant:south')
    await page.getByLabel('Header (name:value)').press('Enter')
    const rows = page.getByRole('button', { name: /^Open message/ })
    await expect.poll(() => rows.count(), WAIT).toBe(1)
    await rows.first().click()
    const body = page.locator('.body-view pre')
    await expect.poll(() => body.textContent(), WAIT).toContain('"order": "A-1011"')
    await page.getByRole('button', { name: 'Hex' }).click()
    expect(await body.textContent()).toMatch(/^000000 {2}7b 22/)
    await page.getByText('trace', { exact: true }).waitFor()
    expect(page.url()).toContain('message=')
    await leave(one)
  })

  it('counts and redrives one group of dead letters', async () => {
    const one = await visit('dead')
    const { page } = one
    const group = page.locator('li.group', { hasText: 'CardDeclined' }).filter({ hasText: 'died in payments' })
    await group.getByRole('button', { name: 'Redrive' }).click()
    await page.locator('[data-count="16"]').waitFor()
    const before = await kitchen.server.port.measure(['payments'])
    await page.getByRole('button', { name: 'Redrive 16 messages' }).click()
    await page.locator('[data-bulk="completed"]').waitFor()
    const after = await kitchen.server.port.measure(['payments'])
    expect((before[0]?.dead ?? 0) - (after[0]?.dead ?? 0)).toBe(16)
    expect((after[0]?.ready ?? 0) - (before[0]?.ready ?? 0)).toBe(16)
    await leave(one)
  })

  it('edits a dead letter and sends it back to where it died', async () => {
    const one = await visit('queues/emails-dlq')
    const { page } = one
    await page
      .getByRole('button', { name: /^Open message/ })
      .first()
      .click()
    await page.getByRole('button', { name: 'Edit and retry' }).click()
    await page.getByLabel('Body', { exact: false }).last().fill('{"mended":true}')
    await page.getByRole('button', { name: 'Send it back' }).click()
    await page.getByText('Sent to emails.').waitFor()
    const { messages } = await kitchen.server.port.browse({ queue: 'emails', states: ['ready'], limit: 10 })
    expect(messages.map(({ content }) => Buffer.from(content.body).toString())).toEqual(['{"mended":true}'])
    await leave(one)
  })

  it('discards a selection, and nothing else', async () => {
    const one = await visit('queues/reports')
    const { page } = one
    await page
      .getByRole('checkbox', { name: /^Select message/ })
      .first()
      .check()
    await page.locator('.bulk-bar').getByRole('button', { name: 'Discard' }).click()
    await page.getByRole('button', { name: 'Discard 1 message' }).click()
    await page.locator('[data-bulk="completed"]').waitFor()
    const [left] = await kitchen.server.port.measure(['reports'])
    expect([left?.ready, left?.delayed]).toEqual([2, 4])
    await leave(one)
  })

  it('makes, pauses, fills, purges and deletes a queue', async () => {
    const one = await visit('queues')
    const { page } = one
    await page.getByRole('button', { name: 'New queue' }).click()
    await page.getByLabel('Name', { exact: true }).fill('made-here')
    await page.getByRole('button', { name: 'Create' }).click()
    await page.getByRole('heading', { name: 'made-here' }).waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    await page.getByRole('link', { name: 'Send', exact: true }).last().click()
    await page.getByLabel('Body', { exact: true }).fill('{"by":"hand"}')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.locator('[data-outcome="stored"]').waitFor()
    expect(await kitchen.server.port.measure(['made-here'])).toMatchObject([{ ready: 1, policy: { paused: true } }])
    await page.goto(`${kitchen.url}/dashboard/#/queues/made-here`)
    await page.getByRole('button', { name: 'Purge' }).click()
    await page.getByRole('button', { name: 'Purge 1' }).click()
    await expect.poll(async () => (await kitchen.server.port.measure(['made-here']))[0]?.ready, WAIT).toBe(0)
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await page.getByRole('button', { name: 'Delete the queue' }).click()
    await expect.poll(() => kitchen.server.port.measure(['made-here']), WAIT).toEqual([])
    // What the page asked of the queue when it was gone already.
    one.complaints.splice(0, one.complaints.length, ...one.complaints.filter((words) => !words.includes('404')))
    await leave(one)
  })

  it('pauses a schedule and runs it now', async () => {
    const one = await visit('schedules')
    const { page } = one
    const row = page.getByRole('row', { name: /nightly-report/ })
    await row.getByRole('button', { name: 'Run now' }).click()
    await page.getByText(/nightly-report ran: message/).waitFor()
    await row.getByRole('button', { name: 'Pause' }).click()
    await row.getByText('paused').waitFor()
    await leave(one)
  })

  it('draws a workflow with the state of each step, and cancels it', async () => {
    const one = await visit(kitchen.pages['flow'] ?? '')
    const { page } = one
    const step = (name: string) => page.locator('a.step', { hasText: name })
    await expect.poll(() => step('order.check').textContent(), WAIT).toContain('succeeded')
    await expect.poll(() => step('order.cook').textContent(), WAIT).toContain('running')
    await expect.poll(() => step('order.tell').textContent(), WAIT).toContain('waiting')
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('heading', { name: /cancelled/ }).waitFor()
    await leave(one)
  })

  it('shows the log of each attempt and the result of a task, and how far one is that runs', async () => {
    const ended = await visit(kitchen.pages['task'] ?? '')
    const first = ended.page.getByLabel('Log of attempt 1')
    await first.getByText('on the way to A-1').waitFor()
    expect(await first.getByRole('listitem').count()).toBe(1)
    expect(await ended.page.getByLabel('Log of attempt 2').getByRole('listitem').allTextContents()).toEqual([
      expect.stringContaining('on the way to A-1'),
      expect.stringContaining('handed over'),
    ])
    await ended.page.getByText('"signedBy": "Ada"').waitFor()
    await leave(ended)
    const running = await visit(kitchen.pages['running'] ?? '')
    await running.page.getByText('running, 40 %').waitFor()
    await running.page.getByText('"degrees": 180').waitFor()
    await running.page.getByLabel('Log of attempt 1').getByText('into the oven').waitFor()
    await leave(running)
  })

  it('says where a message would go', async () => {
    const one = await visit('topology')
    const { page } = one
    await page.getByLabel('Published to').selectOption('kitchen')
    await page.getByLabel('Routing key').fill('image.png.large')
    await page.getByRole('button', { name: 'Where would it go?' }).click()
    await expect
      .poll(async () => (await page.locator('.answer a').allTextContents()).sort(), WAIT)
      .toEqual(['audit-trail', 'thumbnails'])
    expect(await page.locator('.edge.hit').count()).toBe(2)
    await leave(one)
  })

  it('shows what autoscalers decided, and who did what', async () => {
    const scaling = await visit('scaling')
    await scaling.page
      .getByRole('row', { name: /thumbnails/ })
      .first()
      .waitFor()
    expect(await scaling.page.getByRole('row', { name: /thumbnails/ }).count()).toBe(6)
    await leave(scaling)
    const audit = await visit('audit?text=search-index')
    await audit.page.getByText('PUT /queues/search-index').first().waitFor()
    await leave(audit)
  })

  it('goes by keyboard', async () => {
    const one = await visit('')
    const { page } = one
    await page.keyboard.press('g')
    await page.keyboard.press('q')
    await page.getByRole('heading', { name: 'Queues', exact: true }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('thumb')
    await page.getByText('1 found').waitFor()
    await page.getByRole('searchbox').blur()
    await page.getByRole('link', { name: 'thumbnails' }).waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'thumbnails' }).waitFor()
    await leave(one)
  })

  it('changes nothing when it is read-only', async () => {
    const one = await visit('queues/payments')
    const { page } = one
    await page.getByRole('button', { name: 'Purge' }).waitFor()
    await page.getByLabel('Read-only').check()
    await expect
      .poll(() => page.getByRole('button', { name: /Purge|Delete|Discard|Redrive|Pause/ }).count(), WAIT)
      .toBe(0)
    await leave(one)
  })
})

describe('what a message says', () => {
  it('is text, whatever it says: nothing of it runs, loads or breaks the page', async () => {
    await kitchen.server.port.declareQueue('naughty', { deadRetentionMs: null })
    const [first = '', ...rest] = NAUGHTY
    await kitchen.server.port.append(
      'naughty',
      NAUGHTY.map((text) => ({
        content: encodeContent(text, {
          type: text.slice(0, 200) || 'empty',
          headers: { [text.slice(0, 100) || 'h']: text },
        }),
      })),
    )
    const deliveries = await kitchen.server.port.receive({ queue: 'naughty', max: 20 })
    await kitchen.server.port.settle(
      deliveries.map(({ receipt }, i) => ({
        receipt,
        how: { kind: 'bury', reason: rest[i] || first, note: Buffer.from(NAUGHTY[i] ?? '') } as const,
      })),
    )
    const dead = await visit('dead')
    await dead.page.locator('li.group').first().waitFor()
    await leave(dead)
    for (const state of ['ready', 'dead']) {
      const one = await visit(`queues/naughty?state=${state}`)
      const { page } = one
      const open = page.getByRole('button', { name: /^Open message/ })
      await open.first().waitFor()
      const count = await open.count()
      for (let i = 0; i < count; i++) {
        await open.nth(i).click()
        await page.locator('.body-view pre').waitFor()
      }
      expect(await page.evaluate('window.xss')).toBeUndefined()
      expect(await page.locator('main script, main img, main iframe, main marquee').count()).toBe(0)
      await leave(one)
    }
    await kitchen.server.port.deleteQueue('naughty')
  }, 120_000)

  it('is text for each of the big list of naughty strings, as body, type and header', async () => {
    const file = createRequire(import.meta.url).resolve('big-list-of-naughty-strings/blns.json')
    const list = JSON.parse(readFileSync(file, 'utf8')) as readonly string[]
    expect(list.length).toBeGreaterThan(400)
    await kitchen.server.port.declareQueue('blns', {})
    // Ten of them in the headers of each message, so that few need to be opened; two of those are its body and its type, too.
    const tens = Array.from({ length: Math.ceil(list.length / 10) }, (_, n) => list.slice(n * 10, n * 10 + 10))
    const outcomes = await kitchen.server.port.append(
      'blns',
      tens.map((texts) => {
        const [body = '', type = ''] = texts
        const headers = Object.fromEntries(texts.map((text, at) => [`naughty-${at}`, text]))
        return { content: encodeContent(body, { type: type.slice(0, 200) || 'empty', headers }) }
      }),
    )
    const ids = outcomes.map((outcome) => (outcome.kind === 'stored' ? outcome.id : ''))
    const one = await visit('queues/blns')
    const { page } = one
    // As text: what runs in the page knows the page's names, which are none of this program's.
    const unread = await page.evaluate(`(async () => {
      const unread = []
      for (const [id, texts] of ${JSON.stringify(ids.map((id, at) => [id, tens[at]])).replaceAll('<', '\\u003c')}) {
        location.hash = '#/queues/blns?message=' + encodeURIComponent(id)
        const untilMs = performance.now() + 10_000
        const shows = () => {
          const drawer = document.querySelector('.drawer')
          const told = [...(drawer?.querySelectorAll('[aria-label=Headers] dd') ?? [])].map((one) => one.textContent)
          return drawer?.querySelector('h2 code')?.textContent === id && JSON.stringify(told) === JSON.stringify(texts)
        }
        while (!shows() && performance.now() < untilMs) await new Promise((resolve) => requestAnimationFrame(resolve))
        if (!shows()) unread.push(texts)
      }
      return unread
    })()`)
    expect(unread).toEqual([])
    expect(await page.evaluate('window.xss')).toBeUndefined()
    expect(await page.locator('main script, main img, main iframe, main marquee, main video, main audio').count()).toBe(
      0,
    )
    // Dialogs (every alert of the list), faults and addresses outside would be complaints.
    await leave(one)
    await kitchen.server.port.deleteQueue('blns')
  }, 120_000)
})

describe('who may call it', () => {
  it('refuses a name that was pointed here from outside, and pages of other sites', async () => {
    const rebound = { host: 'attacker.example:80' }
    expect((await rawCall(kitchen.url, { path: '/dashboard/', headers: rebound })).status).toBe(403)
    expect((await rawCall(kitchen.url, { path: '/dashboard/api/v1/queues', headers: rebound })).status).toBe(403)
    const foreign = {
      host: new URL(kitchen.url).host,
      origin: 'https://attacker.example',
      'content-type': 'application/json',
    }
    const write = { method: 'POST', path: '/dashboard/api/v1/bulks', body: '{}' }
    expect((await rawCall(kitchen.url, { ...write, headers: foreign })).status).toBe(403)
    expect((await rawCall(kitchen.url, { ...write, headers: { ...foreign, origin: kitchen.url } })).status).toBe(403)
  })

  it('lets no other page frame it, and no inline script or style run', async () => {
    const { headers } = await fetch(`${kitchen.url}/dashboard/`)
    const policy = headers.get('content-security-policy') ?? ''
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ]) {
      expect(policy).toContain(rule)
    }
    expect(policy).not.toContain('unsafe')
  })
})

describe('accessibility', () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has nothing for axe-core to complain of, on any page, ${colorScheme}`, async () => {
      for (const [name, path] of Object.entries(kitchen.pages)) {
        const one = await visit(path, { colorScheme, width: name === 'overview' ? 420 : 1_280 })
        await one.page.locator('h1').first().waitFor()
        // The page's own policy would refuse a script tag; the debugger's line is not bound by it.
        await one.page.evaluate(axeSource)
        const found = await one.page.evaluate(`axe.run().then(({ violations }) =>
          violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 160)).join(' | ')))`)
        expect({ name, found }).toEqual({ name, found: [] })
        expect(await one.page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
        await one.page.context().close()
      }
    }, 180_000)
  }
})
