import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { open } from 'spindle-mq'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { nodeDisk } from '../../src/runtime/node-disk.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { backUp, restore } from '../../src/server/backup.ts'
import { spindle } from '../cli/command.ts'

const LONG = process.env['SPINDLE_TEST_LONG'] === '1'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spindle-backup-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))
const place = (name: string): string => join(folder, name)

/** A store whose segments and checkpoints are small, so that all that can happen during a backup does. */
async function smallStore(path: string): Promise<Broker> {
  const parts = { clock: systemClock, random: systemRandom, log: silentLog, limits: defaultLimits }
  const sizes = { segmentBytes: 1_048_576, checkpointBytes: 1_048_576 }
  const broker = new Broker({
    engine: new EmbeddedEngine({ disk: nodeDisk(path), ...parts, options: sizes }),
    ...parts,
  })
  await broker.start()
  return broker
}

/** The bodies that wait or run in a queue of this folder. */
async function bodiesIn(path: string, queue: string): Promise<Set<string>> {
  const store = await smallStore(path)
  const bodies = new Set<string>()
  try {
    let cursor: string | undefined
    do {
      const page = await store.browse({
        queue,
        states: ['ready', 'leased', 'delayed'],
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      })
      for (const { content } of page.messages) bodies.add(Buffer.from(content.body).subarray(0, 12).toString())
      cursor = page.cursor
    } while (cursor !== undefined)
  } finally {
    await store.close()
  }
  return bodies
}

