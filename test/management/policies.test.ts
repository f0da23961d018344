import { describe, expect, it } from 'vitest'
import { compileNamePattern } from '../../src/frontends/amqp/policies/name-pattern.ts'
import { connected } from '../amqp/serving.ts'
import { servedManagement } from './serving.ts'

const policyOf = async (port: { measure(queues: string[]): Promise<{ policy: unknown }[]> }, queue: string) =>
  (await port.measure([queue]))[0]?.policy

describe('policies', () => {
  it('govern queues that are there, those that come, and let go again', async () => {
    const { server, call, amqpUrl } = await servedManagement()
    await call('PUT', '/queues/%2F/jobs-old', {})
    await call('PUT', '/queues/%2F/other', {})
    await call('PUT', '/queues/%2F/jobs-strict', { arguments: { 'x-max-length': 3, 'x-message-ttl': 9_000 } })
    const definition = {
      'max-length': 5,
      'message-ttl': 2_000,
      overflow: 'reject-publish',
      'dead-letter-exchange': 'dlx',
      'dead-letter-routing-key': 'dead',
      'delivery-limit': 4,
      'ha-mode': 'all',
    }
    const policy = { pattern: '^jobs-', definition, priority: 1, 'apply-to': 'queues' }
    expect((await call('PUT', '/policies/%2F/jobs', policy)).status).toBe(201)
    expect((await call('PUT', '/policies/%2F/jobs', policy)).status).toBe(204)
    const ruled = {
      lengthMax: 5,
      ttlMs: 2_000,
      overflow: 'reject',
      onDeath: { kind: 'exchange', exchange: 'dlx', key: 'dead' },
      attemptsMax: 5,
    }
    expect(await policyOf(server.port, 'jobs-old')).toMatchObject(ruled)
    expect(await policyOf(server.port, 'jobs-strict')).toMatchObject({ lengthMax: 3, ttlMs: 2_000 })
    expect(await policyOf(server.port, 'other')).toMatchObject({ lengthMax: null, ttlMs: null })
    const { connection } = await connected(amqpUrl)
    const channel = await connection.createChannel()
    await channel.assertQueue('jobs-new')
    // What it was declared with is what is compared, not what the policy says.
    await channel.assertQueue('jobs-new')
    expect(await policyOf(server.port, 'jobs-new')).toMatchObject(ruled)
    const shown = (await call('GET', '/queues/%2F/jobs-new')).body
    expect([shown.policy, shown.effective_policy_definition, shown.arguments]).toEqual(['jobs', definition, {}])
    await call('PUT', '/policies/%2F/first', {
      ...policy,
      priority: 9,
      pattern: 'new$',
      definition: { expires: 60_000 },
    })
    expect((await server.port.measure(['jobs-new']))[0]).toMatchObject({
      lifetime: { kind: 'idle', idleMs: 60_000 },
      policy: { lengthMax: null },
    })
    expect((await call('GET', '/policies')).body.map(({ name }: { name: string }) => name)).toEqual(['first', 'jobs'])
    await call('DELETE', '/policies/%2F/first')
    expect((await call('DELETE', '/policies/%2F/jobs')).status).toBe(204)
    expect((await server.port.measure(['jobs-new']))[0]).toMatchObject({
      lifetime: { kind: 'durable' },
      policy: { lengthMax: null, ttlMs: null, onDeath: { kind: 'discard' } },
    })
    expect((await call('DELETE', '/policies/%2F/jobs')).status).toBe(404)
  })

  it('leave queues of other protocols and other virtual hosts alone', async () => {
    const { server, call } = await servedManagement()
    await call('PUT', '/vhosts/v', {})
    await call('PUT', '/queues/v/q', {})
    await server.port.declareQueue('sqs-made', { ttlMs: 7_000 })
    await call('PUT', '/policies/%2F/all', { pattern: '.*', definition: { 'message-ttl': 1_000 } })
    expect(await policyOf(server.port, 'sqs-made')).toMatchObject({ ttlMs: 7_000 })
    expect(await policyOf(server.port, 'vhost:v/q')).toMatchObject({ ttlMs: null })
  })

  it('give exchanges an alternate', async () => {
    const { server, call } = await servedManagement()
    await call('PUT', '/exchanges/%2F/before', { type: 'direct' })
    await call('PUT', '/exchanges/%2F/own', { type: 'direct', arguments: { 'alternate-exchange': 'mine' } })
    await call('PUT', '/policies/%2F/ae', {
      pattern: '.*',
      'apply-to': 'exchanges',
      definition: { 'alternate-exchange': 'spare' },
    })
    await call('PUT', '/exchanges/%2F/after', { type: 'direct' })
    const found = await server.port.listExchanges(['before', 'own', 'after'])
    const alternates = Object.fromEntries(found.map(({ exchange, settings }) => [exchange, settings.alternate]))
    expect(alternates).toEqual({ before: 'spare', own: 'mine', after: 'spare' })
  })

  it('are refused, with the name of what is wrong', async () => {
    const { call } = await servedManagement()
    const put = async (policy: object) => (await call('PUT', '/policies/%2F/p', policy)).body?.reason
    expect(await put({ pattern: '(', definition: { expires: 1 } })).toContain("'(' without its ')'")
    expect(await put({ pattern: '(?=a)', definition: { expires: 1 } })).toContain("uses '(?'")
    expect(await put({ pattern: 'a', definition: { nope: 1 } })).toContain('definition.nope is not supported')
    expect(await put({ pattern: 'a', definition: JSON.parse('{"__proto__":1}') })).toContain('definition.__proto__')
    expect(await put({ pattern: 'a', definition: { expires: 'x' } })).toContain(
      'definition.expires must be a whole number',
    )
    expect(await put({ pattern: 'a', definition: {} })).toContain('must say something')
    expect(await put({ pattern: 'a', definition: { expires: 1 }, 'apply-to': 'streams' })).toContain('apply-to')
  })
})

