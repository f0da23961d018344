import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Port } from '../../src/broker/port.ts'
import { FolderPort } from '../../src/client/folder/folder-port.ts'
import { SpindleError } from '../../src/model/errors.ts'
import type { NewMessage, Receipt } from '../../src/model/message.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { Script } from '../remote/scripted-port.ts'
import { Child } from './child.ts'
import { temporaryFolder } from './temporary-folder.ts'

const message: NewMessage = { content: { body: Uint8Array.of(1), head: new Uint8Array(0) } }
const STORED = [{ kind: 'stored', id: 'm-1', sequence: 1 }]
const receipt = 'r-1' as Receipt

/** One process's share: what its store is asked when it becomes the owner. */
async function share(folder: string, options: { readonly busyAfterMs?: number } = {}) {
  const script = new Script()
  let opened = 0
  const openStore = async (): Promise<Port> => {
    opened++
    return script.port
  }
  const port = await FolderPort.open({
    folder,
    openStore,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...options,
  })
  const close = (): Promise<void> => port.close()
  onTestFinished(close)
  return { port, script, close, timesOpened: () => opened }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

describe('a shared folder', () => {
  it('is opened by the first process; the calls of the others reach its store', async () => {
    const folder = await temporaryFolder()
    const [a, b] = [await share(folder), await share(folder)]
    expect([a.port.role, b.port.role]).toEqual(['owning', 'joined'])
    expect([a.timesOpened(), b.timesOpened()]).toEqual([1, 0])
    const own = a.port.append('q', [message])
    ;(await a.script.call('append')).answer(STORED)
    expect(await own).toEqual(STORED)
    const joined = b.port.append('q', [message])
    ;(await a.script.call('append')).answer(STORED)
    expect(await joined).toEqual(STORED)
  })

  it('is held by each lease of its owner, too, so that these end with its process', async () => {
    const folder = await temporaryFolder()
    const { port, script } = await share(folder)
    void port.receive({ queue: 'q', max: 1 })
    void port.receive({ queue: 'q', max: 1, lease: { kind: 'clock', leaseMs: 9 } })
    const holder = script.holderCalls[0]?.[1]
    const [first] = (await script.call('receive')).args
    const [second] = (await script.call('receive')).args
    expect(first).toEqual({ queue: 'q', max: 1, lease: { kind: 'clock', holder } })
    expect(second).toEqual({ queue: 'q', max: 1, lease: { kind: 'clock', leaseMs: 9, holder } })
  })

  it('passes from one that closes to one that joined, after its store closed; waits and listeners go on', async () => {
    const folder = await temporaryFolder()
    const [a, b] = [await share(folder), await share(folder)]
    const heard: number[] = []
    b.port.listen('c', (data) => heard.push(data[0] ?? -1))
    const received = b.port.receive({ queue: 'q', max: 1, waitMs: 60_000 })
    const waiting = await a.script.call('receive')
    let finishClose = (): void => {}
    const closing = new Promise<void>((closing) => {
      a.script.onClose = () => {
        closing()
        return new Promise((resolve) => {
          finishClose = resolve
        })
      }
    })
    waiting.signal?.addEventListener('abort', () => waiting.answer([]))
    const closed = a.port.close()
    await closing
    expect(b.timesOpened()).toBe(0)
    const late = b.port.append('q', [message])
    finishClose()
    await closed

    const calls = await b.script.callsByMethod(2)
    expect(b.port.role).toBe('owning')
    const rest = (calls.get('receive')?.args[0] ?? {}) as { readonly waitMs?: number }
    expect(rest.waitMs).toBeGreaterThan(50_000)
    expect(rest.waitMs).toBeLessThan(60_000)
    calls.get('receive')?.answer([{ receipt }])
    expect(await received).toEqual([{ receipt }])
    calls.get('append')?.answer(STORED)
    expect(await late).toEqual(STORED)
    b.script.port.announce('c', Uint8Array.of(7))
    expect(heard).toEqual([7])
  })

  it('gives back what a closing owner and a closing joined process had leased, unspent', async () => {
    const folder = await temporaryFolder()
    const [a, b] = [await share(folder), await share(folder)]
    const [[, nameA] = [], [, nameB] = []] = a.script.holderCalls
    await b.close()
    expect(a.script.holderCalls.at(-1)).toEqual(['releaseHolder', nameB, { spend: false }])
    await a.close()
    expect(a.script.holderCalls.at(-1)).toEqual(['releaseHolder', nameA, { spend: false }])
  })

  it('passes on when its owner is killed: writes are unknown, the rest goes on, its leases end', async () => {
    const folder = await temporaryFolder()
    const owner = Child.start('silent-owner.ts', folder)
    await owner.next('owns')
    const nameOfOwner = ((await owner.next('called'))['args'] as unknown[])[0]
    const b = await share(folder)
    const nameOfB = ((await owner.next('called'))['args'] as unknown[])[0]
    const append = expect(b.port.append('q', [message])).rejects.toMatchObject({ code: 'outcome-unknown' })
    const read = b.port.read('k')
    const wait = b.port.receive({ queue: 'q', max: 1, waitMs: 60_000 })
    const settle = b.port.settle([{ receipt, how: { kind: 'ack' } }])
    for (let calls = 0; calls < 4; calls++) await owner.next('called')

    const startedMs = performance.now()
    await owner.kill()
    await append
    const repeated = await b.script.callsByMethod(3)
    expect(performance.now() - startedMs).toBeLessThan(1_000)
    expect([...repeated.keys()].sort()).toEqual(['read', 'receive', 'settle'])
    repeated.get('read')?.answer({ key: 'k', value: Uint8Array.of(1), version: 1 })
    repeated.get('receive')?.answer([])
    repeated.get('settle')?.answer([{ kind: 'settled' }])
    expect(await read).toMatchObject({ version: 1 })
    expect(await wait).toEqual([])
    expect(await settle).toEqual([{ kind: 'settled' }])
    // Its own leases live on, those of the dead owner end with an attempt spent.
    expect(b.script.holderCalls.slice(0, 2)).toEqual([
      ['renewHolder', nameOfB, expect.any(Number)],
      ['releaseHolder', nameOfOwner],
    ])
  })

  it('does not know what became of a settle that is stale when it is repeated', async () => {
    const folder = await temporaryFolder()
    const owner = Child.start('silent-owner.ts', folder)
    await owner.next('owns')
    const b = await share(folder)
    const settle = b.port.settle([{ receipt, how: { kind: 'ack' } }])
    for (let calls = 0; calls < 3; calls++) await owner.next('called')
    await owner.kill()
    ;(await b.script.call('settle')).answer([{ kind: 'stale' }])
    await expect(settle).rejects.toMatchObject({ code: 'outcome-unknown' })
  })

  it('has one owner after the old one was killed, whom all the others join', async () => {
    const folder = await temporaryFolder()
    const owner = Child.start('silent-owner.ts', folder)
    await owner.next('owns')
    const shares = await Promise.all([share(folder), share(folder), share(folder), share(folder)])
    await owner.kill()
    const reads = shares.map(({ port }) => port.read('k'))
    const opener = await Promise.race(
      shares.map(async (each) => each.script.until(() => each.timesOpened() > 0).then(() => each)),
    )
    for (let calls = 0; calls < 4; calls++) (await opener.script.call('read')).answer(undefined)
    await Promise.all(reads)
    expect(shares.map(({ port }) => port.role).sort()).toEqual(['joined', 'joined', 'joined', 'owning'])
    expect(shares.reduce((sum, { timesOpened }) => sum + timesOpened(), 0)).toBe(1)
  })

  it('stays with an owner that is stopped: calls wait, and go through when it goes on', async () => {
    const folder = await temporaryFolder()
    const owner = Child.start('silent-owner.ts', folder)
    await owner.next('owns')
    const b = await share(folder)
    owner.signal('SIGSTOP')
    const read = expect(b.port.read('k')).rejects.toMatchObject({ code: 'closed' })
    // Who comes now finds an owner that does not answer.
    const late = share(folder, { busyAfterMs: 50 })
    await expect(late).rejects.toMatchObject({ code: 'folder-busy' })
    expect(b.port.role).toBe('joined')
    expect(b.timesOpened()).toBe(0)
    owner.signal('SIGCONT')
    for (;;) if ((await owner.next('called'))['method'] === 'read') break
    const closing = b.close()
    await owner.kill()
    await closing
    await read
  })

  it('without an owner that greets: an abort answers a receive, other calls are told that it is busy', async () => {
    const folder = await temporaryFolder()
    const owner = Child.start('silent-owner.ts', folder)
    await owner.next('owns')
    const b = await share(folder, { busyAfterMs: 300 })
    // The next claim is already made, by a process that takes connections and never greets.
    const mute = Child.start('claimant.ts')
    await mute.next('ready')
    const other = await temporaryFolder()
    await mute.ask('claim', { folder: other })
    const claim = await readFile(join(other, 'owner', '1'), 'utf8')
    const { socket } = JSON.parse(claim) as { socket: string }
    await symlink(join(other, 'owner', socket), join(folder, 'owner', socket))
    await writeFile(join(folder, 'owner', '2'), claim)
    await owner.kill()
    await until(() => b.port.role === 'seeking')
    const controller = new AbortController()
    const aborted = b.port.receive({ queue: 'q', max: 1, waitMs: 60_000 }, controller.signal)
    const late = b.port.append('q', [message])
    controller.abort()
    expect(await aborted).toEqual([])
    await expect(late).rejects.toMatchObject({ code: 'folder-busy' })
    await mute.kill()
    const append = b.port.append('q', [message])
    ;(await b.script.call('append')).answer(STORED)
    expect(await append).toEqual(STORED)
  })

  it('ends the waits of a process that closes with [], whoever owns it, and refuses later ones', async () => {
    const folder = await temporaryFolder()
    const owner = Child.start('silent-owner.ts', folder)
    await owner.next('owns')
    const b = await share(folder)
    const wait = b.port.receive({ queue: 'q', max: 1, waitMs: 60_000 })
    await owner.kill()
    await until(() => b.port.role === 'seeking')
    const between = b.port.receive({ queue: 'q', max: 1, waitMs: 60_000 })
    await b.close()
    expect([await wait, await between]).toEqual([[], []])
    await expect(b.port.receive({ queue: 'q', max: 1, waitMs: 60_000 })).rejects.toMatchObject({ code: 'closed' })
  })

  it('whose store cannot be opened says why, and lets the next one try', async () => {
    const folder = await temporaryFolder()
    const corrupt = new SpindleError('corrupt', 'open segment 1')
    const parts = { folder, clock: systemClock, random: systemRandom, log: silentLog }
    await expect(FolderPort.open({ ...parts, openStore: () => Promise.reject(corrupt) })).rejects.toBe(corrupt)
    expect((await share(folder)).port.role).toBe('owning')
  })

  it('that is claimed by something that is not Spindle is refused', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'owner'))
    await writeFile(join(folder, 'owner', '1'), JSON.stringify({ version: 99 }))
    await expect(share(folder)).rejects.toMatchObject({ code: 'format-newer' })
  })

  it('can be closed at any moment of opening', async () => {
    const folder = await temporaryFolder()
    const { close } = await share(folder)
    const joined = await share(folder)
    await Promise.all([close(), joined.close()])
    expect((await share(folder)).port.role).toBe('owning')
  })
})
