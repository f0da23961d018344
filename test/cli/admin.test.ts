import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'spindle-mq'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type TestServer, testServer } from '../serve/test-server.ts'
import { spindle } from './command.ts'

let folder: string
let data: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spindle-admin-'))
  data = join(folder, 'data')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** The command in a process of its own, on this test's folder unless it says otherwise. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}, input = '') {
  const command = spindle(args, { cwd: folder, env: { SPINDLE_DATA: data, ...env }, input })
  const code = await command.exited
  return { code, output: command.output(), errors: command.errors() }
}
const json = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
  const { code, output, errors } = await run([...args, '--json'], env)
  expect([code, errors]).toEqual([0, ''])
  return JSON.parse(output) as unknown
}

describe('spindle queue', () => {
  it('declares, lists, measures, purges and deletes', async () => {
    const declared = await run(['queue', 'declare', 'mail', '--lease-ms', '5000', '--policy', '{"attemptsMax": 7}'])
    expect(declared).toEqual({ code: 0, output: 'declared mail\n', errors: '' })
    expect(await run(['queue', 'list'])).toMatchObject({
      output: 'QUEUE  READY  LEASED  DELAYED  DEAD  BYTES  OLDEST\nmail       0       0        0     0      0  -\n',
    })
    expect(await json(['queue', 'measure', 'mail'])).toMatchObject({ policy: { leaseMs: 5000, attemptsMax: 7 } })
    await run(['message', 'send', 'mail', 'hello'])
    expect(await run(['queue', 'delete', 'mail', '--if-empty'])).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^spindle: .*The queue still holds messages/),
    })
    expect((await run(['queue', 'purge', 'mail'])).output).toBe('purged 1 from mail\n')
    expect((await run(['queue', 'delete', 'mail', '--if-empty'])).output).toBe('deleted mail\n')
    expect(await json(['queue', 'list'])).toEqual([])
  })

  it('joins a folder whose owner runs', async () => {
    const owner = await open(`file:${data}`)
    try {
      await (await owner.queue('mail')).send('hello')
      expect(await json(['queue', 'list'])).toMatchObject([{ name: 'mail', ready: 1 }])
    } finally {
      await owner.close()
    }
  })

  it('makes no folder by looking at one', async () => {
    expect(await run(['queue', 'list', '--data', join(folder, 'typo')])).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^spindle: there is no data folder .*typo\n$/),
    })
    expect(existsSync(join(folder, 'typo'))).toBe(false)
  })

  it.each([
    [['queue', 'lsit'], /unknown command 'lsit'\n\(Did you mean list\?\)/],
    [['queue', 'list', '--prefx', 'a'], /Did you mean --prefix\?/],
    [['queue', 'declare', 'q', '--policy', '{'], /--policy must be JSON/],
    [['queue', 'list', '--url', 'redis://x'], /--url redis:\/\/x must be http:\/\/HOST:PORT or file:PATH/],
    [['user', 'add', 'ada', '--grant', 'eat:*'], /grant\[0\]\.verbs\[0\] must be one of/],
    [['queue'], /Usage: spindle queue/],
  ])('refuses %j as a mistake in usage', async (args, errors) => {
    const refused = await run(args)
    expect(refused.errors).toMatch(errors)
    expect(refused.code).toBe(2)
  })

  it.each(['queue', 'message', 'dead', 'user'])('explains %s', async (group) => {
    const { code, output } = await run([group, '--help'])
    expect(code).toBe(0)
    expect(output).toMatch(new RegExp(`Usage: spindle ${group}[\\s\\S]*Commands:`))
  })
})