describe('patterns of names', () => {
  const patterns = [
    '^a',
    'b$',
    '^a.*z$',
    'a|b|c$',
    '^(a|bc)+$',
    '[a-c]x',
    '[^a-c]',
    '^\\d{2,3}-\\w+',
    'a{2}',
    '^a?b*c+$',
    '\\.',
    '(?:ab)+?c',
    '^$',
    '',
    '[a-]',
    '^(a*)*$',
    'x{0,2}y',
    '(a|)b',
    '\\$',
    '.',
  ]
  const names = [
    '',
    'a',
    'ab',
    'abc',
    'abcz',
    'bc',
    'bcbc',
    'cx',
    'dx',
    '12-ab',
    '1-ab',
    'aa',
    'aaab',
    'bcc',
    'a.b',
    'ababc',
    ']',
    '-',
    'xxy',
    'xxxy',
    'b',
    '$',
    '\n',
  ]

  it.each(patterns)('match as a regular expression does: %j', (pattern) => {
    const expected = new RegExp(pattern)
    const fits = compileNamePattern(pattern)
    for (const name of names) expect(fits(name), JSON.stringify(name)).toBe(expected.test(name))
  })

  it('take a first closing bracket of a set for itself, as RabbitMQ does', () => {
    expect(['a', ']', 'b'].map(compileNamePattern('[]a]'))).toEqual([true, true, false])
  })

  it('take no longer for the worst pattern than its length times the length of the name', () => {
    const fits = compileNamePattern('^(a+)+(a|a)*(a{0,50}){0,20}$')
    const before = process.cpuUsage().user
    expect(fits(`${'a'.repeat(250)}!`)).toBe(false)
    expect(process.cpuUsage().user - before).toBeLessThan(2_000_000)
  })

  it.each([
    '(',
    ')',
    'a)',
    '[a',
    '*a',
    'a**',
    '\\b',
    '\\1',
    '(?i)a',
    '(?<n>a)',
    '[[:alpha:]]',
    '[z-a]',
    'a{5,2}',
    'a{2000}',
    '(a{999}){999}',
    '('.repeat(60),
  ])('refuse %j', (pattern) => {
    expect(() => compileNamePattern(pattern)).toThrow(/pattern/)
  })
})
