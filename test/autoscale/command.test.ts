import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AssumedWorkers } from '../../src/autoscale/targets/assumed-workers.ts'
import { CommandTarget } from '../../src/autoscale/targets/command.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spindle-command-'))
})
afterEach(() => rm(folder, { recursive: true }))

const order = { wanted: 3, queue: "mail's $HOME", waiting: 40, inFlight: 2, oldestAgeMs: 1_250.4 }

describe('the command of a pool', () => {
  it('is told the wish, once for each change and again after a minute', async () => {
    const clock = new VirtualClock()
    const line =
      '"$SPINDLE_QUEUE $SPINDLE_WANTED $SPINDLE_ACTUAL $SPINDLE_WAITING $SPINDLE_IN_FLIGHT $SPINDLE_OLDEST_AGE_MS"'
    const command = `echo ${line} >> ${folder}/told`
    const target = new CommandTarget({ command, clock, startUpMs: 5_000, ready: 1 })
    await target.apply(order)
    await target.apply(order)
    expect(target.fleet()).toMatchObject({ ready: 1, starting: 2 })
    await clock.advance(5_000)
    expect(target.fleet()).toMatchObject({ ready: 3, starting: 0 })
    await target.apply({ ...order, wanted: 2 })
    expect(target.fleet()).toMatchObject({ ready: 2, starting: 0 })
    await clock.advance(60_000)
    await target.apply({ ...order, wanted: 2 })
    const name = "mail's $HOME"
    const lines = [`${name} 3 1 40 2 1250`, `${name} 2 3 40 2 1250`, `${name} 2 2 40 2 1250`]
    expect((await readFile(`${folder}/told`, 'utf8')).trimEnd().split('\n')).toEqual(lines)
    expect(clock.armedTimers).toBe(0)
  })

  it('may print how many there are', async () => {
    const clock = new VirtualClock()
    const target = new CommandTarget({ command: 'echo scaled; echo 7', clock, startUpMs: 5_000, ready: 0 })
    await target.apply(order)
    expect(target.fleet()).toMatchObject({ ready: 7, starting: 0 })
  })

  it('is tried again after a failure, which says what went wrong', async () => {
    const clock = new VirtualClock()
    const command = `test -e ${folder}/up || { echo no cluster >&2; touch ${folder}/up; exit 3; }`
    const target = new CommandTarget({ command, clock, startUpMs: 0, ready: 0 })
    await expect(target.apply(order)).rejects.toThrow(/failed \(code 3: no cluster\)/)
    expect(target.fleet().ready).toBe(0)
    await target.apply(order)
    expect(target.fleet().ready).toBe(3)
  })

  it('is ended with all it started when it takes too long', async () => {
    const command = `sleep 600; touch ${folder}/over`
    const target = new CommandTarget({ command, clock: systemClock, startUpMs: 0, ready: 0, limitMs: 50 })
    await expect(target.apply(order)).rejects.toThrow(/not done after 50 ms/)
    expect(existsSync(`${folder}/over`)).toBe(false)
  })
})

describe('workers that somebody else runs', () => {
  it('are taken to start in the time that they are said to take, and those on their way are the first not to come', async () => {
    const clock = new VirtualClock()
    const target = new AssumedWorkers({ clock, startUpMs: 1_000, ready: 2 })
    await target.apply({ wanted: 6 })
    expect(target.fleet()).toMatchObject({ ready: 2, starting: 4 })
    await target.apply({ wanted: 4 })
    expect(target.fleet()).toMatchObject({ ready: 2, starting: 2 })
    await clock.advance(1_000)
    expect(target.fleet()).toMatchObject({ ready: 4, starting: 0 })
    await target.apply({ wanted: 0 })
    expect(target.fleet()).toMatchObject({ ready: 0, starting: 0 })
  })
})
