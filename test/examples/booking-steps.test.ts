import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PDFDocument } from 'pdf-lib'
import { expect, it, onTestFinished } from 'vitest'
import { spindle } from '../cli/command.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

it('is enqueued here, worked there, and asked for until it is done', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-booking-steps-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const worker = spindle(['work', 'examples/booking-steps/tasks.ts', '--url', `file:${folder}/spindle`])
  onTestFinished(async () => {
    worker.child.kill('SIGKILL')
    await worker.exited
  })
  const book = ['--import', 'tsx', 'examples/booking-steps/book.ts', 'Ada', folder]
  const { stdout } = await promisify(execFile)(process.execPath, book, { cwd: root })
  const [, id = ''] = /^accepted: \S+\ndone: (B-\d+)\.json, \1\.pdf, \1\.eml\n$/.exec(stdout) ?? []
  expect(id).not.toBe('')
  const file = (name: string): Promise<Buffer> => readFile(join(folder, 'files', name))
  expect(JSON.parse(String(await file(`${id}.json`)))).toEqual({ id, guest: 'Ada', nights: 3, state: 'confirmed' })
  expect((await PDFDocument.load(await file(`${id}.pdf`))).getPageCount()).toBe(1)
  expect(String(await file(`${id}.eml`))).toContain(`Message-ID: <${id}@example.org>`)
  expect(String(await file('calls.log'))).toBe(`restaurant ${id}\nshuttle ${id}\nhousekeeping ${id}\n`)
})
