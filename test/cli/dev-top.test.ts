import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Command, spindle } from './command.ts'

/** Each command is a process of its own. */
const LONG = { timeout: 60_000 }

let dev: Command
let url: string

beforeAll(async () => {
  dev = spindle(['dev', '--port', '0', '--amqp-port', '0', '--management-port', '0'])
  const line = await dev.printed(/ dashboard: /)
  url = line.replace(/^.* dashboard: (\S+)\/ .*$/, '$1')
}, 60_000)

afterAll(async () => {
  dev.child.kill('SIGTERM')
  await dev.exited
}, 30_000)

describe('spindle dev', LONG, () => {
  it('says where everything is, and has queues with traffic', async () => {
    await dev.printed(/ Ready: /)
    for (const kind of ['http', 'amqp', 'management']) expect(dev.output()).toMatch(new RegExp(` ${kind} on `))
    const appended = async (): Promise<number> => {
      const stats = (await (await fetch(`${url}/api/v1/stats`)).json()) as { totals: { appended: number } }
      return stats.totals.appended
    }
    const before = await appended()
    await expect.poll(appended, { timeout: 20_000 }).toBeGreaterThan(before)
    expect((await fetch(`${url}/dashboard/`)).status).toBe(200)
  })
})

describe('spindle top', LONG, () => {
  it('prints one look where there is no terminal', async () => {
    const top = spindle(['top', '--url', url, '--order', 'name'])
    expect(await top.exited).toBe(0)
    expect(top.output()).toMatch(/^\d+ queues {3}ready /)
    expect(top.output()).toMatch(/^orders +\d/m)
  })

  const pty = spawnSync('python3', ['-c', 'import pty']).status === 0
  it.skipIf(!pty)('is live on a terminal, takes keys, and gives the terminal back at q (needs python3)', async () => {
    const argv = [process.execPath, '--import', fileURLToPath(import.meta.resolve('tsx'))]
    argv.push(fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)), 'top', '--url', url, '--every', '200')
    const script = `import pty,sys; sys.exit(pty.spawn(${JSON.stringify(argv)}) >> 8)`
    const terminal = spawn('python3', ['-c', script], { env: { ...process.env, COLUMNS: '100', LINES: '30' } })
    let shown = ''
    terminal.stdout.on('data', (chunk: Buffer) => {
      shown += chunk
    })
    const over = new Promise((resolve) => terminal.on('close', resolve))
    const looks = (): number => shown.split('messages').length
    await expect.poll(() => shown, { timeout: 30_000 }).toMatch(/queues {3}ready/)
    const before = looks()
    terminal.stdin.write('n')
    await expect.poll(looks, { timeout: 20_000 }).toBeGreaterThan(before + 2)
    terminal.stdin.write('q')
    expect(await over).toBe(0)
    // The other screen was entered once and left once.
    expect(shown.split('\u001b[?1049h').length - 1).toBe(1)
    expect(shown.split('\u001b[?1049l').length - 1).toBe(1)
  })
})
