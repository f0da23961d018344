import { describe, expect, it } from 'vitest'
import { StoredUsers } from '../../src/broker/users.ts'
import { parseGrant } from '../../src/model/access.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { startedBroker } from './started.ts'

async function rig() {
  const { broker: port, clock } = await startedBroker()
  const parts = { port, clock, random: seededRandom(7), log: silentLog }
  return { port, clock, users: await StoredUsers.open(parts), others: await StoredUsers.open(parts) }
}

describe('users', () => {
  it('are none at first', async () => {
    const { users } = await rig()
    expect(users.configured()).toBe(false)
    expect(users.list()).toEqual([])
    expect(await users.withPassword('ada', '')).toBeUndefined()
    expect(users.withToken('')).toBeUndefined()
    expect(users.accessKey('')).toBeUndefined()
  })

  it('prove who they are by password, token or access key', async () => {
    const { users } = await rig()
    await users.put('ada', { password: 'lovelace', grants: [parseGrant('read:orders')], tags: ['monitoring'] })
    const token = await users.addToken('ada')
    const key = await users.addAccessKey('ada')
    expect(users.configured()).toBe(true)
    expect(await users.withPassword('ada', 'lovelace')).toMatchObject({ name: 'ada', tags: ['monitoring'] })
    expect(await users.withPassword('ada', 'lovelace')).toMatchObject({ name: 'ada' })
    expect(await users.withPassword('ada', 'Lovelace')).toBeUndefined()
    expect(await users.withPassword('eve', 'lovelace')).toBeUndefined()
    expect(users.withToken(token)?.may('read', 'orders')).toBe(true)
    expect(users.withToken(`${token}x`)).toBeUndefined()
    expect(users.accessKey(key.id)).toMatchObject({ secret: key.secret, identity: { name: 'ada' } })
    expect(users.accessKey('SPK0')).toBeUndefined()
    expect(users.list()).toEqual([
      {
        name: 'ada',
        tags: ['monitoring'],
        grants: [{ verbs: ['read'], resources: ['orders'] }],
        hasPassword: true,
        accessKeyIds: [key.id],
        tokens: 1,
        tokenIds: [expect.stringMatching(/^[0-9a-f]{12}$/)],
      },
    ])
  })

  it('are known to whoever shares the store, as soon as they change', async () => {
    const { users, others } = await rig()
    await users.put('ada', { password: 'lovelace' })
    const heard = await others.withPassword('ada', 'lovelace')
    expect(heard).toMatchObject({ name: 'ada' })
    expect(await others.remove('ada')).toBe(true)
    expect(await users.withPassword('ada', 'lovelace')).toBeUndefined()
    expect(await users.remove('ada')).toBe(false)
  })

  it('are read again where the announcement was lost', async () => {
    const { port, clock, users } = await rig()
    const value = new TextEncoder().encode(
      JSON.stringify({
        tags: [],
        grants: [],
        password: null,
        accessKeys: [{ id: 'AKID', secret: 's' }],
        tokenHashes: [],
      }),
    )
    await port.transact([{ kind: 'record', key: 'spindle/user/bob', value }])
    expect(users.accessKey('AKID')).toBeUndefined()
    await clock.advance(10_000)
    expect(users.accessKey('AKID')).toMatchObject({ secret: 's', identity: { name: 'bob' } })
  })

  it('keep what a change does not name, and write nothing when nothing changes', async () => {
    const { port, users } = await rig()
    const fields = { password: 'lovelace', tokens: ['0123456789abcdef'], grants: [parseGrant('admin:*')] }
    await users.put('ada', fields)
    await users.put('ada', fields)
    expect(await port.read('spindle/user/ada')).toMatchObject({ version: 1 })
    await users.put('ada', { tags: ['administrator'] })
    expect(users.withToken('0123456789abcdef')?.may('configure', 'x')).toBe(true)
    await users.put('ada', { password: null })
    expect(await users.withPassword('ada', 'lovelace')).toBeUndefined()
  })

  it('both stand when two processes add at once', async () => {
    const { users, others } = await rig()
    await users.put('ada', {})
    const tokens = await Promise.all([users.addToken('ada'), others.addToken('ada')])
    for (const token of tokens) expect(users.withToken(token)?.name).toBe('ada')
  })

  it('keep no password and no token in the store', async () => {
    const { port, users } = await rig()
    await users.put('ada', { password: 'canary-password', tokens: ['canary-token-0123456789'] })
    const record = await port.read('spindle/user/ada')
    expect(new TextDecoder().decode(record?.value)).not.toMatch(/canary/)
  })

  it.each([
    ['', {}, /user name is "" but must not be empty/],
    ['ada', { password: '' }, /password must be 1 to 1024 bytes/],
    ['ada', { tokens: ['short'] }, /tokens\[0\] must be 16 to 256 characters/],
    ['ada', { accessKeys: [{ id: 'a b', secret: 'x' }] }, /accessKeys\[0\]\.id must be/],
    ['ada', { accessKeys: [{ id: 'abc', secret: '' }] }, /accessKeys\[0\]\.secret must be/],
  ])('refuse %j %j', async (name, fields, message) => {
    const { users } = await rig()
    await expect(users.put(name, fields)).rejects.toThrow(message)
  })

  it('refuse an access key that another user has, and a key for nobody', async () => {
    const { users } = await rig()
    await users.put('ada', { accessKeys: [{ id: 'AKIA1', secret: 'one' }] })
    await expect(users.put('bob', { accessKeys: [{ id: 'AKIA1', secret: 'two' }] })).rejects.toThrow(/belongs to user/)
    await expect(users.addAccessKey('eve')).rejects.toMatchObject({ code: 'no-such-user' })
    await expect(users.addToken('eve')).rejects.toMatchObject({ code: 'no-such-user' })
  })
})
