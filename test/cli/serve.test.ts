import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'spindle-mq'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { Disk } from '../../src/runtime/disk.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { nodeDisk } from '../../src/runtime/node-disk.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { openFolder } from '../../src/server/folder.ts'
import { type Command, spindle } from './command.ts'

let folder: string
const running: Command[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spindle-serve-'))
})
afterEach(async () => {
  for (const command of running.splice(0)) {
    command.child.kill('SIGKILL')
    await command.exited
  }
  await rm(folder, { recursive: true, force: true })
})

const BASE = ['serve', '--port', '0', '--amqp-port', 'off']
function serve(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Command {
  const command = spindle([...BASE, ...args], { cwd: folder, env })
  running.push(command)
  return command
}
async function urlOf(command: Command): Promise<string> {
  await command.printed(/Ready\.$/)
  return /on (https?:\S+)/.exec(command.output())?.[1] ?? ''
}

describe('spindle serve', () => {
  it('says where it listens, that it runs open, and drains on SIGTERM with 143', async () => {
    const command = serve()
    const url = await urlOf(command)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(command.output()).toMatch(/SQS, SNS and admin API on http/)
    expect(command.output()).toMatch(/data in \.\/data\n/)
    expect(command.output()).toMatch(/no users: everybody on this machine may do everything/)
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' })
    command.child.kill('SIGTERM')
    expect(await command.exited).toBe(143)
    expect(command.output()).toMatch(/stopped\n$/)
  })

  it('ends waits with an empty answer and lets requests finish when it is told to stop', async () => {
    const command = serve()
    const url = await urlOf(command)
    const call = async (action: string, body: object) => {
      const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` }
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
      return [response.status, await response.json()] as const
    }
    await call('CreateQueue', { QueueName: 'jobs' })
    const waiting = call('ReceiveMessage', { QueueUrl: 'jobs', WaitTimeSeconds: 20 })
    // The receive came first, on a connection of its own; once this is answered it waits.
    await call('GetQueueUrl', { QueueName: 'jobs' })
    const beganMs = performance.now()
    command.child.kill('SIGTERM')
    expect(await waiting).toEqual([200, {}])
    expect(await command.exited).toBe(143)
    expect(performance.now() - beganMs).toBeLessThan(15_000)
  })

  it('exits at once with the second signal, whatever still goes on', async () => {
    const command = serve()
    const { hostname, port } = new URL(await urlOf(command))
    // A request whose body never comes: draining would wait for it.
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    await new Promise((connected) => socket.once('connect', connected))
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nA')
    await (await fetch(`http://${hostname}:${port}/healthz`)).text()
    command.child.kill('SIGTERM')
    await command.printed(/SIGTERM: finishing requests, up to 25 s; again to exit at once/)
    command.child.kill('SIGINT')
    expect(await command.exited).toBe(130)
    expect(command.output()).not.toMatch(/stopped/)
    socket.destroy()
  })

  it('says that guest may log in to AMQP while there are no users, and only then', async () => {
    const guest = /AMQP clients on this machine log in as guest with the password guest, until there are users\n/
    const open = serve(['--amqp-port', '0'])
    await urlOf(open)
    expect(open.output()).toMatch(guest)
    open.child.kill('SIGTERM')
    await open.exited
    const closed = serve(['--amqp-port', '0', '--init-admin'])
    await urlOf(closed)
    expect(closed.output()).not.toMatch(guest)
    const without = serve(['--data', 'memory:'])
    await urlOf(without)
    expect(without.output()).not.toMatch(guest)
  })

  it('exits with 130 on SIGINT', async () => {
    const command = serve()
    await urlOf(command)
    command.child.kill('SIGINT')
    expect(await command.exited).toBe(130)
  })

  it('joins a folder that another process owns', async () => {
    const owner = await open(`file:${join(folder, 'data')}`)
    try {
      await owner.queue('mail')
      const url = await urlOf(serve())
      expect((await fetch(`${url}/readyz`)).status).toBe(200)
      expect(await owner.load('spindle/readiness')).toMatchObject({ version: 1 })
    } finally {
      await owner.close()
    }
  })

  it('takes a flag before a variable, and a variable before the file', async () => {
    await writeFile(join(folder, 'spindle.config.json'), '{ "data": "from-file", "host": "::1", "port": 1 }')
    const command = serve([], { SPINDLE_DATA: 'from-variable', SPINDLE_HOST: 'localhost', SPINDLE_PORT: '2' })
    await urlOf(command)
    expect(command.output()).toMatch(/data in from-variable\n/)
    expect(command.output()).not.toMatch(/::1/)
  })

  it('names queues that promise less, and memory', async () => {
    await writeFile(
      join(folder, 'spindle.config.json'),
      '{ "queues": { "fast": { "durability": "relaxed" }, "mail": {} } }',
    )
    const command = serve()
    await urlOf(command)
    expect(command.output()).toMatch(/relaxed, so that a power cut may lose what was just acknowledged: fast\n/)
    const volatile = serve(['--data', 'memory:'])
    await urlOf(volatile)
    expect(volatile.output()).toMatch(/memory: nothing outlives this process\n/)
  })

  it('makes what a TypeScript configuration declares', async () => {
    await writeFile(
      join(folder, 'spindle.config.ts'),
      `const leaseMs: number = 5_000
       export default { queues: { mail: { leaseMs } }, topics: { news: { subscriptions: [{ queue: 'mail' }] } } }`,
    )
    // The loader is that of the project, so the project is this one.
    const command = spindle([...BASE, '--config', join(folder, 'spindle.config.ts'), '--data', join(folder, 'data')])
    running.push(command)
    await urlOf(command)
    const joined = await open(`file:${join(folder, 'data')}`)
    expect(await joined.measure()).toMatchObject([{ queue: 'mail', policy: { leaseMs: 5_000 } }])
    await joined.close()
  })

  // Node 20 strips no types, Node 24 does.
  it('says what is wrong with a TypeScript configuration, or which loader it needs', async () => {
    await writeFile(join(folder, 'spindle.config.ts'), 'export default { prot: 1 as number }')
    const command = serve()
    expect(await command.exited).toBe(2)
    expect(command.errors()).toMatch(
      'typescript' in process.features && process.features.typescript !== false
        ? /spindle\.config\.ts: prot must be one of/
        : /spindle\.config\.ts is TypeScript, and neither tsx nor jiti is installed/,
    )
  })

  it.each([
    ['{ "prot": 1 }', /spindle: spindle\.config\.json: prot must be one of data, host, port/],
    ['{ "port": 70000 }', /port must be a whole number from 0 to 65535/],
    ['{ "queues": { "mail": { "leaseMs": -1 } } }', /queues\.mail\.leaseMs is -1 but must be 1 to/],
    ['{ "queues": { "mail": { "lease": 1 } } }', /queues\.mail\.lease is 1 but must be one of leaseMs/],
    ['{ "topics": { "n": { "subscriptions": [{}] } } }', /topics\.n\.subscriptions\[0\]\.queue must be given/],
    [
      '{ "users": { "ada": { "grants": [{ "verbs": ["eat"] }] } } }',
      /users\.ada\.grants\[0\]\.verbs\[0\] must be one of/,
    ],
    ['{ "users": { "ada": { "pasword": "canary" } } }', /users\.ada\.pasword must be one of tags, grants, password/],
    ['{ "bindings": [{ "exchange": "e" }] }', /bindings\[0\] must name one of queue and toExchange/],
    ['{ "aws": { "account": "12" } }', /aws\.account must be twelve digits/],
    ['{ "__proto__": 1 }', /__proto__ must be one of/],
    ['[]', /it must be an object/],
    ['{\n"users": { "ada": { "password": "canary" } } }]', /spindle\.config\.json cannot be read as JSON \(line 2\)/],
  ])('refuses the configuration %s', async (text, errors) => {
    await writeFile(join(folder, 'spindle.config.json'), text)
    const command = serve()
    expect(await command.exited).toBe(2)
    expect(command.errors()).toMatch(errors)
    expect(command.errors()).not.toMatch(/canary/)
  })

  it.each([
    [['--port', 'http'], /spindle: flags: port\[1\] must be a whole number/],
    [['--amqp-port', 'on'], /flags: amqpPort must be a port or 'off'/],
    [['--tls-cert', 'cert.pem'], /flags: tls\.key must be given/],
    [['--tls-cert', 'no.pem', '--tls-key', 'no.pem'], /tls\.cert: no\.pem cannot be read/],
    [['--config', 'no.json'], /there is no configuration file no\.json/],
    [['--insecur'], /Did you mean --insecure\?/],
  ])('refuses %j as a mistake in usage', async (args, errors) => {
    const command = serve(args)
    expect(await command.exited).toBe(2)
    expect(command.errors()).toMatch(errors)
  })

  it('fails with 1 when the port is taken', async () => {
    const taker = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taker.once('listening', resolve))
    const { port } = taker.address() as AddressInfo
    const command = serve(['--port', String(port)])
    expect(await command.exited).toBe(1)
    expect(command.errors()).toMatch(`spindle: listen on 127.0.0.1:${port} (another program listens there)`)
    taker.close()
  })

  it('fails with 1 and a sentence when the folder is none', async () => {
    await writeFile(join(folder, 'data'), 'a file')
    const command = serve()
    expect(await command.exited).toBe(1)
    expect(command.errors()).toMatch(/^spindle: EEXIST: file already exists, mkdir '.*data'\n$/m)
    expect(command.errors()).not.toMatch(/\n {4}at /)
  })

  it('refuses a network address without users and TLS, and says so in red where it is told to go on', async () => {
    const refused = serve(['--host', '0.0.0.0'])
    expect(await refused.exited).toBe(1)
    expect(refused.errors()).toMatch(/listen on 0\.0\.0\.0 without users and TLS/)
    const command = serve(['--host', '0.0.0.0', '--init-admin'], { SPINDLE_INSECURE: '1', FORCE_COLOR: '1' })
    await urlOf(command)
    command.child.kill('SIGTERM')
    await command.exited
    expect(command.errors()).toContain('\u001b[31;1mINSECURE: listening on 0.0.0.0 without TLS')
    expect(command.output()).toMatch(/its token, shown once: spt_[\w-]{40}\n/)
  })

  it('exits with 1 when the store is poisoned, after which the next one recovers', async () => {
    const data = join(folder, 'data')
    const owner = await openFolder(data, {
      ...parts,
      engine: (place) => new EmbeddedEngine({ disk: failing(nodeDisk(place)), ...parts }),
    })
    await owner.declareQueue('mail', {})
    const content = { head: new Uint8Array(0), body: Buffer.from('kept') }
    await owner.append('mail', [{ content }])
    const command = serve()
    await urlOf(command)
    broken = true
    await expect(owner.append('mail', [{ content }])).rejects.toMatchObject({ code: 'poisoned' })
    expect(await command.exited).toBe(1)
    expect(command.errors()).toMatch(/spindle: the store stopped: .*A write or sync failed/)
    await owner.close().catch(() => {})
    const next = await open(`file:${data}`)
    expect((await next.measure())[0]?.ready).toBeGreaterThanOrEqual(1)
    await next.close()
  })
})

const parts = { clock: systemClock, random: systemRandom, log: silentLog, limits: defaultLimits }
let broken = false

/** A disk whose syncs fail once `broken`. */
function failing(disk: Disk): Disk {
  return {
    ...disk,
    async open(path, mode) {
      const file = await disk.open(path, mode)
      const { datasync } = file
      file.datasync = () => (broken ? Promise.reject(new Error('EIO')) : datasync.call(file))
      return file
    },
  }
}
