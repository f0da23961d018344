import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type Spindle } from 'spindle-mq'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Command, fixture, spindle } from './command.ts'
import { whoami } from './fixtures/whoami.ts'

const file = fixture('whoami.ts')
let folder: string
let url: string
let store: Spindle
let command: Command | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spindle-processes-'))
  url = `file:${folder}/data`
  store = await open(url)
})
afterEach(async () => {
  command?.child.kill('SIGTERM')
  await command?.exited
  command = undefined
  await store.close()
  await rm(folder, { recursive: true })
})

const result = async (how = '', ms = 0) => {
  const job = await store.enqueue(whoami, { how, ms, file: join(folder, 'started') })
  return job.result({ timeoutMs: 30_000 })
}

describe('spindle work --processes', { timeout: 90_000 }, () => {
  it('shares the work, replaces a process that dies, drains all of them on SIGTERM', async () => {
    command = spindle(['work', file, '--url', url, '--processes', '2', '--concurrency', '1', '--drain', '10'])
    const pids = new Set<number>()
    while (pids.size < 2) for (const pid of await Promise.all([result('', 200), result('', 200)])) pids.add(pid)
    expect(pids.has(command.child.pid ?? 0)).toBe(false)
    const victim = [...pids][0] as number
    process.kill(victim, 'SIGKILL')
    await command.printed(/process \d ended \(SIGKILL\) and starts again in 1000 ms/)
    const after = new Set<number>()
    while (![...after].some((pid) => !pids.has(pid))) {
      for (const pid of await Promise.all([result('', 200), result('', 200)])) after.add(pid)
    }
    expect(after.has(victim)).toBe(false)
    const slow = await store.enqueue(whoami, { how: '', ms: 800, file: join(folder, 'slow') })
    await expect.poll(() => existsSync(join(folder, 'slow')), { timeout: 20_000 }).toBe(true)
    command.child.kill('SIGTERM')
    expect(await command.exited).toBe(143)
    expect(await slow.status()).toMatchObject({ state: 'succeeded', attempts: 1 })
    for (const pid of after) if (!pids.has(pid)) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
  })

  it('replaces a process after --max-tasks, and loses nothing', async () => {
    command = spindle(['work', file, '--url', url, '--max-tasks', '3', '--concurrency', '1'])
    const jobs = await store.enqueueMany(
      whoami,
      Array.from({ length: 9 }, () => ({ input: { how: '', ms: 0, file: join(folder, 'started') } })),
    )
    const pids = await Promise.all(jobs.map((job) => job.result({ timeoutMs: 60_000 })))
    expect(pids.map((pid) => pids.filter((other) => other === pid).length)).toEqual(Array(9).fill(3))
    expect(command.output()).toContain('recycling: 3 tasks ended in it')
  })

  it('does not start again what its command line keeps from starting', async () => {
    command = spindle(['work', fixture('no-tasks.js'), '--url', url, '--processes', '2'])
    expect(await command.exited).toBe(2)
    expect(command.errors()).toMatch(/no-tasks\.js exports no task/)
  })
})

describe('spindle work', { timeout: 60_000 }, () => {
  it('claims nothing between SIGTSTP and SIGCONT', async () => {
    command = spindle(['work', file, '--url', url])
    await command.printed(/working on whoami/)
    command.child.kill('SIGTSTP')
    await command.printed(/SIGTSTP: nothing more is claimed/)
    const job = await store.enqueue(whoami, { how: '', ms: 0, file: join(folder, 'started') })
    await expect(job.result({ timeoutMs: 700 })).rejects.toMatchObject({ code: 'timeout' })
    command.child.kill('SIGCONT')
    expect(await job.result({ timeoutMs: 20_000 })).toBe(command.child.pid)
  })

  it('shows a live view on a terminal, and gives the terminal back', async ({ skip }) => {
    if (spawnSync('python3', ['-c', 'import pty']).status !== 0) skip('python3 with a pty module is not here')
    const { spawn } = await import('node:child_process')
    const { fileURLToPath } = await import('node:url')
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
    const argv = [
      process.execPath,
      '--import',
      fileURLToPath(import.meta.resolve('tsx')),
      main,
      'work',
      file,
      '--url',
      url,
    ]
    const script = `import pty,sys; sys.exit(pty.spawn(${JSON.stringify(argv)}) >> 8)`
    const terminal = spawn('python3', ['-c', script], { env: { ...process.env, COLUMNS: '100', LINES: '30' } })
    let shown = ''
    terminal.stdout.on('data', (chunk: Buffer) => {
      shown += chunk
    })
    const over = new Promise((resolve) => terminal.on('close', resolve))
    await expect.poll(() => shown, { timeout: 30_000 }).toContain('spindle work')
    const pid = await result('', 0)
    await result('throw').catch(() => {})
    await expect.poll(() => shown, { timeout: 10_000 }).toContain('failed last:')
    expect(shown).toMatch(/queue +ready +delayed +running +dead/)
    process.kill(pid, 'SIGTERM')
    await over
    const [, after = ''] = shown.split('\u001b[?1049l')
    expect(after).toContain('stopped; 2 ended, 1 failed attempts')
  })
})
