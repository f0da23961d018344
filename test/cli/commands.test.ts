import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { open } from 'spindle-mq'
import { task } from 'spindle-mq/tasks'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { jsonLog } from '../../src/cli/console-log.ts'
import { barText } from '../../src/cli/progress-bar.ts'
import { drawTop } from '../../src/cli/top-view.ts'
import { redactFields, redactText } from '../../src/runtime/redact.ts'
import type { Stats } from '../../src/server/admin-access.ts'
import { testServer } from '../serve/test-server.ts'
import { spindle } from './command.ts'

/** Each command is a process of its own. */
const LONG = { timeout: 180_000 }

let folder: string
let data: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spindle-cli-'))
  data = join(folder, 'data')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const command = spindle(args, { cwd: folder, env: { SPINDLE_DATA: data, ...env } })
  const code = await command.exited
  return { code, output: command.output(), errors: command.errors() }
}
const json = async (...args: readonly string[]) => JSON.parse((await run([...args, '--json'])).output) as unknown

describe('the command', () => {
  it('says what it thinks was meant, and exits with 2', async () => {
    expect(await run(['queu'])).toMatchObject({ code: 2, errors: expect.stringMatching(/Did you mean queue\?/) })
  })

  it('prints JSON wherever it answers, and what runs on does not', async () => {
    const script = (await run(['completion', 'bash'])).output
    const words = [...script.matchAll(/^ {4}'([^']*)'\) words='([^']*)'/gm)].map(([, path = '', list = '']) => ({
      path,
      list: list.split(' '),
    }))
    const leaves = words.filter(
      ({ path }) => !words.some((other) => other.path !== path && (path === '' || other.path.startsWith(`${path} `))),
    )
    expect(leaves.length).toBeGreaterThan(30)
    const without = leaves.filter(({ list }) => !list.includes('--json')).map(({ path }) => path)
    expect(without.sort()).toEqual(['autoscale', 'completion', 'dev', 'serve', 'work'])
  })

  it('publishes through topics and exchanges, and shows where they lead', LONG, async () => {
    const server = await testServer()
    const at = { SPINDLE_URL: server.url }
    for (const queue of ['mailer', 'eu']) await server.port.declareQueue(queue, {})
    for (const args of [
      ['topic', 'declare', 'news'],
      ['topic', 'bind', 'news', 'mailer', '--filter', '{"kind": ["order"]}'],
      ['exchange', 'declare', 'orders', '--kind', 'topic'],
      ['exchange', 'bind', 'orders', 'eu', '--key', 'order.eu.#'],
    ]) {
      expect(await run(args, at)).toMatchObject({ code: 0, errors: '' })
    }
    const published = await run(['topic', 'publish', 'news', 'hello', '--header', 'kind=order'], at)
    expect(published.output).toBe('published to 1 queue\n')
    expect((await run(['exchange', 'publish', 'orders', 'x', '--key', 'order.us.new'], at)).output).toBe(
      'published to 0 queues\n',
    )
    expect((await run(['topic', 'list'], at)).output).toMatch(/^news +fanout +queue mailer .*\{"kind":\["order"\]\}$/m)
    expect((await run(['exchange', 'unbind', 'orders', 'eu', '--key', 'order.eu.#'], at)).output).toBe(
      'unbound eu from orders\n',
    )
    expect((await run(['top', '--once'], at)).output).toMatch(/QUEUE +READY.*\n(?:.*\n)*mailer +1 /)
    expect(await run(['health'], at)).toMatchObject({ code: 0, output: '{"status":"ready"}\n' })
    await server.close()
    expect(await run(['health'], at)).toMatchObject({ code: 1, output: expect.stringMatching(/^no answer from /) })
  })

  it('looks at schedules and tasks, and steers them', LONG, async () => {
    const hello = task('hello', {
      input: z.object({ name: z.string() }),
      run: ({ name }) => Promise.resolve(`hello ${name}`),
    })
    const store = await open(`file:${data}`)
    await store.queue('ticks')
    await store.schedule('hourly', { cron: '0 * * * *', queue: 'ticks', body: 'tick' })
    const job = await store.enqueue(hello, { name: 'ada' })
    const cancelled = await store.enqueue(hello, { name: 'bob' })
    await store.close()
    expect(await json('schedule', 'list')).toMatchObject([{ name: 'hourly', queue: 'ticks', fired: 0 }])
    expect((await run(['schedule', 'run', 'hourly'])).output).toMatch(/^hourly: enqueued \S+\n$/)
    expect((await run(['schedule', 'pause', 'hourly'])).output).toBe('hourly: paused\n')
    expect((await run(['schedule', 'show', 'hourly'])).output).toMatch(/^paused +true$/m)
    expect(await run(['schedule', 'run', 'nightly'])).toMatchObject({
      code: 2,
      errors: expect.stringMatching(/no schedule nightly/),
    })
    expect(await json('task', 'status', job.id)).toMatchObject({ state: 'queued', task: 'hello' })
    expect((await run(['task', 'cancel', cancelled.id])).output).toBe(`cancelled ${cancelled.id}\n`)
    const again = await open(`file:${data}`)
    const worker = await again.work([hello])
    await again.job(job.id).result({ timeoutMs: 30_000 })
    await worker.stop()
    await again.close()
    expect((await run(['task', 'result', job.id])).output).toBe('"hello ada"\n')
  })
})

