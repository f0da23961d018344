import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'spindle-mq'
import { afterAll, describe, expect, it } from 'vitest'
import type { DoctorReport } from '../../src/server/doctor.ts'
import { spindle } from './command.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-doctor-'))
  folders.push(folder)
  return folder
}

async function filled(): Promise<string> {
  const folder = join(await newFolder(), 'data')
  const store = await open(`file:${folder}`)
  const orders = await store.queue<string>('orders')
  for (let order = 0; order < 20; order++) await orders.send(`order ${order} `.padEnd(60, '.'))
  await store.close()
  return folder
}

/** Every file below it, with what it holds and when it was written. */
async function snapshot(folder: string): Promise<string[]> {
  const lines: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const { mtimeMs } = await stat(path)
    lines.push(`${path} ${mtimeMs} ${(await readFile(path)).toString('base64')}`)
  }
  return lines.sort()
}

async function run(...args: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  const command = spindle(['doctor', ...args])
  return { code: await command.exited, output: command.output(), errors: command.errors() }
}

describe('spindle doctor', () => {
  it('calls a sound folder sound, and writes nothing into it', async () => {
    const folder = await filled()
    const before = await snapshot(folder)
    const { code, output } = await run(folder)
    expect(output).toMatch(/orders +20 +0 +0 +0/)
    expect(output).toContain('sound: everything in it can be read')
    expect(code).toBe(0)
    expect(await snapshot(folder)).toEqual(before)
  })

  it('names what is lost, and salvages the rest into a folder that opens', async () => {
    const folder = await filled()
    const path = join(folder, 'journal', '00000001.seg')
    const bytes = await readFile(path)
    const at = bytes.indexOf('order 7 ') + 20
    bytes[at] = (bytes[at] as number) ^ 4
    await writeFile(path, bytes)
    const before = await snapshot(folder)
    await expect(open(`file:${folder}`)).rejects.toMatchObject({ code: 'corrupt' })
    const afterRefusal = await snapshot(folder)
    expect(afterRefusal.filter((line) => line.includes('/journal/'))).toEqual(
      before.filter((line) => line.includes('/journal/')),
    )

    const seen = await run(folder)
    expect(seen.code).toBe(1)
    expect(seen.output).toMatch(/lost messages: 1\n {2}[0-9a-f-]{36} {2}queue orders/)

    const target = join(await newFolder(), 'saved')
    const { code, output } = await run(folder, '--salvage', target, '--json')
    expect(code).toBe(0)
    const report = JSON.parse(output) as DoctorReport
    expect(report).toMatchObject({ verdict: 'damaged', salvaged: { messages: 19, strays: 0 } })
    expect(await snapshot(folder)).toEqual(afterRefusal)

    const store = await open(`file:${target}`)
    const orders = await store.queue<string>('orders')
    const bodies = (await orders.receive({ max: 50 })).map(({ body }) => body.trim().replace(/\.+$/, '').trim())
    expect(bodies).toEqual(
      Array.from({ length: 20 }, (_, order) => `order ${order}`).filter((body) => body !== 'order 7'),
    )
    await store.close()
  })

  it('refuses a folder that a process has open, and leaves that process alone', async () => {
    const folder = await filled()
    const store = await open(`file:${folder}`)
    const { code, errors } = await run(folder)
    expect(code).toBe(1)
    expect(errors).toMatch(/has it open/)
    const orders = await store.queue<string>('orders')
    await orders.send('still here')
    await store.close()
    expect((await run(folder)).code).toBe(0)
  })

  it('refuses what is no folder, an empty one, and a target that is in use or inside', async () => {
    const folder = await filled()
    const empty = await newFolder()
    expect(await run(join(empty, 'nowhere'))).toMatchObject({ code: 1, errors: expect.stringContaining('no folder') })
    expect(await run(empty)).toMatchObject({ code: 1, output: expect.stringContaining('holds no store') })
    expect(await readdir(empty)).toEqual([])
    await mkdir(join(empty, 'something'))
    expect(await run(folder, '--salvage', empty)).toMatchObject({
      code: 1,
      errors: expect.stringContaining('not empty'),
    })
    const inside = await run(folder, '--salvage', join(folder, 'saved'))
    expect(inside).toMatchObject({ code: 1, errors: expect.stringContaining('lies in the damaged folder') })
    expect((await run()).code).toBe(2)
  })
})
