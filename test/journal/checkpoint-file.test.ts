import { describe, expect, it } from 'vitest'
import { CheckpointWriter, newestCheckpoint } from '../../src/engine/embedded/journal/checkpoint-file.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'

async function write(disk: FaultDisk, number: number, sections: readonly string[]): Promise<void> {
  const writer = await CheckpointWriter.start(disk, number)
  for (const section of sections) await writer.section(Buffer.from(section))
  await writer.finish()
}

async function read(disk: FaultDisk): Promise<{ number: number; sections: string[] } | undefined> {
  const checkpoint = await newestCheckpoint(disk, silentLog)
  if (checkpoint === undefined) return undefined
  const sections: string[] = []
  await checkpoint.read((payload) => sections.push(payload.toString()))
  return { number: checkpoint.number, sections }
}

const older = ['one', 'two'.repeat(1_000), '']
const newer = ['three'.repeat(2_000), 'four']

describe('checkpoint file', () => {
  it('gives back what was written, after a power cut', async () => {
    const disk = new FaultDisk()
    expect(await read(disk)).toBeUndefined()
    await write(disk, 1, older)
    expect(await read(disk.powerCut({ mode: 'lost' }))).toEqual({ number: 1, sections: older })
  })

  it('the newest replaces the others', async () => {
    const disk = new FaultDisk()
    await write(disk, 1, older)
    await write(disk, 2, newer)
    expect(await read(disk)).toEqual({ number: 2, sections: newer })
    expect(await disk.list('checkpoint')).toEqual(['00000002.ckpt'])
  })

  it('a power cut at any sync leaves the older or the newer one, whole', async () => {
    const disk = new FaultDisk()
    await write(disk, 1, older)
    const random = seededRandom(9)
    const cuts: FaultDisk[] = []
    disk.onSync(() => {
      for (let index = 0; index < 20; index++) cuts.push(disk.powerCut({ random }))
    })
    await write(disk, 2, newer)
    expect(cuts.length).toBeGreaterThan(100)
    const seen = new Set<number>()
    for (const cut of cuts) {
      const found = await read(cut)
      expect(found?.sections).toEqual(found?.number === 1 ? older : newer)
      seen.add(found?.number ?? 0)
    }
    expect([...seen].sort()).toEqual([1, 2])
  })

  it('a flipped bit or a cut file is passed over', async () => {
    const disk = new FaultDisk()
    await write(disk, 2, newer)
    const path = 'checkpoint/00000002.ckpt'
    const bytes = disk.contentOf(path).length
    for (let offset = 0; offset < bytes; offset += 7) {
      const flipped = disk.powerCut()
      flipped.flipBit(path, offset, offset % 8)
      expect(await read(flipped)).toBeUndefined()
      const cut = disk.powerCut()
      cut.truncateAt(path, offset)
      expect(await read(cut)).toBeUndefined()
    }
  })

  it('an older one that is still there takes the place of a damaged one', async () => {
    const disk = new FaultDisk()
    await write(disk, 1, older)
    const before = disk.contentOf('checkpoint/00000001.ckpt')
    await write(disk, 2, newer)
    const file = await disk.open('checkpoint/00000001.ckpt', 'create')
    await file.write(before, 0)
    disk.flipBit('checkpoint/00000002.ckpt', 20)
    expect(await read(disk)).toEqual({ number: 1, sections: older })
  })

  it('leaves the one before when it is abandoned', async () => {
    const disk = new FaultDisk()
    await write(disk, 1, older)
    const writer = await CheckpointWriter.start(disk, 2)
    await writer.section(Buffer.from('half'))
    await writer.abandon()
    expect(await read(disk)).toEqual({ number: 1, sections: older })
    expect(await disk.list('checkpoint')).toEqual(['00000001.ckpt'])
  })
})