describe('a backup', () => {
  it('taken under load loses nothing that was acknowledged before it began, and brings back nothing that was acked before', {
    timeout: 120_000,
  }, async () => {
    const source = place('live')
    const store = await smallStore(source)
    await store.declareQueue('load', { leaseMs: 600_000 })
    const sent = new Set<string>()
    const acked = new Set<string>()
    const begun = new Set<string>()
    let stop = false
    let number = 0
    /** Sent at most: how far the load runs ahead while a backup is taken must not depend on the machine. */
    let allowed = 0
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
    const body = (name: string): Uint8Array => Buffer.concat([Buffer.from(name.padEnd(12)), Buffer.alloc(2_000, name)])
    const produce = async (): Promise<void> => {
      while (!stop) {
        if (sent.size >= allowed) {
          await pause()
          continue
        }
        const names = Array.from({ length: 20 }, () => String(number++))
        const messages = names.map((name) => ({ content: { head: new Uint8Array(0), body: body(name) } }))
        await store.append('load', messages)
        for (const name of names) sent.add(name)
      }
    }
    const consume = async (): Promise<void> => {
      while (!stop) {
        const deliveries = await store.receive({ queue: 'load', max: 25, waitMs: 100 })
        // One in ten stays, so that segments have survivors to be copied.
        const done = deliveries.filter((_, at) => at % 10 !== 0)
        const names = done.map(({ content }) => Buffer.from(content.body).subarray(0, 12).toString().trim())
        for (const name of names) begun.add(name)
        await store.settle(done.map(({ receipt }) => ({ receipt, how: { kind: 'ack' } })))
        for (const name of names) acked.add(name)
      }
    }
    const load = [produce(), produce(), consume(), consume()]
    const rounds = LONG ? 40 : 5
    const taken: {
      readonly to: string
      readonly sent: ReadonlySet<string>
      readonly acked: ReadonlySet<string>
      readonly begunAfter: ReadonlySet<string>
    }[] = []
    for (let round = 0; round < rounds; round++) {
      const seen = sent.size
      allowed = seen + 6_000
      while (sent.size < seen + 1_500) await pause()
      const before = { sent: new Set(sent), acked: new Set(acked) }
      const to = place(`backup-${round}`)
      const base = taken.at(-1)?.to
      await backUp({ from: source, to, ...(base === undefined ? {} : { base }) })
      taken.push({ to, ...before, begunAfter: new Set(begun) })
    }
    stop = true
    await Promise.all(load)
    await store.close()

    expect(acked.size).toBeGreaterThan(1_000)
    for (const { to, sent: mustHave, acked: mustNotHave, begunAfter } of taken) {
      const restored = place('restored')
      await restore({ from: to, to: restored })
      const there = new Set([...(await bodiesIn(restored, 'load'))].map((name) => name.trim()))
      // What was sent before is there, unless its ack had begun before the backup ended.
      const lost = [...mustHave].filter((name) => !there.has(name) && !begunAfter.has(name))
      const back = [...mustNotHave].filter((name) => there.has(name))
      expect({ lost, back }).toEqual({ lost: [], back: [] })
      await rm(restored, { recursive: true })
    }
  })

  it('shares what did not change with the one before', async () => {
    const source = place('live')
    const store = await smallStore(source)
    await store.declareQueue('q', {})
    const message = { content: { head: new Uint8Array(0), body: Buffer.alloc(100_000, 7) } }
    for (let made = 0; made < 40; made++) await store.append('q', [message])
    const first = await backUp({ from: source, to: place('one') })
    await store.append('q', [message])
    const second = await backUp({ from: source, to: place('two'), base: place('one') })
    await store.close()
    expect(first.linked).toBe(0)
    expect(second.linked).toBeGreaterThanOrEqual(first.segments - 3)
    expect(second.linked).toBeGreaterThan(0)
    expect(second.copiedBytes).toBeLessThan(first.copiedBytes)
    const segments = join(place('one'), 'journal.backup')
    const shared = await Promise.all(
      (await readdir(segments)).map(async (name) => (await stat(join(segments, name))).nlink),
    )
    expect(shared.filter((links) => links === 2).length).toBe(second.linked)
    // A server that worked in a restored folder writes into copies alone.
    await restore({ from: place('two'), to: place('restored') })
    expect((await bodiesIn(place('restored'), 'q')).size).toBe(1)
    for (const name of await readdir(join(place('restored'), 'journal'))) {
      expect((await stat(join(place('restored'), 'journal', name))).nlink).toBe(1)
    }
  })

  it('is refused where there is no data folder, or something stands in its place', async () => {
    await expect(backUp({ from: place('no'), to: place('b') })).rejects.toThrow(/there is no data folder/)
    await expect(restore({ from: place('no'), to: place('b') })).rejects.toThrow(/there is no backup/)
    const store = await smallStore(place('live'))
    await writeFile(place('taken'), '')
    await expect(backUp({ from: place('live'), to: place('taken') })).rejects.toThrow(/something is there already/)
    await store.close()
  })

  it('that was cut off is not mistaken for one', async () => {
    const store = await smallStore(place('live'))
    await mkdir(place('b.unfinished'))
    await writeFile(join(place('b.unfinished'), 'left-over'), '')
    await backUp({ from: place('live'), to: place('b') })
    await store.close()
    expect((await readdir(folder)).sort()).toEqual(['b', 'live'])
    expect((await readdir(place('b'))).sort()).toEqual(['checkpoint.backup', 'journal.backup'])
  })
})

describe('spindle backup and restore', () => {
  const run = async (...args: readonly string[]) => {
    const command = spindle(args, { cwd: folder })
    return { code: await command.exited, output: command.output(), errors: command.errors() }
  }

  it('take a folder that is in use, keep the latest few, and bring it back', { timeout: 180_000 }, async () => {
    const live = await open(`file:${place('data')}`)
    await (await live.queue('mail')).send('hello')
    for (let made = 0; made < 2; made++) {
      expect(await run('backup', '--into', 'backups', '--keep', '1', '--json')).toMatchObject({ code: 0, errors: '' })
    }
    await live.close()
    const [kept, ...others] = await readdir(place('backups'))
    expect(others).toEqual([])
    expect((await run('restore', join('backups', kept ?? ''), '--data', 'again')).output).toMatch(
      /restored .*again: 1 segments/,
    )
    const again = await open(`file:${place('again')}`)
    expect(await (await again.queue('mail')).measure()).toMatchObject({ ready: 1 })
    await again.close()
    expect(await run('restore', join('backups', kept ?? ''), '--data', 'again')).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/something is there already/),
    })
    expect(await run('backup')).toMatchObject({ code: 2, errors: expect.stringMatching(/say where/) })
  })
})
