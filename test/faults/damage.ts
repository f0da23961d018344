/** Damage on the medium and jumps of the clock, round after round on a store in memory; each lists the promises that were broken. */
import { SpindleError } from '../../src/model/errors.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import type { Seen } from './checkers.ts'
import { declareQueues, look, openStore } from './store.ts'
import { Workload } from './workload.ts'

export interface Rounds {
  readonly cycles: number
  readonly seed: number
}

const essence = (seen: Seen): string =>
  JSON.stringify(seen.messages.map(({ key, queue, body, sequence }) => [queue, key, body, sequence]).sort())

/** A store after some work, closed in order, and what it holds. */
async function worked(seed: number): Promise<{ disk: FaultDisk; seen: Seen }> {
  const disk = new FaultDisk()
  const { engine } = await openStore(disk)
  await declareQueues(engine)
  const workload = new Workload(seededRandom(seed))
  while (workload.operations < 500) await workload.burst(engine)
  const seen = await look(engine)
  await engine.close()
  return { disk, seen }
}

/** A flipped bit, or in each tenth round a cut file. `harmless`: it hit nothing that was in use. */
export async function damagedRounds({ cycles, seed }: Rounds): Promise<{
  readonly refused: number
  readonly harmless: number
  readonly problems: readonly string[]
}> {
  const { disk, seen } = await worked(1)
  const random = seededRandom(seed)
  const problems: string[] = []
  let refused = 0
  let harmless = 0
  for (let round = 0; round < cycles; round++) {
    const copy = disk.powerCut({ mode: 'kept' })
    const files = copy.files().filter(({ path, bytes }) => bytes > 0 && !path.includes('spare'))
    const { path, bytes } = files[Math.floor(random.float() * files.length)] as { path: string; bytes: number }
    const offset = Math.floor(random.float() * bytes)
    if (round % 10 === 9) copy.truncateAt(path, offset)
    else copy.flipBit(path, offset, Math.floor(random.float() * 8))
    try {
      const { engine } = await openStore(copy)
      const found = await look(engine)
      await engine.close()
      if (essence(found) === essence(seen)) harmless++
      else problems.push(`round ${round}: ${path} at ${offset} was damaged, and something else is served`)
    } catch (fault) {
      if (!(fault instanceof SpindleError)) throw fault
      if (fault.code === 'corrupt') refused++
      else problems.push(`round ${round}: ${path} at ${offset} was damaged, and the answer is ${fault.code}`)
    }
  }
  return { refused, harmless, problems }
}

const JUMPS_MS = [3_600_000, -3_600_000, 86_400_000, -86_400_000] as const
const LEASE_MS = 30_000

/** Wall clock jumps by an hour or a day in the middle of a lease: nothing comes early, nothing ends at once. */
export async function jumpedRounds({ cycles, seed }: Rounds): Promise<string[]> {
  const random = seededRandom(seed)
  const problems: string[] = []
  for (let round = 0; round < cycles; round++) {
    const { engine, clock } = await openStore(new FaultDisk())
    await declareQueues(engine)
    const message = { content: { body: Buffer.from('tick|'), head: new Uint8Array(0) } }
    await engine.commit([
      { ops: [{ kind: 'append', queue: 'plain', message }] },
      { ops: [{ kind: 'append', queue: 'plain', message: { ...message, delayMs: 60_000 } }] },
      { ops: [{ kind: 'append', queue: 'plain', message: { ...message, ttlMs: 7_200_000, delayMs: 90_000 } }] },
    ])
    const jumpMs = JUMPS_MS[round % 4] ?? 0
    const beforeMs = random.float() * 29_000
    const expectLeased = async (count: number, when: string): Promise<void> => {
      const { length } = await engine.lease({ queue: 'plain', max: 5, lease: { kind: 'clock', leaseMs: LEASE_MS } })
      if (length !== count)
        problems.push(`jump of ${jumpMs} ms after ${beforeMs} ms: ${length} instead of ${count} ${when}`)
    }
    await expectLeased(1, 'at first')
    await clock.advance(beforeMs)
    clock.jumpWall(jumpMs)
    await engine.tick(1_000)
    await expectLeased(0, 'at the jump')
    const [measured] = await engine.measure(['plain'])
    if (measured?.leased !== 1 || measured.delayed !== 2) problems.push(`jump of ${jumpMs} ms: something ended at once`)
    await clock.advance(LEASE_MS - beforeMs - 1)
    await expectLeased(0, 'just before its lease ends')
    await clock.advance(2)
    await expectLeased(1, 'when its lease has ended')
    await clock.advance(29_500)
    await expectLeased(0, 'before the delay is over')
    await clock.advance(1_000)
    await expectLeased(2, 'when a lease has ended and a delay is over')
    await clock.advance(30_000)
    await expectLeased(3, 'at the end')
    await engine.close()
  }
  return problems
}
