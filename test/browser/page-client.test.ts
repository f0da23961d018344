/** `spindle-mq/browser` in a real browser: a page of another origin watches a task, through a connection that breaks. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import type { open as openInPage, SpindleInPage } from '../../src/browser/index.ts'
import { type Job, open, PermanentFailure, type TaskContext, task } from '../../src/index.ts'
import { Cable } from '../remote/cable.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'
import { launchBrowser, type RunningBrowser } from './browser.ts'

const START_LIMIT_MS = 120_000
/** What docs/concepts/browsers.md says. */
const BYTES_MAX = 30_000
const TOKEN = 'token-of-a-page-0123456789'

declare global {
  /** What the page below has; it is a page's `window`. */
  var kit: { readonly open: typeof openInPage; spindle: SpindleInPage; seen: unknown[] }
}

let running: RunningBrowser
let shop: Server
let origin: string
let bundle: string

beforeAll(async () => {
  bundle = await bundled()
  shop = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    // As strict as a policy gets: neither eval nor anything inline.
    response.setHeader('content-security-policy', "default-src 'none'; script-src 'self'; connect-src *")
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? `${bundle}\nglobalThis.kit = { open: openPage, seen: [] }` : PAGE)
  })
  shop.listen(0, '127.0.0.1')
  await once(shop, 'listening')
  origin = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`
  running = await launchBrowser()
}, START_LIMIT_MS)

afterAll(async () => {
  await running?.stop()
  shop?.close()
}, START_LIMIT_MS)

const PAGE = '<!doctype html><title>shop</title><script type="module" src="/page.js"></script>'

/** As an application's bundler makes it of our entry. */
async function bundled(): Promise<string> {
  const entry = 'src/browser/index.ts'
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, target: 'es2022', minify: true, lib: { entry, formats: ['es'], fileName: 'page' } },
  })
  const [output] = [result].flat().flatMap((one) => ('output' in one ? one.output : []))
  if (output?.type !== 'chunk') throw new Error('the bundle has no code')
  expect(output.imports).toEqual([])
  return output.code.replace(/export\s*\{[^}]*?(\w+) as open\b[^}]*\};?\s*$/, 'const openPage = $1;')
}

async function visit(): Promise<Page> {
  const page = await (await running.browser.newContext()).newPage()
  onTestFinished(() => page.context().close())
  await page.goto(origin)
  await page.waitForFunction(() => 'kit' in globalThis)
  return page
}

interface Kitchen {
  readonly server: TestServer
  readonly job: Job<string>
  /** The run that is under way. */
  readonly run: Promise<TaskContext>
  /** Lets it end. */
  readonly end: (how: string | Error) => void
}

async function kitchen(settings: Parameters<typeof testServer>[0] = {}): Promise<Kitchen> {
  const server = await testServer({ allowedOrigins: [origin], ...settings })
  onTestFinished(() => server.close())
  const cook = await open(server.url)
  onTestFinished(() => cook.close())
  let begun: (context: TaskContext) => void = () => {}
  let end: (how: string | Error) => void = () => {}
  const run = new Promise<TaskContext>((resolve) => {
    begun = resolve
  })
  const ending = new Promise<string | Error>((resolve) => {
    end = resolve
  })
  const bake = task('bake', {
    input: z.object({}),
    async run(_, context): Promise<string> {
      begun(context)
      const how = await ending
      if (how instanceof Error) throw how
      return how
    },
  })
  // Else its worker waits for it for as long as a drain takes.
  onTestFinished(() => end('a loaf'))
  const job = await cook.enqueue(bake, {})
  await cook.work([bake])
  return { server, job, run, end }
}

/** Opens in the page and keeps what `watch` yields. */
async function watchIn(page: Page, url: string, id: string, token?: string): Promise<void> {
  await page.evaluate(
    async ([url, id, token]) => {
      const { kit } = globalThis
      kit.spindle = await kit.open(url, token === undefined ? {} : { auth: { token } })
      void (async () => {
        for await (const status of kit.spindle.job(id).watch()) kit.seen.push(status)
      })()
    },
    [url, id, token] as const,
  )
}

const seesProgress = (page: Page, fraction: number): Promise<unknown> =>
  page.waitForFunction(
    (wanted) => globalThis.kit.seen.some((one) => (one as { progress?: number }).progress === wanted),
    fraction,
  )

const failureOf = (page: Page, url: string, options: object): Promise<string> =>
  page.evaluate(
    ([url, options]) =>
      globalThis.kit.open(url, options).then(
        () => 'opened',
        (fault: { code?: string }) => fault.code ?? String(fault),
      ),
    [url, options] as const,
  )

describe('a page', { timeout: 60_000 }, () => {
  it(`loads less than ${BYTES_MAX / 1_000} KB, compressed, and nothing of Node`, () => {
    expect(gzipSync(bundle).length).toBeLessThan(BYTES_MAX)
    expect(bundle).not.toMatch(/node:|__vite-browser-external/)
  })

  it('watches a task to its end, and goes on where its connection broke', async () => {
    const { server, job, run, end } = await kitchen()
    const cable = new Cable(server.url)
    const page = await visit()
    const context = await run
    await watchIn(page, await cable.listen(), job.id)
    await context.progress(0.25, { step: 'kneading' })
    await seesProgress(page, 0.25)
    const asked = page.evaluate((id) => globalThis.kit.spindle.job<string>(id).result(), job.id)
    cable.cut()
    await context.progress(0.5)
    await seesProgress(page, 0.5)
    end('a loaf')
    expect(await asked).toBe('a loaf')
    await page.waitForFunction(() => (globalThis.kit.seen.at(-1) as { state: string }).state === 'succeeded')
    expect(await page.evaluate(() => globalThis.kit.seen)).toContainEqual(
      expect.objectContaining({ state: 'running', progress: 0.25, data: { step: 'kneading' } }),
    )
  })

  it('hears why a task failed, and that a wait ends with its client', async () => {
    const { server, job, run, end } = await kitchen()
    const page = await visit()
    await run
    await watchIn(page, server.url, job.id)
    const outcome = page.evaluate(
      (id) =>
        globalThis.kit.spindle
          .job(id)
          .result()
          .catch((fault: Error & { code: string; cause: Error }) => [fault.code, fault.cause.message]),
      job.id,
    )
    end(new PermanentFailure('the oven is cold'))
    expect(await outcome).toEqual(['task-failed', 'the oven is cold'])
    const closed = await page.evaluate(async () => {
      const { spindle } = globalThis.kit
      const unknown = await spindle
        .job('018f0000000000000000')
        .status()
        .catch((fault: { code: string }) => fault.code)
      await spindle.close()
      return [
        unknown,
        await spindle
          .job('x')
          .status()
          .catch((fault: { code: string }) => fault.code),
      ]
    })
    expect(closed).toEqual(['not-found', 'closed'])
  })

  it('sees with a token what its user may watch, and nothing else', async () => {
    const { server, job, run, end } = await kitchen()
    const context = await run
    await server.users.put('page', { grants: [{ verbs: ['watch'], resources: ['bake'] }], tokens: [TOKEN] })
    const page = await visit()
    expect(await failureOf(page, server.url, { auth: { token: 'not-this-one-0123456789' } })).toBe('not-authenticated')
    expect(await failureOf(page, server.url, {})).toBe('not-authenticated')
    await watchIn(page, server.url, job.id, TOKEN)
    await context.progress(0.75)
    await seesProgress(page, 0.75)
    end('a loaf')
    await page.waitForFunction(() => (globalThis.kit.seen.at(-1) as { state: string }).state === 'succeeded')
    await server.users.put('page', { grants: [{ verbs: ['watch'], resources: ['other'] }], tokens: [TOKEN] })
    const status = page.evaluate(
      (id) =>
        globalThis.kit.spindle
          .job(id)
          .status()
          .catch((fault: { code: string }) => fault.code),
      job.id,
    )
    // Whether there is such a task is none of its business either.
    expect(await status).toBe('not-found')
  })

  it('of an origin that the server does not name gets no connection', async () => {
    const { server } = await kitchen({ allowedOrigins: ['http://elsewhere.example'] })
    const page = await visit()
    expect(await failureOf(page, server.url, { patienceMs: 500 })).toBe('unreachable')
    expect(await failureOf(page, 'postgres://nobody', {})).toBe('unknown-url')
  })
})
