import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { testServer } from '../serve/test-server.ts'

const folders: string[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})
async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-start-'))
  folders.push(folder)
  return folder
}

describe('a server that starts', () => {
  it('makes the first administrator once, and prints the token once', async () => {
    const data = await dataFolder()
    const first = await testServer({ data, initAdmin: true })
    expect(first.adminToken).toMatch(/^spt_[\w-]{40}$/)
    await first.close()
    const second = await testServer({ data, initAdmin: true })
    expect(second.adminToken).toBeUndefined()
    expect(second.users.withToken(first.adminToken ?? '')?.may('admin', '*')).toBe(true)
    await second.close()
  })

  it.each(['0.0.0.0', '::', '192.0.2.1'])(
    'on %s is refused until a user exists, before anything listens',
    async (host) => {
      await expect(testServer({ host, insecure: false })).rejects.toMatchObject({ code: 'exposed' })
    },
  )

  it('makes no administrator whose token nobody hears of', async () => {
    const data = await dataFolder()
    await expect(testServer({ data, host: '0.0.0.0', initAdmin: true })).rejects.toMatchObject({ code: 'exposed' })
    const taken = await testServer()
    const ports = [Number(new URL(taken.url).port)]
    await expect(testServer({ data, ports, initAdmin: true })).rejects.toMatchObject({ code: 'listen-failed' })
    await taken.close()
    const server = await testServer({ data, initAdmin: true })
    expect(server.users.withToken(server.adminToken ?? '')?.name).toBe('admin')
    await server.close()
  })
})
