/** The page, in a real browser. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { PDFDocument } from 'pdf-lib'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser, type RunningBrowser } from '../browser/browser.ts'
import { HotelProcess, makeFolder, removeFolder, START_LIMIT_MS } from './hotel-process.ts'

const TEST_LIMIT_MS = 120_000
const WAIT = { timeout: 30_000 }
const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

let folder: string
let hotel: HotelProcess
let running: RunningBrowser

beforeAll(async () => {
  folder = await makeFolder()
  hotel = await HotelProcess.start({ folder, pace: 1 })
  running = await launchBrowser()
}, 2 * START_LIMIT_MS)

afterAll(async () => {
  await running?.stop()
  await hotel?.stop()
  await removeFolder(folder)
}, START_LIMIT_MS)

interface Visit {
  readonly page: Page
  /** Everything that went wrong in the page, and every address outside of it that it asked for. */
  readonly complaints: string[]
}

async function visit(how: { colorScheme?: 'light' | 'dark'; width?: number } = {}): Promise<Visit> {
  const context = await running.browser.newContext({
    colorScheme: how.colorScheme ?? 'light',
    viewport: { width: how.width ?? 1280, height: 900 },
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(hotel.url)) complaints.push(request.url())
  })
  await page.goto(`${hotel.url}/`)
  await page.waitForSelector('#lamp-worker.on', { state: 'attached', ...WAIT })
  return { page, complaints }
}

async function leave({ page, complaints }: Visit, expected: RegExp = /^$/): Promise<void> {
  await page.context().close()
  expect(complaints.filter((text) => !expected.test(text))).toEqual([])
}

/** Once the hotel has answered. */
async function answerOf(page: Page): Promise<string | null> {
  await page.locator('#answer:is(.good, .bad)').waitFor(WAIT)
  return page.locator('#answer').textContent()
}

const newest = (page: Page) => page.locator('.booking').first()

interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[]
}

/** Evaluated from outside: the page's own policy allows no script but its own. */
async function violationsIn(page: Page): Promise<readonly string[]> {
  const known = await page.evaluate("typeof axe !== 'undefined'")
  if (known !== true) {
    await page.evaluate(await readFile(axeFile, 'utf8'))
  }
  const { violations } = (await page.evaluate('axe.run()')) as AxeResult
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)
}

