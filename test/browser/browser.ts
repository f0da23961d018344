/** A real Chromium, from a package: nothing is downloaded, nothing needs to be installed beside npm's. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Browser, chromium as playwright } from 'playwright-core'

export interface RunningBrowser {
  readonly browser: Browser
  stop(): Promise<void>
}

export async function launchBrowser(): Promise<RunningBrowser> {
  // The package unpacks into TMPDIR and trusts whatever `chromium` it finds there: it gets a folder of its own.
  const folder = await mkdtemp(join(tmpdir(), 'spindle-browser-'))
  const before = { ...process.env }
  try {
    process.env['TMPDIR'] = folder
    // Makes the package unpack the system libraries that it carries; without need they would hide the machine's own.
    if (!(await hasLibrary('libnss3.so'))) process.env['AWS_EXECUTION_ENV'] = 'AWS_Lambda_nodejs20.x'
    const { default: packaged } = await import('@sparticuz/chromium')
    const executablePath = await packaged.executablePath()
    const browser = await playwright.launch({
      executablePath,
      // Root in a container has no sandbox; and a test opens no connection that it was not told to.
      args: ['--no-sandbox', '--disable-background-networking'],
      headless: true,
      env: { ...process.env },
    })
    return { browser, stop: () => browser.close().finally(() => remove(folder)) }
  } catch (error) {
    await remove(folder)
    throw error
  } finally {
    for (const name of ['TMPDIR', 'AWS_EXECUTION_ENV', 'LD_LIBRARY_PATH', 'FONTCONFIG_PATH', 'HOME']) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
  }
}

async function hasLibrary(name: string): Promise<boolean> {
  const answers = await Promise.allSettled(
    ['ldconfig', '/sbin/ldconfig'].map((program) => promisify(execFile)(program, ['-p'])),
  )
  return answers.some((answer) => answer.status === 'fulfilled' && answer.value.stdout.includes(name))
}

/** Chromium's children may still be writing when it has closed. */
const remove = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries: 5 })
