import { describe, expect, it } from 'vitest'
import { LocalProcesses, type WorkerEvents } from '../../src/autoscale/targets/local-processes.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

interface Started {
  readonly events: WorkerEvents
  readonly signals: string[]
}

function setUp() {
  const clock = new VirtualClock()
  const started: Started[] = []
  const target = new LocalProcesses({
    clock,
    log: silentLog,
    startUpMs: 1_000,
    killAfterMs: 35_000,
    start: (events) => {
      const signals: string[] = []
      started.push({ events, signals })
      return { pid: started.length, signal: (name) => signals.push(name) }
    },
  })
  const worker = (at: number): Started => started[at] as Started
  const counts = () => {
    const { ready, starting, leaving } = target.fleet()
    return [ready, starting, leaving]
  }
  return { clock, started, target, worker, counts }
}

describe('local worker processes', () => {
  it('start once for the same wish, and are ready at their first report', async () => {
    const { clock, target, started, worker, counts } = setUp()
    await target.apply({ wanted: 2 })
    await target.apply({ wanted: 2 })
    expect(started).toHaveLength(2)
    expect(counts()).toEqual([0, 2, 0])
    await clock.advance(3_000)
    worker(0).events.report(0)
    expect(counts()).toEqual([1, 1, 0])
    expect(target.fleet().startUpMs).toBe(2_000) // half of what was guessed, half of what was seen
  })

  it('let the idle go first, and tell none to stop that has something in its hands', async () => {
    const { target, worker, counts } = setUp()
    await target.apply({ wanted: 3 })
    for (const at of [0, 1, 2]) worker(at).events.report(at === 1 ? 0 : 2)
    worker(0).events.report(2)
    worker(2).events.report(3)
    await target.apply({ wanted: 1 })
    expect([worker(0).signals, worker(1).signals, worker(2).signals]).toEqual([['SIGTSTP'], ['SIGTSTP'], []])
    worker(0).events.report(1)
    worker(1).events.report(0)
    worker(1).events.report(0)
    worker(0).events.report(0)
    expect([worker(0).signals, worker(1).signals]).toEqual([['SIGTSTP'], ['SIGTSTP', 'SIGTERM']])
    worker(0).events.report(0)
    expect(worker(0).signals).toEqual(['SIGTSTP', 'SIGTERM'])
    worker(1).events.ended({ code: 143, signal: null })
    expect(counts()).toEqual([1, 0, 1])
  })

  it('bring back one that is still finishing, instead of starting another', async () => {
    const { target, started, worker, counts } = setUp()
    await target.apply({ wanted: 1 })
    worker(0).events.report(1)
    await target.apply({ wanted: 0 })
    worker(0).events.report(1)
    await target.apply({ wanted: 1 })
    expect(worker(0).signals).toEqual(['SIGTSTP', 'SIGCONT'])
    expect(started).toHaveLength(1)
    expect(counts()).toEqual([1, 0, 0])
  })

  it('signal nobody who cannot understand it yet', async () => {
    const { target, worker } = setUp()
    await target.apply({ wanted: 1 })
    await target.apply({ wanted: 0 })
    expect(worker(0).signals).toEqual([])
    worker(0).events.report(0)
    worker(0).events.report(0)
    worker(0).events.report(0)
    expect(worker(0).signals).toEqual(['SIGTSTP', 'SIGTERM'])
  })

  it('are replaced when they die: the first time at once, then after pauses that grow', async () => {
    const { clock, target, started, worker } = setUp()
    await target.apply({ wanted: 1 })
    worker(0).events.ended({ code: null, signal: 'SIGKILL' })
    await target.apply({ wanted: 1 })
    expect(started).toHaveLength(2)
    worker(1).events.ended({ code: 1, signal: null })
    await target.apply({ wanted: 1 })
    expect(started).toHaveLength(2)
    await clock.advance(1_000)
    await target.apply({ wanted: 1 })
    expect(started).toHaveLength(3)
    worker(2).events.ended({ code: 1, signal: null })
    await clock.advance(1_000)
    await target.apply({ wanted: 1 })
    expect(started).toHaveLength(3)
    await clock.advance(1_000)
    await target.apply({ wanted: 1 })
    expect(started).toHaveLength(4)
  })

  it('are all told to stop at the end, awaited, and killed when they do not end', async () => {
    const { clock, target, worker } = setUp()
    await target.apply({ wanted: 2 })
    worker(0).events.report(5)
    let stopped = false
    const stopping = target.stop().then(() => {
      stopped = true
    })
    await target.apply({ wanted: 2 })
    worker(0).events.ended({ code: 143, signal: null })
    await clock.advance(34_999)
    expect([stopped, worker(1).signals]).toEqual([false, ['SIGTERM']])
    await clock.advance(1)
    expect(worker(1).signals).toEqual(['SIGTERM', 'SIGKILL'])
    worker(1).events.ended({ code: null, signal: 'SIGKILL' })
    await stopping
    expect(clock.armedTimers).toBe(0)
  })
})