describe('the page', { timeout: TEST_LIMIT_MS }, () => {
  it('takes a booking, says 202, shows its tasks to the end, and the PDF opens', async () => {
    const seen = await visit()
    const { page } = seen
    await page.getByLabel('Name').fill('Grace Hopper')
    await page.getByRole('button', { name: 'Book this stay' }).click()

    expect(await answerOf(page)).toMatch(/^202 Accepted in \d+ ms: SP-\d+$/)
    const card = newest(page)
    await card.getByText('Grace Hopper').waitFor(WAIT)
    await card.locator('[data-state="running"]').first().waitFor(WAIT)
    await card.locator('[data-state="succeeded"]').nth(2).waitFor(WAIT)
    expect(await card.locator('.pill').allTextContents()).toEqual(['succeeded', 'succeeded', 'succeeded'])
    expect(Number(await page.locator('#fast-figure').textContent())).toBeLessThan(1_000)

    const href = await card.getByRole('link', { name: /^Open PDF of SP-/ }).getAttribute('href')
    const pdf = await PDFDocument.load(await (await hotel.get(href ?? '')).arrayBuffer())
    expect(pdf.getPageCount()).toBe(1)
    await page.locator('#inbox').getByText('to Grace Hopper <ada@example.org>').waitFor(WAIT)
    expect(await page.locator('#calls li').count()).toBeGreaterThanOrEqual(3)
    await leave(seen)
  })

  it('shows a retry with its error and when the next attempt comes', async () => {
    const seen = await visit()
    await hotel.post('/switches/shuttle-answers', { statuses: [503] })
    await seen.page.getByRole('button', { name: 'Book this stay' }).click()
    const services = newest(seen.page).locator('.task').nth(2)
    await services.getByText('Attempt 1 failed: Airport shuttle answered 503').waitFor(WAIT)
    await seen.page.locator('.booking').first().locator('[data-state="succeeded"]').nth(2).waitFor(WAIT)
    await services.getByText(/^attempt 2, /).waitFor(WAIT)
    await leave(seen)
  })

  it('draws a flash sale: what arrived, and what is in the database', async () => {
    const seen = await visit()
    const { page } = seen
    await page.getByLabel('Bookings', { exact: true }).selectOption('500')
    await page.getByRole('button', { name: 'Open the sale' }).click()
    await page.getByText('500 bookings are in the database').waitFor(WAIT)
    expect(await page.locator('#sale-arrived').textContent()).toBe('500')
    expect(await page.locator('#sale-booked').textContent()).toBe('500')
    expect(await page.locator('#sale-waiting').textContent()).toBe('0')
    for (const curve of ['arrivals', 'served']) {
      const points = (await page.locator(`polyline.${curve}`).getAttribute('points')) ?? ''
      expect(points.split(' ').length).toBeGreaterThan(5)
      expect(points).not.toMatch(/NaN|undefined|Infinity/)
    }
    await leave(seen)
  })

  it('feels the whole wait with the first switch on', async () => {
    const seen = await visit()
    await seen.page.getByLabel('Do everything in the request').check({ force: true })
    await seen.page.getByRole('button', { name: 'Book this stay' }).click()
    expect(await answerOf(seen.page)).toMatch(/^201 Created in [\d,]+ ms: SP-\d+$/)
    const figure = (await seen.page.locator('#slow-figure').textContent())?.replace(',', '')
    expect(Number(figure)).toBeGreaterThanOrEqual(2_530)
    await leave(seen)
  })

  it('sees promises vanish with the second switch on', async () => {
    const seen = await visit()
    await seen.page.getByLabel('Promises in the background, and the process dies').check({ force: true })
    await seen.page.getByRole('button', { name: 'Book this stay' }).click()
    await newest(seen.page)
      .getByText(/^Then process \d+ died\.$/)
      .waitFor(WAIT)
    expect(await newest(seen.page).locator('.pill').allTextContents()).toEqual(['no record', 'no record', 'no record'])
    await leave(seen)
  })

  it('sees the task come back with the third switch on', async () => {
    const seen = await visit()
    await seen.page.getByLabel('Queue it, and kill the worker mid-task').check({ force: true })
    expect(await seen.page.getByLabel('Do everything in the request').isChecked()).toBe(false)
    await seen.page.getByRole('button', { name: 'Book this stay' }).click()
    await newest(seen.page)
      .getByText(/^Worker \d+ was killed at \d+ % of the voucher\.$/)
      .waitFor(WAIT)
    await newest(seen.page)
      .getByText(/^Attempt 1: the worker went silent/)
      .waitFor(WAIT)
    await newest(seen.page).locator('[data-state="succeeded"]').nth(2).waitFor(WAIT)
    await leave(seen)
  })

  it('names the field that is wrong and goes there', async () => {
    const seen = await visit()
    await seen.page.getByLabel('E-mail', { exact: true }).fill('nobody')
    await seen.page.getByRole('button', { name: 'Book this stay' }).click()
    await seen.page.getByText('Please check the e-mail address.').waitFor(WAIT)
    expect(await seen.page.evaluate('document.activeElement.id')).toBe('email')
    expect(await violationsIn(seen.page)).toEqual([])
    await leave(seen, /status of 400/)
  })

  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)(
    'has no accessibility violation in %s at %i px, and does not scroll sideways',
    async (colorScheme, width) => {
      const seen = await visit({ colorScheme, width })
      await hotel.post('/switches/shuttle-answers', { statuses: [503] })
      await seen.page.getByRole('button', { name: 'Book this stay' }).click()
      await newest(seen.page).locator('.incidents li').first().waitFor(WAIT)
      expect(await violationsIn(seen.page)).toEqual([])
      expect(await seen.page.evaluate('document.documentElement.scrollWidth')).toBe(width)
      await newest(seen.page).locator('[data-state="succeeded"]').nth(2).waitFor(WAIT)
      expect(await violationsIn(seen.page)).toEqual([])
      await leave(seen)
    },
  )
})
