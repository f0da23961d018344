import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { declareQueues, longRun, openStore } from './store.ts'
import { type Case, verify } from './verify.ts'
import { Workload } from './workload.ts'

const OPERATIONS = 2_000
/** Boundaries examined: every one in a long run. */
const ONE_IN = longRun ? 1 : 16

describe('a power cut', () => {
  it('at the sync boundaries of a trace loses nothing that was acknowledged, undoes no ack, and invents nothing', async () => {
    const seed = Number(process.env['SPINDLE_SEED'] ?? 20_261_121)
    const random = seededRandom(seed)
    const disk = new FaultDisk()
    const { engine, clock } = await openStore(disk)
    await declareQueues(engine)
    const workload = new Workload(seededRandom(seed))
    let boundaries = 0
    let cases: Case[] = []
    const examined = { boundaries: 0, cases: 0 }
    disk.onSync(() => {
      boundaries++
      if (random.float() * ONE_IN >= 1) return
      examined.boundaries++
      const at = workload.log.now
      for (const mode of ['lost', 'kept', 'torn', 'torn'] as const)
        cases.push({ disk: disk.powerCut({ random, mode }), fault: 'power cut', at })
    })
    while (workload.operations < OPERATIONS) {
      await workload.burst(engine, { advance: (ms) => clock.advance(ms) })
      const due = cases
      cases = []
      for (const cut of due) {
        examined.cases++
        expect(await verify(workload, cut), `seed ${seed}, boundary ${boundaries}`).toEqual([])
      }
    }
    await engine.close()
    expect(workload.faults).toEqual([])
    expect(examined.boundaries).toBeGreaterThan(boundaries / ONE_IN / 2)
    console.log(`power cut: ${examined.boundaries} of ${boundaries} boundaries, ${examined.cases} cases, seed ${seed}`)
  }, 3_600_000)

  it('while the folder is new leaves one that opens', async () => {
    const disk = new FaultDisk()
    const random = seededRandom(4)
    const cuts: FaultDisk[] = []
    disk.onSync(() => {
      for (let index = 0; index < 4; index++) cuts.push(disk.powerCut({ random }))
    })
    const { engine } = await openStore(disk)
    await declareQueues(engine)
    await engine.close()
    expect(cuts.length).toBeGreaterThan(20)
    for (const cut of cuts) {
      const again = await openStore(cut)
      await declareQueues(again.engine)
      expect((await again.engine.measure()).length).toBe(5)
      await again.engine.close()
    }
  })

  it('twice in a row, the second one during recovery, changes nothing', async () => {
    const random = seededRandom(21)
    const disk = new FaultDisk()
    const { engine } = await openStore(disk)
    await declareQueues(engine)
    const workload = new Workload(seededRandom(22))
    for (let round = 0; round < (longRun ? 60 : 8); round++) {
      for (let bursts = 0; bursts < 10; bursts++) await workload.burst(engine)
      const at = workload.log.now
      const first = disk.powerCut({ random })
      const second: FaultDisk[] = []
      first.onSync(() => second.push(first.powerCut({ random })))
      const recovered = await openStore(first)
      const taken = second.length
      expect(taken).toBeGreaterThan(0)
      for (const cut of second.slice(0, taken))
        expect(await verify(workload, { disk: cut, fault: 'power cut', at })).toEqual([])
      await recovered.engine.close()
    }
    await engine.close()
  }, 600_000)
})

describe('a kill', () => {
  it('keeps everything that was written, relaxed or not, and every attempt', async () => {
    const disk = new FaultDisk()
    const { engine } = await openStore(disk)
    await declareQueues(engine)
    const workload = new Workload(seededRandom(31))
    let checked = 0
    while (workload.operations < OPERATIONS) {
      await workload.burst(engine)
      if (workload.operations % (longRun ? 3 : 41) !== 0) continue
      checked++
      expect(await verify(workload, { disk: disk.crash(), fault: 'kill', at: workload.log.now })).toEqual([])
    }
    await engine.close()
    expect(checked).toBeGreaterThan(5)
  }, 600_000)

  it('has the attempt of a delivery on record before it leaves', async () => {
    const disk = new FaultDisk()
    const { engine } = await openStore(disk)
    await declareQueues(engine)
    const message = { content: { body: Buffer.from('poison|'), head: new Uint8Array(0) } }
    await engine.commit([{ ops: [{ kind: 'append', queue: 'plain', message }] }])
    const taken = await engine.lease({ queue: 'plain', max: 1, lease: { kind: 'clock' } })
    // The process dies of its task in the same turn.
    const killed = disk.crash()
    expect(taken).toHaveLength(1)
    const again = await openStore(killed)
    const [view] = (await again.engine.browse({ queue: 'plain', states: ['leased', 'ready'], limit: 1 })).messages
    expect(view).toMatchObject({ state: 'leased', attempts: 1, deliveries: 1 })
    await again.engine.close()
    await engine.close()
  })
})
