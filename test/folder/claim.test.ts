import { mkdir, readdir, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { findOrClaim, type Owned } from '../../src/client/folder/claim.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { Child } from './child.ts'
import { temporaryFolder } from './temporary-folder.ts'

const RACES = process.env['SPINDLE_TEST_LONG'] === '1' ? 500 : 50

const look = (folder: string, holder = 'me'): ReturnType<typeof findOrClaim> =>
  findOrClaim(folder, { holder, random: systemRandom })

async function own(folder: string, holder?: string): Promise<Owned> {
  const found = await look(folder, holder)
  if (found.kind !== 'owned') throw new Error(`expected to own, but ${found.kind}`)
  onTestFinished(() => found.letGo())
  return found
}

async function join2(folder: string): Promise<number> {
  const found = await look(folder, 'another')
  if (found.kind !== 'joined') throw new Error(`expected to join, but ${found.kind}`)
  found.socket.destroy()
  return found.generation
}

const claimsIn = async (folder: string): Promise<string[]> =>
  (await readdir(join(folder, 'owner'))).filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(a) - Number(b))

describe('the claim of a folder', () => {
  it('goes to the first; the next one joins it', async () => {
    const folder = await temporaryFolder()
    const owner = await own(folder)
    expect(owner.generation).toBe(1)
    expect(owner.deadHolder).toBeUndefined()
    expect(await join2(folder)).toBe(1)
  })

  it('is free again once its owner let go, who left no dead leases and no socket', async () => {
    const folder = await temporaryFolder()
    await (await own(folder)).letGo()
    expect((await readdir(join(folder, 'owner'))).filter((name) => name.endsWith('.sock'))).toEqual([])
    const next = await own(folder, 'another')
    expect(next).toMatchObject({ generation: 2, deadHolder: undefined })
  })

  it('creates the folder for its user alone, and sockets that only that user may use', async () => {
    const folder = join(await temporaryFolder(), 'new', 'data')
    const { listener } = await own(folder)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, 'owner', listener.address))).mode & 0o777).toBe(0o600)
  })

  it('is taken from a process that was killed, at once, and says whose leases may end', async () => {
    const folder = await temporaryFolder()
    const child = Child.start('claimant.ts')
    await child.next('ready')
    expect(await child.ask('claim', { folder })).toMatchObject({ kind: 'owned', generation: 1 })
    expect(await join2(folder)).toBe(1)
    await child.kill()
    expect(await own(folder)).toMatchObject({ generation: 2, deadHolder: `holder-${child.process.pid}` })
  })

  it('stays with a process that is stopped', async () => {
    const folder = await temporaryFolder()
    const child = Child.start('claimant.ts')
    await child.next('ready')
    await child.ask('claim', { folder })
    child.signal('SIGSTOP')
    expect(await join2(folder)).toBe(1)
    child.signal('SIGCONT')
    await child.ask('let-go')
    expect((await own(folder)).generation).toBe(2)
  })

  it('does not care whether the pid of a dead owner is alive again', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'owner'), { recursive: true })
    const dead = {
      version: 1,
      socket: '0123456789abcdef.sock',
      holder: 'dead',
      process: String(process.pid),
      folder: '',
    }
    await writeFile(join(folder, 'owner', '7'), JSON.stringify(dead))
    expect(await own(folder)).toMatchObject({ generation: 8, deadHolder: 'dead' })
  })

  it('is not held by what a power cut left of a claim file', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'owner'), { recursive: true })
    await writeFile(join(folder, 'owner', '3'), '')
    expect((await own(folder)).generation).toBe(4)
  })

  it('of a newer format is refused', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'owner'), { recursive: true })
    await writeFile(join(folder, 'owner', '3'), JSON.stringify({ version: 2 }))
    await expect(look(folder)).rejects.toMatchObject({ code: 'format-newer' })
  })

  it('works in a folder whose path is too long for a socket', async () => {
    const folder = join(await temporaryFolder(), 'x'.repeat(120))
    const owner = await own(folder)
    expect(owner.listener.address.startsWith('/')).toBe(true)
    expect(await join2(folder)).toBe(1)
    await owner.letGo()
    await expect(stat(owner.listener.address)).rejects.toThrow('ENOENT')
  })

  it('in a copied folder does not lead to the owner of the original', async () => {
    const original = join(await temporaryFolder(), 'x'.repeat(120))
    await own(original)
    const copy = await temporaryFolder()
    await mkdir(join(copy, 'owner'))
    await writeFile(join(copy, 'owner', '1'), await readFile(join(original, 'owner', '1')))
    expect((await own(copy)).generation).toBe(2)
  })

  it('is busy, not free, when the temporary folder was swept while its owner lives', async () => {
    const folder = join(await temporaryFolder(), 'x'.repeat(120))
    const { listener } = await own(folder)
    await unlink(listener.address)
    await expect(look(folder)).rejects.toMatchObject({ code: 'folder-busy' })
  })

  it('made late, of a generation that came and went, does not count', async () => {
    const folder = await temporaryFolder()
    for (let generation = 1; generation <= 6; generation++) await (await own(folder)).letGo()
    expect(await claimsIn(folder)).toEqual(['3', '4', '5', '6'])
    const owner = await own(folder)
    // What a slow candidate writes that had found generation 1 dead, long ago.
    await writeFile(
      join(folder, 'owner', '2'),
      JSON.stringify({ version: 1, socket: 'x.sock', holder: 'slow', process: '1', folder: '' }),
    )
    expect(await join2(folder)).toBe(owner.generation)
  })

  it('keeps the latest claims and removes the dead sockets of older ones', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'owner'))
    const left = createServer().listen(join(folder, 'owner', 'aaaaaaaaaaaaaaaa.sock'))
    await new Promise((resolve) => left.once('listening', resolve))
    const claim = (socket: string): string =>
      JSON.stringify({ version: 1, socket, holder: 'h', process: '1', folder: '' })
    await writeFile(join(folder, 'owner', '1'), claim('bbbbbbbbbbbbbbbb.sock'))
    await writeFile(join(folder, 'owner', 'bbbbbbbbbbbbbbbb.sock'), '')
    await writeFile(join(folder, 'owner', '2'), claim('../../escape'))
    await writeFile(join(folder, 'owner', '9'), claim('cccccccccccccccc.sock'))
    const owner = await own(folder)
    expect(owner.generation).toBe(10)
    expect(await claimsIn(folder)).toEqual(['9', '10'])
    const sockets = (await readdir(join(folder, 'owner'))).filter((name) => name.endsWith('.sock')).sort()
    // One without a claim may belong to somebody who is about to claim: it stays until it is old.
    expect(sockets).toEqual(['aaaaaaaaaaaaaaaa.sock', owner.listener.address].sort())
    left.close()
  })

  it(`goes to exactly one of several that race for it, ${RACES} times`, async () => {
    const folder = await temporaryFolder()
    const children = [Child.start('claimant.ts'), Child.start('claimant.ts'), Child.start('claimant.ts')]
    await Promise.all(children.map((child) => child.next('ready')))
    for (let race = 1; race <= RACES; race++) {
      const results = await Promise.all(children.map((child) => child.ask('claim', { folder })))
      const owners = results.filter(({ kind }) => kind === 'owned')
      expect(owners).toHaveLength(1)
      expect(new Set(results.map(({ generation }) => generation)).size).toBe(1)
      const owner = children[results.findIndex(({ kind }) => kind === 'owned')]
      await owner?.ask('let-go')
    }
  })

  it('goes to exactly one of many in one process, also over a dead owner', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'owner'), { recursive: true })
    const dead = { version: 1, socket: '0123456789abcdef.sock', holder: 'dead', process: '1', folder: '' }
    for (let round = 0; round < RACES; round++) {
      const before = Number((await claimsIn(folder)).at(-1) ?? 0)
      await writeFile(join(folder, 'owner', String(before + 1)), JSON.stringify(dead))
      const found = await Promise.all(Array.from({ length: 8 }, (_, i) => look(folder, `racer-${i}`)))
      const owners = found.filter((each) => each.kind === 'owned')
      expect(owners).toHaveLength(1)
      for (const each of found) {
        if (each.kind === 'owned') await each.letGo()
        if (each.kind === 'joined') each.socket.destroy()
      }
    }
  })
})
