import { expect, it } from 'vitest'
import { bytes, Rig } from './rig.ts'

it('refuses to serve a body whose bytes changed on the disk', async () => {
  const rig = await Rig.open({ cacheBytes: 1 })
  await rig.declare('q')
  const body = bytes(300, 5)
  const id = await rig.send('q', body)
  // Out of the cache and out of the journal's memory.
  for (let i = 0; i < 400; i++) await rig.send('q', bytes(2_000, i))
  const [path] = await rig.segments()
  const file = await rig.disk.open(`journal/${path}`, 'existing')
  const whole = Buffer.alloc(await file.sizeBytes())
  await file.read(whole, 0)
  const at = whole.indexOf(body)
  expect(at).toBeGreaterThan(0)
  rig.disk.flipBit(`journal/${path}`, at + 100, 3)
  await expect(rig.engine.find(id)).rejects.toMatchObject({ code: 'corrupt' })
  await rig.engine.close()
})

it('passes over a damaged checkpoint when the journal can still tell everything', async () => {
  const rig = await Rig.open({ checkpointBytes: 50_000, segmentBytes: 8 * 1_048_576 })
  await rig.declare('q')
  for (let i = 0; i < 400; i++) await rig.send('q', bytes(200, i))
  await rig.engine.close()
  const [name] = await rig.checkpoints()
  if (name === undefined) throw new Error('expected a checkpoint')
  rig.disk.flipBit(`checkpoint/${name}`, 2_000, 1)
  await rig.crash()
  expect((await rig.everything('q')).length).toBe(400)
  await rig.engine.close()
})

it('refuses to open without the checkpoint that stands for segments given back', async () => {
  const rig = await Rig.open({ checkpointBytes: 100_000 })
  await rig.declare('q')
  await rig.declare('kept')
  await rig.send('kept', bytes(50, 1))
  const [first] = await rig.segments()
  for (let round = 0; (await rig.segments())[0] === first; round++) {
    if (round > 300) throw new Error('the first segment was never given back')
    await Promise.all(Array.from({ length: 20 }, (_, i) => rig.send('q', bytes(700, i))))
    await rig.ack(await rig.take('q', 20))
  }
  await rig.engine.close()
  for (const name of await rig.checkpoints()) await rig.disk.remove(`checkpoint/${name}`)
  await expect(rig.crash()).rejects.toMatchObject({ code: 'corrupt' })
})