describe('completion', () => {
  const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0
  it.skipIf(!has('bash'))(
    'of bash offers the commands, and the options of the one that is typed (needs bash)',
    async () => {
      const script = (await run(['completion', 'bash'])).output
      await writeFile(join(folder, 'spindle.bash'), script)
      const offered = (...words: readonly string[]): string[] => {
        const line = words.map((word) => `'${word}'`).join(' ')
        const program = `source ${folder}/spindle.bash; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _spindle; echo "\${COMPREPLY[@]}"`
        return execFileSync('bash', ['-c', program], { encoding: 'utf8' }).trim().split(' ')
      }
      expect(offered('spindle', 'sch')).toEqual(['schedule'])
      expect(offered('spindle', 'queue', 'de')).toEqual(['declare', 'delete'])
      expect(offered('spindle', 'queue', 'declare', 'mail', '--le')).toEqual(['--lease-ms'])
    },
  )

  it.skipIf(!has('zsh'))('of zsh completes at the first tab, as a file in fpath (needs zsh)', async () => {
    await writeFile(join(folder, '_spindle'), (await run(['completion', 'zsh'])).output)
    // A shell of its own behind a terminal, whose keys are pressed; each read waits for what should be there.
    const session = `
      zmodload zsh/zpty
      zpty z zsh -f -i
      zpty -w z "PS1='> '; fpath=(${folder} $fpath); autoload -U compinit; compinit -u -D; bindkey '^I' complete-word; print rea''dy"
      zpty -r z seen '*ready*> *'
      zpty -w -n z $'spindle sch\t'
      zpty -r z seen '*spindle schedule*' && print schedule
      zpty -w -n z $'\x15spindle queue declare mail --le\t'
      zpty -r z seen '*mail --lease-ms*' && print lease
      zpty -d z`
    const { stdout } = await promisify(execFile)('zsh', ['-f', '-c', session], { timeout: 30_000 })
    expect(stdout.trim().split('\n')).toEqual(['schedule', 'lease'])
  })

  it.skipIf(!has('fish'))(
    'of fish offers the commands, and the options of the one that is typed (needs fish)',
    async () => {
      await writeFile(join(folder, 'spindle.fish'), (await run(['completion', 'fish'])).output)
      const offered = async (line: string): Promise<string[]> => {
        const program = `source ${folder}/spindle.fish; complete -C '${line}'`
        const { stdout } = await promisify(execFile)('fish', ['--no-config', '-c', program])
        return stdout
          .trimEnd()
          .split('\n')
          .map((one) => one.split('\t')[0] ?? '')
      }
      expect(await offered('spindle sch')).toEqual(['schedule'])
      expect(await offered('spindle queue de')).toEqual(['declare', 'delete'])
      expect(await offered('spindle queue declare mail --le')).toEqual(['--lease-ms'])
    },
  )
})

describe('systemd', () => {
  const tools = ['systemd-notify', 'python3'].every((tool) => spawnSync(tool, ['--version']).status === 0)
  it.skipIf(!tools)(
    'is told when the server is ready, and when it ends (needs systemd-notify and python3)',
    async () => {
      const socket = join(folder, 'notify')
      const received = join(folder, 'received')
      const listener = datagramListener(socket, received)
      await until(async () => (await readFile(received, 'utf8').catch(() => '')).includes('listening'))
      const server = spindle(
        ['serve', '--data', 'memory:', '--port', '0', '--amqp-port', 'off', '--log-format', 'json'],
        {
          cwd: folder,
          env: { NOTIFY_SOCKET: socket },
        },
      )
      const heard = async (word: string): Promise<boolean> => (await readFile(received, 'utf8')).includes(word)
      await until(() => heard('READY=1'))
      expect(JSON.parse(await server.printed(/Ready/))).toMatchObject({
        level: 'info',
        msg: 'Ready.',
        time: expect.any(String),
      })
      server.child.kill('SIGTERM')
      expect(await server.exited).toBe(143)
      await until(() => heard('STOPPING=1'))
      listener.kill()
    },
  )
})

