import { execFileSync } from 'node:child_process'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { connect as amqpConnect } from 'amqplib'
import { expect, it } from 'vitest'
import { parseGrant } from '../../src/model/access.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { startServer } from '../../src/server/serve.ts'
import { defaultServeSettings } from '../../src/server/settings.ts'
import { call } from '../admin/call.ts'

/** Whatever was logged, as far in as anybody could print it. */
function recorder() {
  const lines: string[] = []
  const write =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      lines.push(`${level} ${message} ${JSON.stringify(fields, deep)}`)
    }
  return { lines, log: { info: write('info'), warn: write('warn'), error: write('error') } }
}

function deep(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  return { ...value, message: value.message, stack: value.stack, cause: value.cause }
}

it('shows no secret that went through it', async () => {
  const { lines, log } = recorder()
  const parts = { clock: systemClock, random: systemRandom, log, version: '0' }
  const settings = { ...defaultServeSettings, data: 'memory:', ports: [0], amqpPort: 0, managementPort: 0 }
  const server = await startServer({ ...settings, initAdmin: true }, parts)
  const at = (kind: string): string => server.listening.find((one) => one.kind === kind)?.url ?? ''
  const url = at('http')
  const admin = { authorization: `Bearer ${server.adminToken}` }
  const told: string[] = []
  const keep = (answer: { readonly body: unknown }): void => {
    told.push(JSON.stringify(answer.body))
  }
  await server.users.put('ada', {
    password: 'canary-password',
    grants: [parseGrant('admin:*')],
    tokens: ['canary-token-0123456'],
  })
  const key = await server.users.addAccessKey('ada')
  const secrets = ['canary', server.adminToken ?? '', key.secret]

  for (const body of [
    { user: 'ada', password: 'canary-wrong' },
    { token: 'canary-wrong-token' },
    { password: 'canary' },
  ]) {
    keep(await call(url, 'POST', '/session', { body }))
  }
  keep(await call(url, 'GET', '/queues', { headers: { authorization: 'Bearer canary-wrong-token' } }))
  keep(await call(url, 'PUT', '/users/bob', { headers: admin, body: { password: 'canary-of-bob' } }))
  keep(await call(url, 'PUT', '/users/bob', { headers: admin, body: { password: { canary: 1 } } }))
  keep(await call(url, 'PUT', '/users/bob', { headers: admin, body: { tags: 'canary-in-the-wrong-place' } }))
  keep(await call(url, 'PUT', '/queues/mail', { headers: admin }))
  keep(
    await call(url, 'POST', '/queues/mail/messages', { headers: admin, body: { messages: [{ body: 'canary-body' }] } }),
  )
  for (const path of ['/users', '/audit', '/stats', '/session']) keep(await call(url, 'GET', path, { headers: admin }))
  told.push(await (await fetch(`${url}/metrics`, { headers: admin })).text())

  const sqs = (secretAccessKey: string) =>
    new SQSClient({
      endpoint: url,
      region: 'us-east-1',
      credentials: { accessKeyId: key.id, secretAccessKey },
      maxAttempts: 1,
    })
  const message = { QueueUrl: `${url}/000000000000/mail`, MessageBody: 'canary-sqs' }
  await sqs(key.secret).send(new SendMessageCommand(message))
  told.push(
    String(
      await sqs('canary-wrong')
        .send(new SendMessageCommand(message))
        .catch((fault: unknown) => fault),
    ),
  )

  const amqp = new URL(at('amqp'))
  const login = (password: string) => amqpConnect(`amqp://ada:${password}@${amqp.host}`)
  await (await login('canary-password')).close()
  told.push(String(await login('canary-wrong').catch((fault: unknown) => fault)))
  const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`ada:${password}`).toString('base64')}` })
  for (const password of ['canary-password', 'canary-wrong']) {
    const answer = await fetch(`${at('management')}/api/users`, { headers: basic(password) })
    // The management API tells password hashes, as RabbitMQ does, and no password.
    told.push(await answer.text())
  }
  await server.stop(0)

  expect(lines.length).toBeGreaterThan(3)
  expect(told.length).toBeGreaterThan(15)
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(5)
    for (const line of [...lines, ...told]) expect(line).not.toContain(secret)
  }
})

it('no option of the command takes a password, where everybody on the machine could read it', () => {
  const main = new URL('../../src/cli/main.ts', import.meta.url).pathname
  const help = execFileSync(process.execPath, ['--import', import.meta.resolve('tsx'), main, 'user', 'add', '--help'], {
    encoding: 'utf8',
  })
  expect(help).toMatch(/--password-stdin/)
  expect(help).not.toMatch(/--(?:password|secret)\S* <|--(?:password|secret)[= ]</)
})
