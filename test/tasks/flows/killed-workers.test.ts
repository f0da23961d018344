import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { chain, fanOut, next, open } from 'spindle-mq'
import { expect, it } from 'vitest'
import { seeded } from '../../../bench/autoscale/simulation.ts'
import { type Command, spindle } from '../../cli/command.ts'
import { part, total } from './fixtures/steps.ts'

const LONG = process.env['SPINDLE_TEST_LONG'] === '1'
const { flows, parts, kills, workers } = LONG
  ? { flows: 5, parts: 10_000, kills: 200, workers: 4 }
  : { flows: 2, parts: 300, kills: 6, workers: 2 }
const PARTS = flows * parts
const CONCURRENCY = 4
const MINUTE = 60_000
const steps = fileURLToPath(new URL('fixtures/steps.ts', import.meta.url))

const random = seeded(Number(process.env['SPINDLE_TEST_SEED'] ?? 1))

it('completes once although its workers are killed, and repeats no completed step', {
  timeout: (LONG ? 30 : 3) * MINUTE,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-killed-'))
  const url = `file:${join(folder, 'data')}`
  const file = join(folder, 'ran')
  const store = await open(url)
  const fleet: Command[] = []
  const begin = (): void => {
    fleet.push(spindle(['work', steps, '--url', url, '--concurrency', String(CONCURRENCY)]))
  }
  try {
    const runs = await Promise.all(
      Array.from({ length: flows }, (_, flow) => {
        const inputs = Array.from({ length: parts }, (_, n) => ({ n, file, flow }))
        return store.start(chain(fanOut(part, inputs, { concurrency: 16 }), next(total)))
      }),
    )
    for (let n = 0; n < workers; n++) begin()
    const ran = async (): Promise<string[]> => (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)
    for (let kill = 1; kill <= kills; kill++) {
      const wanted = (PARTS / (kills + 2)) * kill
      await expect.poll(async () => (await ran()).length, { timeout: MINUTE }).toBeGreaterThan(wanted)
      const [victim] = fleet.splice(Math.floor(random() * fleet.length), 1)
      victim?.child.kill('SIGKILL')
      await victim?.exited
      begin()
    }
    const results = await Promise.all(runs.map((run) => run.result({ timeoutMs: 2 * MINUTE })))
    expect(results).toEqual(runs.map(() => ({ count: parts, sum: (parts * (parts - 1)) / 2 })))
    const measured = await store.port.measure(['part', 'total'])
    // Each step was acked once; what ran twice was killed before it was.
    expect(measured.map(({ queue, done }) => [queue, done])).toEqual([
      ['part', PARTS],
      ['total', flows],
    ])
    const counts = new Map<string, number>()
    for (const line of await ran()) counts.set(line, (counts.get(line) ?? 0) + 1)
    expect(counts.size).toBe(PARTS)
    const repeated = [...counts.values()].reduce((sum, count) => sum + count - 1, 0)
    // What ran when a worker was killed, and what had ended there but was still on its way to the store: neither was completed.
    expect(repeated).toBeLessThanOrEqual(kills * CONCURRENCY * 4)
  } finally {
    for (const { child } of fleet) child.kill('SIGKILL')
    await Promise.all(fleet.map(({ exited }) => exited))
    await store.close()
    await rm(folder, { recursive: true })
  }
})
