import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, it, onTestFinished } from 'vitest'
import { compressFile, writeLog } from '../../examples/large-file/compress-file.ts'
import { load, store } from '../../examples/large-file/reference.ts'

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-large-file-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

it('is the same file again, from parts that two processes compressed', { timeout: 120_000 }, async () => {
  const file = join(await newFolder(), 'access.log')
  // The parts of 3 MiB go by reference; what is left for the last one fits in a message.
  const lines = await writeLog(file, 12.3 * 1_048_576)
  const joined = await compressFile(file, { workers: 2, partBytes: 3 * 1_048_576 })
  expect(joined).toMatchObject({ parts: 5, byReference: 4, lines })
  expect(gunzipSync(await readFile(joined.target)).equals(await readFile(file))).toBe(true)
  expect((await readdir(join(file, '..'))).filter((name) => name.startsWith('access'))).toEqual([
    'access.log',
    'access.log.gz',
  ])
})

it('refuses a part that is not what was stored', async () => {
  const stored = await store(await newFolder(), Buffer.alloc(200_000, 'a'))
  if (stored.kind === 'inline') throw new Error('200,000 bytes are too large for a message')
  expect((await load(stored)).length).toBe(200_000)
  await writeFile(stored.path, 'b')
  await expect(load(stored)).rejects.toThrow('has changed')
})
