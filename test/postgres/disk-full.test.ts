/** The disk of the database fills up: sending is refused in words, nothing is lost, and it goes on by itself when there is room. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { open } from 'spindle-mq'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { identity, PostgresServer, whyNoPostgres } from './server.ts'

const missing =
  whyNoPostgres() ?? (process.getuid?.() === 0 ? undefined : 'only root can mount a disk that is small enough to fill')
const SIZE = '64m'
const BODY = 'x'.repeat(20_000)

let folder: string
let server: PostgresServer

function mounted(): string {
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', disk], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`mount: ${stderr}`)
  if (identity !== undefined) chownSync(disk, identity.uid, identity.gid)
  return disk
}

/** Takes all room that is left. */
function fill(path: string): void {
  const file = openSync(path, 'w')
  const block = Buffer.alloc(65_536)
  try {
    for (;;) writeSync(file, block)
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'ENOSPC') throw fault
  } finally {
    closeSync(file)
  }
}

describe.skipIf(missing !== undefined)(`a full disk${missing === undefined ? '' : ` (${missing})`}`, () => {
  let disk: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'spindle-small-'))
    chmodSync(folder, 0o755)
    disk = mounted()
    server = await PostgresServer.start()
    const tables = join(disk, 'tables')
    mkdirSync(tables)
    if (identity !== undefined) chownSync(tables, identity.uid, identity.gid)
    await server.run(`create tablespace small location '${tables}'`)
    await server.run('create database small tablespace small')
  }, 120_000)
  afterAll(async () => {
    await server?.dispose()
    spawnSync('umount', [join(folder, 'disk')])
    rmSync(folder, { recursive: true, force: true })
  })

  it('refuses what it cannot take, keeps what it took, and goes on when there is room', async () => {
    const spindle = await open(server.url('small'))
    onTestFinished(() => spindle.close())
    const queue = await spindle.queue<string>('q', { attemptsMax: null })
    const acknowledged = new Set<string>()
    const send = async (n: number): Promise<void> => {
      await queue.send(`${n} ${BODY}`)
      acknowledged.add(`${n} ${BODY}`)
    }
    for (let n = 0; n < 20; n++) await send(n)

    const filler = join(disk, 'filler')
    fill(filler)
    let refused: unknown
    for (let n = 20; refused === undefined && n < 5_000; n++) await send(n).catch((fault: unknown) => (refused = fault))
    expect(refused).toMatchObject({ code: 'disk-full' })
    expect(String(refused).split('\n')).toHaveLength(1)

    rmSync(filler)
    await send(5_000)
    const received = new Set<string>()
    while (received.size < acknowledged.size) {
      const messages = await queue.receive({ max: 50, waitMs: 10_000 })
      expect(messages).not.toEqual([])
      for (const { body } of messages) received.add(body)
      await queue.ack(...messages)
    }
    expect(received).toEqual(acknowledged)
    expect(await queue.measure()).toMatchObject({ ready: 0, leased: 0 })
  }, 120_000)
})
