import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chain, fanOut, next, open } from 'spindle-mq'
import { expect, it } from 'vitest'
import { type Command, spindle } from '../../cli/command.ts'
import { part, total } from './fixtures/steps.ts'

const PARTS = 600
const KILLS = 6
const steps = fileURLToPath(new URL('fixtures/steps.ts', import.meta.url))

it('completes once although its workers are killed, and repeats no completed step', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-killed-'))
  const url = `file:${join(folder, 'data')}`
  const file = join(folder, 'ran')
  const store = await open(url)
  const workers: Command[] = []
  const begin = (): void => {
    workers.push(spindle(['work', steps, '--url', url, '--concurrency', '4']))
  }
  try {
    const inputs = Array.from({ length: PARTS }, (_, n) => ({ n, file }))
    const run = await store.start(chain(fanOut(part, inputs, { concurrency: 16 }), next(total)))
    begin()
    begin()
    const ran = async (): Promise<string[]> => (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)
    for (let kill = 1; kill <= KILLS; kill++) {
      await expect.poll(async () => (await ran()).length, { timeout: 30_000 }).toBeGreaterThan((PARTS / 8) * kill)
      const victim = workers.shift()
      victim?.child.kill('SIGKILL')
      await victim?.exited
      begin()
    }
    expect(await run.result({ timeoutMs: 60_000 })).toEqual({ count: PARTS, sum: (PARTS * (PARTS - 1)) / 2 })
    const measured = await store.port.measure(['part', 'total'])
    // Each step was acked once; what ran twice was killed before it was.
    expect(measured.map(({ queue, done }) => [queue, done])).toEqual([
      ['part', PARTS],
      ['total', 1],
    ])
    const counts = new Map<string, number>()
    for (const line of await ran()) counts.set(line, (counts.get(line) ?? 0) + 1)
    expect(counts.size).toBe(PARTS)
    const repeated = [...counts.values()].filter((count) => count > 1).length
    expect(repeated).toBeLessThanOrEqual(KILLS * 4)
  } finally {
    for (const { child } of workers) child.kill('SIGKILL')
    await Promise.all(workers.map(({ exited }) => exited))
    await store.close()
    await rm(folder, { recursive: true })
  }
})
