import { expect, it } from 'vitest'
import { bytes, Rig } from './rig.ts'

const MESSAGES = 50_000

async function fill(rig: Rig): Promise<void> {
  const content = { body: bytes(100, 1), head: new Uint8Array(0) }
  for (let sent = 0; sent < MESSAGES; sent += 5_000) {
    await rig.engine.commit(
      Array.from({ length: 5_000 }, () => ({ ops: [{ kind: 'append' as const, queue: 'q', message: { content } }] })),
    )
  }
}

it('needs at most 64 bytes of index for a plain waiting message', async () => {
  const rig = await Rig.open({ segmentBytes: 16 * 1_048_576 })
  await rig.declare('q')
  const before = rig.engine.indexBytes
  await fill(rig)
  expect((rig.engine.indexBytes - before) / MESSAGES).toBeLessThanOrEqual(64)
  await rig.engine.close()
}, 30_000)

it('uses the rows of messages that are gone again', async () => {
  const rig = await Rig.open({ segmentBytes: 16 * 1_048_576 })
  await rig.declare('q')
  await fill(rig)
  const before = rig.engine.indexBytes
  for (let taken = 0; taken < MESSAGES; taken += 5_000) await rig.ack(await rig.take('q', 5_000))
  const atRest = rig.engine.indexBytes
  await fill(rig)
  await fill(rig)
  for (let taken = 0; taken < MESSAGES; taken += 5_000) await rig.ack(await rig.take('q', 5_000))
  expect(atRest).toBeLessThan(before * 1.8)
  expect(rig.engine.indexBytes).toBeLessThan(before * 3.6)
  expect((await rig.engine.measure(['q']))[0]?.ready).toBe(MESSAGES)
  await rig.engine.close()
}, 30_000)

it('serves bodies that left the cache, in order and unchanged', async () => {
  const rig = await Rig.open({ cacheBytes: 1 })
  await rig.declare('q')
  const bodies = Array.from({ length: 3_000 }, (_, i) => bytes(i % 700, i))
  await Promise.all(bodies.map((body) => rig.send('q', body)))
  const taken: Uint8Array[] = []
  while (taken.length < bodies.length) for (const { content } of await rig.take('q', 500)) taken.push(content.body)
  expect(taken.every((body, i) => Buffer.compare(body, bodies[i] as Uint8Array) === 0)).toBe(true)
  await rig.engine.close()
}, 30_000)
