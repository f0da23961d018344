import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { nodeDisk } from '../../src/runtime/node-disk.ts'

const folder = mkdtempSync(join(tmpdir(), 'spindle-disk-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('node disk', () => {
  it('writes small and large pieces where they belong', async () => {
    const disk = nodeDisk(folder)
    await disk.makeDirectory('')
    const file = await disk.open('f', 'create')
    const large = Buffer.alloc(200_000, 'l')
    await file.write(large, 10)
    await file.write(Buffer.from('small'), 0)
    await file.write(Buffer.from('end'), 200_007)
    await file.datasync()
    await file.close()
    const stored = readFileSync(join(folder, 'f'))
    expect(stored.toString('utf8')).toBe(`small\0\0\0\0\0${'l'.repeat(199_997)}end`)
  })

  it('tells a write that fails by its promise, whatever the size', async () => {
    const disk = nodeDisk(folder)
    await disk.makeDirectory('')
    const file = await disk.open('f', 'create')
    await file.close()
    for (const bytes of [1, 200_000]) {
      await expect(file.write(Buffer.alloc(bytes), 0)).rejects.toMatchObject({ code: 'EBADF' })
    }
  })
})
