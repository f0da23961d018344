/** The real command, between a folder and a PostgreSQL and back, killed with -9 on its way. */
import process from 'node:process'
import { open } from 'spindle-mq'
import { expect, it } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { spindle } from '../cli/command.ts'
import { temporaryFolder } from '../folder/temporary-folder.ts'
import { freshDatabase } from '../postgres/database.ts'
import { whyNoPostgres } from '../postgres/server.ts'
import { fill, inventory } from './filled.ts'

const missing = whyNoPostgres()
const long = process.env['SPINDLE_TEST_LONG'] === '1'
const KILLS = long ? 30 : 1
const SCALE = long ? 20_000 : 600

/** Runs it until it comes through; resolves to what it said, and how often it was killed. */
async function movedThrough(
  from: string,
  to: string,
  seed: number,
  more: readonly string[] = [],
): Promise<{ output: string; kills: number }> {
  const random = seededRandom(seed)
  for (let kills = 0; ; kills++) {
    const command = spindle(['move', '--from', from, '--to', to, ...more])
    // From its first breath to the middle of the work: it says nothing until it is done.
    const kill = systemClock.setTimer(1_500 + random.float() * 3_000, () => {
      if (kills < KILLS) command.child.kill('SIGKILL')
    })
    const code = await command.exited
    kill.cancel()
    if (code === 0) return { output: command.output(), kills }
    if (code !== null) throw new Error(`${code}: ${command.errors()}`)
  }
}

it.skipIf(missing !== undefined)(
  `spindle move carries a store into PostgreSQL and back through kills${missing === undefined ? '' : ` (${missing})`}`,
  async () => {
    const [here, back] = [`file:${await temporaryFolder()}/a`, `file:${await temporaryFolder()}/b`]
    const there = await freshDatabase()
    const first = await open(here)
    await fill(first.port, SCALE)
    const before = await inventory(first.port, systemClock)
    const count = before.queues.reduce((sum, { messages }) => sum + messages.length, 0)

    const busy = spindle(['move', '--from', here, '--to', there])
    expect(await busy.exited).toBe(1)
    expect(busy.errors()).toMatch(/^spindle: move file:.* while another process has it open/)
    await first.close()

    const forth = await movedThrough(here, there, 1)
    expect(forth.output).toMatch(new RegExp(`moved ${count} messages from file:`))
    const second = await open(there)
    expect(await inventory(second.port, systemClock)).toEqual(before)
    await second.close()

    const again = await movedThrough(there, back, 2, ['--json'])
    expect(JSON.parse(again.output)).toMatchObject({ moved: count, to: back, tookMs: expect.any(Number) })
    const third = await open(back)
    expect(await inventory(third.port, systemClock)).toEqual(before)
    expect(await third.measure()).toHaveLength(before.queues.length)
    await third.close()
    const emptied = await open(there)
    expect(await emptied.measure()).toEqual([])
    await emptied.close()
  },
  long ? 600_000 : 120_000,
)
