/**
 * npm run screenshots [FOLDER]: every page of the dashboard, light and dark, and two of them narrow, over a store with something on each.
 * Default folder: screenshots/, which is not kept. Builds the dashboard first.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { launchBrowser } from '../test/browser/browser.ts'
import { openKitchen } from '../test/dashboard/open-kitchen.ts'
import { buildWeb } from './build-web.ts'

const folder = process.argv[2] ?? 'screenshots'
/** For the charts to have something to draw. */
const SETTLE_MS = 1_500

await mkdir(folder, { recursive: true })
await buildWeb('dist/web')
const kitchen = await openKitchen()
const running = await launchBrowser()
try {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [name, path] of Object.entries(kitchen.pages)) {
      for (const width of name === 'overview' || name === 'message' ? [1_440, 390] : [1_440]) {
        const page = await running.browser.newPage({ colorScheme, viewport: { width, height: 900 } })
        await page.goto(`${kitchen.url}/dashboard/#/${path}`)
        await page.waitForSelector('.lamp.on', { state: 'attached' })
        await page.waitForTimeout(SETTLE_MS)
        await page.screenshot({ path: join(folder, `${name}-${width > 500 ? '' : 'narrow-'}${colorScheme}.png`) })
        await page.close()
      }
    }
  }
} finally {
  await running.stop()
  await kitchen.close()
}
