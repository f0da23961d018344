import { open } from 'spindle-mq'
import { expect, it } from 'vitest'
import { testServer } from '../serve/test-server.ts'
import { fixture, spindle } from './command.ts'
import { double } from './fixtures/tasks.ts'

const WORKER = 'token-of-a-worker-0123'
const OPERATOR = 'token-of-an-operator-01'

it('spindle work runs tasks of a server, as a user who may do just that', async () => {
  const server = await testServer()
  await server.users.put('worker', {
    grants: [{ verbs: ['read', 'configure'], resources: ['double'] }],
    tokens: [WORKER],
  })
  await server.users.put('ops', { grants: [{ verbs: ['admin'], resources: ['*'] }], tokens: [OPERATOR] })
  const store = await open(server.url, { auth: { token: OPERATOR } })
  try {
    const args = ['work', fixture('tasks.ts'), '--queue', 'double', '--url', server.url]
    const work = spindle(args, { env: { SPINDLE_TOKEN: WORKER } })
    await work.printed(/ working on double at http:\/\/127\.0\.0\.1:\d+, 10 at a time$/)
    const job = await store.enqueue(double, 21)
    expect(await job.result({ timeoutMs: 20_000 })).toBe(42)
    work.child.kill('SIGTERM')
    expect(await work.exited).toBe(143)
    const refused = spindle(args, { env: { SPINDLE_TOKEN: 'a-token-of-nobody-01' } })
    expect(await refused.exited).toBe(1)
    expect(refused.errors()).toMatch(
      /^.*\nspindle: connect: The server has users, and the call does not say whose it is\./,
    )
  } finally {
    await store.close()
    await server.close()
  }
})
