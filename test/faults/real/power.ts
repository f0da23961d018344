/** Power cuts on a loop-mounted ext4, and a tmpfs that is full: root only, in mounts that end with the run. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { EmbeddedEngine } from '../../../src/engine/embedded/engine.ts'
import { defaultPolicy } from '../../../src/model/policy.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { nodeDisk } from '../../../src/runtime/node-disk.ts'
import { seededRandom, systemRandom } from '../../../src/runtime/random.ts'
import { bundledVictim, VictimLog } from '../victim-run.ts'
import { command, compiled, inFolder, judged, type RealFault } from './fault.ts'

const CYCLES_AN_IMAGE = 20

export const power: RealFault = {
  name: 'power',
  what: 'simulated power loss: EXT4_IOC_SHUTDOWN (NOLOGFLUSH) of a loop-mounted ext4 under load',
  cycles: 100,
  root: true,
  async run({ cycles, seed }) {
    const random = seededRandom(seed)
    const problems: string[] = []
    let stored = 0
    let done = 0
    await inFolder(async (root) => {
      const cut = await compiled(root, 'cut-power')
      const victim = await bundledVictim(root)
      const mount = join(root, 'mount')
      await mkdir(mount)
      for (let from = 0; from < cycles && problems.length === 0; from += CYCLES_AN_IMAGE) {
        const image = join(root, `disk-${from}`)
        await command('truncate', '-s', '512M', image)
        await command('mkfs.ext4', '-q', '-F', image)
        const victims = new VictimLog(victim)
        for (let cycle = from; cycle < Math.min(cycles, from + CYCLES_AN_IMAGE) && problems.length === 0; cycle++) {
          await command('mount', '-o', 'loop', image, mount)
          const lines = 20 + Math.floor(random.float() * 2_000)
          let power: Promise<unknown> = Promise.resolve()
          const folder = join(mount, 'data')
          const end = await victims.run({
            folder,
            cycle,
            onLine: (count, kill) => {
              // What it still says of what was acknowledged before counts: it was synced.
              if (count === lines) power = command(cut, mount).finally(kill)
            },
          })
          await power
          stored += end.stored
          done++
          await command('umount', mount)
          await command('mount', '-o', 'loop', image, mount)
          for (const problem of await judged(folder, victims, 'power cut')) problems.push(`cycle ${cycle}: ${problem}`)
          await command('umount', mount)
        }
        await command('rm', image)
      }
    })
    return {
      problems,
      figure: `${done} power cuts, ${stored} acknowledged messages, ${problems.length} promises broken; no repair was needed`,
    }
  },
}

const MIB = 1_048_576

export const fullDisk: RealFault = {
  name: 'full-disk',
  what: 'a tmpfs of 200 sizes fills up: refused, then leases and acks, then room again',
  cycles: 200,
  root: true,
  async run({ cycles }) {
    const problems: string[] = []
    let stored = 0
    let refused = 0
    await inFolder(async (root) => {
      for (let point = 0; point < cycles && problems.length === 0; point++) {
        const mount = join(root, 'small')
        await mkdir(mount, { recursive: true })
        await command('mount', '-t', 'tmpfs', '-o', `size=${6 * MIB + point * 20_480}`, 'tmpfs', mount)
        try {
          const outcome = await fillUp(join(mount, 'data'), () =>
            command('mount', '-o', `remount,size=${64 * MIB}`, mount),
          )
          stored += outcome.stored
          refused += outcome.refused
          problems.push(...outcome.problems.map((problem) => `point ${point}: ${problem}`))
        } finally {
          await command('umount', mount)
        }
      }
    })
    return {
      problems,
      figure: `${cycles} sizes, ${stored} stored, ${refused} refused, ${problems.length} promises broken`,
    }
  },
}

async function fillUp(
  folder: string,
  grow: () => Promise<unknown>,
): Promise<{ stored: number; refused: number; problems: string[] }> {
  const problems: string[] = []
  const open = async (): Promise<EmbeddedEngine> => {
    const disk = nodeDisk(folder)
    const engine = new EmbeddedEngine({
      disk,
      clock: systemClock,
      random: systemRandom,
      options: { segmentBytes: MIB, checkpointBytes: MIB },
    })
    await engine.open()
    return engine
  }
  let engine = await open()
  await engine.commit([{ ops: [{ kind: 'putQueue', queue: 'q', policy: { ...defaultPolicy, attemptsMax: null } }] }])
  const message = { content: { body: Buffer.alloc(3_000, 'f'), head: new Uint8Array(0) } }
  const send = async (count: number): Promise<string[]> => {
    const outcomes = await engine.commit(
      Array.from({ length: count }, () => ({ ops: [{ kind: 'append', queue: 'q', message }] })),
    )
    return outcomes.map(([outcome]) => (outcome?.kind === 'refused' ? outcome.reason : (outcome?.kind ?? 'none')))
  }
  let stored = 0
  let refused = 0
  for (let batch = 0; batch < 4_000 && refused === 0; batch++) {
    const outcomes = await send(7)
    stored += outcomes.filter((kind) => kind === 'stored').length
    refused += outcomes.filter((kind) => kind === 'disk-full').length
  }
  if (refused === 0) problems.push('it never said that the disk is full')
  const held = stored
  let acked = 0
  for (let left = 5; left > 0; left--) {
    const taken = await engine.lease({ queue: 'q', max: 10, lease: { kind: 'clock', leaseMs: 600_000 } })
    const outcomes = await engine.commit(
      taken.map(({ receipt }) => ({ ops: [{ kind: 'settle', receipt, how: { kind: 'ack' } }] })),
    )
    acked += outcomes.filter(([outcome]) => outcome?.kind === 'settled').length
  }
  if (acked === 0) problems.push('nothing could be taken and acked on the full disk')
  await grow()
  let resumed = false
  for (let tries = 0; tries < 200 && !resumed; tries++) {
    resumed = (await send(1))[0] === 'stored'
    if (!resumed) await pause(100)
  }
  if (resumed) stored++
  else problems.push('it did not resume by itself')
  await engine.close()
  engine = await open()
  const [measured] = await engine.measure(['q'])
  const there = (measured?.ready ?? 0) + (measured?.leased ?? 0) + (measured?.delayed ?? 0)
  if (there !== held - acked + (resumed ? 1 : 0)) problems.push(`${there} are there, and ${held - acked + 1} should be`)
  await engine.close()
  return { stored, refused, problems }
}