describe('spindle message', () => {
  it('sends, browses, and receives with and without ack', async () => {
    await run(['queue', 'declare', 'mail'])
    const sent = await run([
      'message',
      'send',
      'mail',
      '{"to":"ada"}',
      '--json-body',
      '--header',
      'a=b=c',
      '--type',
      't',
    ])
    expect(sent.output).toMatch(/^[0-9a-f-]{36}\n$/)
    expect(await json(['message', 'browse', 'mail'])).toMatchObject([
      { body: '{"to":"ada"}', encoding: 'json', headers: { a: 'b=c' }, type: 't', attempts: 0 },
    ])
    expect((await run(['message', 'receive', 'mail'])).output).toBe('{"to":"ada"}\n')
    expect(await json(['message', 'receive', 'mail', '--ack'])).toMatchObject([{ attempts: 1 }])
    expect(await json(['queue', 'measure', 'mail'])).toMatchObject({ ready: 0, leased: 0 })
  })

  it('sends each line of its input', async () => {
    await run(['queue', 'declare', 'mail'])
    expect(
      (await run(['message', 'send', 'mail', '--lines'], {}, 'one\ntwo\n\nthree\n')).output.split('\n'),
    ).toHaveLength(4)
    expect((await run(['message', 'receive', 'mail', '--max', '9'])).output).toBe('one\ntwo\nthree\n')
  })

  it('fails when the queue refuses', async () => {
    await run(['queue', 'declare', 'mail', '--policy', '{"lengthMax": 0}'])
    expect(await run(['message', 'send', 'mail', 'x'])).toMatchObject({ code: 1, output: 'refused: queue-full\n' })
    expect(await run(['message', 'send', 'nowhere', 'x'])).toMatchObject({
      code: 1,
      output: 'refused: no-such-queue\n',
    })
  })

  it('shows no control characters in tables', async () => {
    await run(['queue', 'declare', 'mail'])
    await run(['message', 'send', 'mail', 'red \u001b[31m \u202e'])
    expect((await run(['message', 'browse', 'mail'])).output).toMatch(/red \\x1b\[31m \\u202e/)
  })
})

describe('spindle dead', () => {
  it('lists what died and moves it back', async () => {
    const owner = await open(`file:${data}`)
    const queue = await owner.queue('mail')
    await queue.send('hello')
    const [message] = await queue.receive()
    await message?.bury('no such address')
    await owner.close()
    expect((await run(['dead', 'list'])).output).toBe('QUEUE  DEAD\nmail      1\n')
    expect(await json(['dead', 'list', 'mail'])).toMatchObject([{ state: 'dead', body: 'hello' }])
    expect(await run(['dead', 'redrive', 'mail'])).toMatchObject({ code: 0, output: 'completed: moved 1\n' })
    expect(await json(['queue', 'measure', 'mail'])).toMatchObject({ ready: 1, dead: 0 })
  })
})

describe('spindle user', () => {
  it('adds, lists and removes, and prints a secret once', async () => {
    const added = await run([
      'user',
      'add',
      'ada',
      '--grant',
      'read:mail',
      'write:orders-*',
      '--new-token',
      '--access-key',
    ])
    expect(added.output).toMatch(
      /^user ada: read:mail write:orders-\*\ntoken, shown once: spt_\S+\naccess key id: SPK\w+\nsecret access key, shown once: \S+\n$/,
    )
    const token = /spt_\S+/.exec(added.output)?.[0] ?? ''
    const listed = await run(['user', 'list'])
    expect(listed.output).toMatch(/ada {2,}read:mail write:orders-\*/)
    expect(listed.output).not.toContain(token)
    expect(await run(['user', 'add', 'bob', '--password-stdin', '--admin'], {}, 'canary\n')).toMatchObject({ code: 0 })
    expect(await json(['user', 'list'])).toMatchObject([{ name: 'ada' }, { name: 'bob', hasPassword: true }])
    expect((await run(['user', 'remove', 'ada'])).output).toBe('removed ada\n')
    expect(await run(['user', 'remove', 'ada'])).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/No user has this name/),
    })
  })
})

describe('a server', () => {
  let server: TestServer
  beforeEach(async () => {
    server = await testServer()
  })
  afterEach(() => server.close())

  it('is administered by its URL, with a token once it has users', async () => {
    const env = { SPINDLE_URL: server.url }
    await server.port.declareQueue('mail', {})
    expect((await run(['message', 'send', 'mail', 'hello'], env)).code).toBe(0)
    expect((await run(['stats', '--url', server.url])).output).toMatch(/^queues: number 1\nmessages: .*ready 1/)
    const admin = await run(['user', 'add', 'ops', '--admin', '--new-token'], env)
    const token = /spt_\S+/.exec(admin.output)?.[0] ?? ''
    expect(await run(['stats'], env)).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/does not say whose it is/),
    })
    expect(await json(['stats'], { ...env, SPINDLE_TOKEN: token })).toMatchObject({ queueCount: 1 })
    expect((await run(['queue', 'purge', 'nowhere'], { ...env, SPINDLE_TOKEN: token })).errors).toBe(
      "spindle: look at 'nowhere': The queue has not been declared. Declare it first with spindle.queue(name).\n",
    )
  })

  it('that is not there is named', async () => {
    await server.close()
    expect(await run(['stats', '--url', server.url])).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^spindle: no server answers at http:\/\/127\.0\.0\.1:\d+ \(.*ECONNREFUSED/),
    })
  })
})