describe('what is shown', () => {
  const queue = (name: string, ready: number, appended: number) => ({
    name,
    ready,
    leased: 1,
    delayed: 0,
    done: 0,
    dead: ready > 100 ? 3 : 0,
    bytes: 10,
    oldestReadyAtMs: ready === 0 ? null : 5_000,
    runP99Ms: null,
    redelivered: 0,
    totals: { appended, delivered: 0, acked: appended - ready, released: 0, lost: 0, died: 0 },
  })
  const stats = (atMs: number, ready: number, appended: number): Stats => ({
    atMs,
    queues: [queue('idle\u001b[2J', 0, 0), queue('busy', ready, appended)],
    queueCount: 2,
    sums: { delayed: 0, ready, leased: 2, done: 0, dead: 3, bytes: 2_000_000 },
    totals: { appended, delivered: 0, acked: appended - ready, released: 0, lost: 0, died: 0 },
    process: { upSeconds: 9, cpuSeconds: 1, residentBytes: 50_000_000, heapBytes: 1, version: '1' },
  })
  const facts = { order: 'ready' as const, columns: 100, rows: 10, colour: false, age: () => '5 s' }

  it('by top are rates between two looks, the chosen order, and no control character of a name', () => {
    const lines = drawTop({ ...facts, before: stats(1_000, 100, 100), now: stats(3_000, 200, 500) })
    expect(lines[0]).toBe('2 queues   ready 200   leased 2   delayed 0   dead 3')
    expect(lines[1]).toMatch(/^in 200\/s {3}out 150\/s {3}2\.0 MB of messages/)
    expect(lines[4]).toMatch(/^busy +200 +1 +0 +3 +200 +150 +5 s$/)
    expect(lines[5]).toMatch(/^idle\\x1b\[2J /)
    expect(drawTop({ ...facts, before: undefined, now: stats(1, 1, 1), rows: 5 })).toHaveLength(5)
    expect(drawTop({ ...facts, colour: true, before: undefined, now: stats(1, 200, 1) })[4]).toContain('\u001b[31mbusy')
  })

  it('as a bar is how much is done', () => {
    expect(barText({ label: 'copied', done: 5, total: 10 })).toBe(`copied [${'#'.repeat(15)}${'.'.repeat(15)}] 50 %`)
    expect(barText({ label: 'moved', done: 5, total: undefined })).toBe('moved 5')
  })

  it('in a log has no secret, wherever it stands', () => {
    const token = `spt_${'a'.repeat(40)}`
    expect(redactText(`took ${token} from http://ada:pa55@host/ with Authorization: Bearer abcdefgh12`)).toBe(
      'took [redacted] from http://ada:[redacted]@host/ with Authorization: Bearer [redacted]',
    )
    const fields = redactFields({
      password: 'x',
      accessKeySecret: 'x',
      fault: Object.assign(new Error(`refused ${token}`), { code: 'access-denied' }),
      list: [token],
      queue: 'mail',
      bytes: new Uint8Array(3),
    })
    expect(fields).toMatchObject({
      password: '[redacted]',
      accessKeySecret: '[redacted]',
      fault: { code: 'access-denied', message: 'refused [redacted]' },
      list: ['[redacted]'],
      queue: 'mail',
      bytes: '3 bytes',
    })
    expect(JSON.stringify(fields)).not.toContain(token)
    expect(Object.keys(jsonLog)).toEqual(['info', 'warn', 'error'])
  })
})

function datagramListener(socket: string, file: string) {
  const program = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
out = open(sys.argv[2], 'a', buffering=1)
out.write('listening\\n')
while True: out.write(s.recv(4096).decode() + '\\n')
`
  return spawn('python3', ['-c', program, socket, file], { stdio: 'ignore' })
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 60_000
  while (!(await reached())) {
    if (Date.now() > endMs) throw new Error('it was never reached')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
