import { expect, it } from 'vitest'
import { seededRandom } from '../../src/runtime/random.ts'
import { bytes, Rig, until } from './rig.ts'

it('opens from a checkpoint and what came after it', async () => {
  const rig = await Rig.open({ checkpointBytes: 100_000 })
  await rig.declare('q', { dedup: { kind: 'window', windowMs: 1_000_000 }, attemptsMax: 2 })
  await rig.declare('lines', { groups: { kind: 'ordered' } })
  const history = [{ queue: 'x', reason: 'lost', count: 2, atMs: 5, attempts: 1 }]
  for (let i = 0; i < 1_500; i++) {
    await rig.send('q', bytes(i % 200, i), {
      dedupId: `key ${i}`,
      ...(i % 7 === 0 ? { priority: i % 3 } : undefined),
      ...(i % 11 === 0 ? { delayMs: 5_000 + i } : undefined),
      ...(i % 13 === 0 ? { ttlMs: 900_000 + i } : undefined),
      ...(i % 17 === 0 ? { history } : undefined),
    })
    if (i % 5 === 0) await rig.send('lines', bytes(20, i), { groupId: `group ${i % 9}` })
    if (i % 50 === 0) await rig.unit({ kind: 'record', key: `record ${i}`, value: bytes(30, i) })
  }
  const taken = await rig.take('q', 60)
  for (const [i, { receipt }] of taken.entries()) {
    const note = bytes(9, i)
    if (i % 4 === 0) await rig.unit({ kind: 'settle', receipt, how: { kind: 'release', delayMs: 100 * i, note } })
    if (i % 4 === 1) await rig.unit({ kind: 'settle', receipt, how: { kind: 'bury', reason: 'bad', note } })
    if (i % 4 === 2) await rig.unit({ kind: 'settle', receipt, how: { kind: 'ack', keep: bytes(50, i) } })
  }
  await until(async () => (await rig.checkpoints()).length > 0)
  await rig.reopen()
  const last = await rig.send('q', bytes(10, 1), { dedupId: 'after' })
  const before = [await rig.everything('q'), await rig.everything('lines'), await rig.engine.scan('', { limit: 100 })]

  await rig.crash()
  expect([await rig.everything('q'), await rig.everything('lines'), await rig.engine.scan('', { limit: 100 })]).toEqual(
    before,
  )
  const content = { body: bytes(1, 1), head: new Uint8Array(0) }
  const again = await rig.unit(
    { kind: 'append', queue: 'q', message: { content, dedupId: 'key 3' } },
    { kind: 'append', queue: 'q', message: { content, dedupId: 'after' } },
  )
  expect(again).toEqual([
    { kind: 'duplicate', of: expect.any(String) },
    { kind: 'duplicate', of: last },
  ])
  await rig.engine.close()
})

it('keeps groups that many rows name, and keys whose messages are gone', async () => {
  const rig = await Rig.open({ checkpointBytes: 400_000 })
  await rig.declare('lines', { groups: { kind: 'ordered' }, dedup: { kind: 'window', windowMs: 1_000_000 } })
  await rig.declare('turns', { groups: { kind: 'fair', concurrency: null } })
  const append = (queue: string, i: number, fields: object) =>
    ({
      kind: 'append',
      queue,
      message: { content: { body: bytes(40, i), head: new Uint8Array(0) }, ...fields },
    }) as const
  const send = (from: number, to: number) =>
    rig.unit(
      ...Array.from({ length: to - from }, (_, k) => from + k).flatMap((i) => [
        append('lines', i, { groupId: `line ${i % 40}`, dedupId: `key ${i}` }),
        append('turns', i, { groupId: `turn ${i % 30}` }),
      ]),
    )
  for (let i = 0; i < 5_000; i += 100) await send(i, i + 100)
  // Some groups end, and come back under the numbers that others had.
  const taken = await rig.take('lines', 400)
  await rig.unit(...taken.map(({ receipt }) => ({ kind: 'settle', receipt, how: { kind: 'ack' } }) as const))
  await until(async () => (await rig.checkpoints()).length > 0)
  const [first] = await rig.checkpoints()
  for (let i = 5_000; i < 9_000; i += 100) await send(i, i + 100)
  await until(async () => (await rig.checkpoints()).some((each) => each !== first))
  const before = [await rig.everything('lines'), await rig.everything('turns')]
  await rig.crash()
  expect([await rig.everything('lines'), await rig.everything('turns')]).toEqual(before)
  // The message of the first key was taken and is gone; that of the last one waits.
  for (const i of [0, 8_999]) {
    const again = append('lines', i, { groupId: 'any', dedupId: `key ${i}` })
    expect(await rig.unit(again)).toMatchObject([{ kind: 'duplicate' }])
  }
  await rig.engine.close()
})

it.each([1, 2, 3, 4, 5, 6])(
  'saves each row as of the checkpoint while verbs change it, seed %i',
  async (seed) => {
    const rig = await Rig.open({ checkpointBytes: 40_000 })
    const { float } = seededRandom(seed)
    await rig.declare('q', { attemptsMax: null, onDeath: { kind: 'deadLetter', queue: 'dead' } })
    await rig.declare('dead')
    await Promise.all(Array.from({ length: 9_000 }, (_, i) => rig.send('q', bytes(8, i))))
    // Verbs run while slices are written; every settle and lease counts attempts, so a row saved late would show.
    for (let round = 0; round < 60; round++) {
      const deliveries = await rig.take('q', 40)
      const verbs = deliveries.map(({ receipt }, i) => {
        const chance = float()
        if (chance < 0.3) return rig.unit({ kind: 'settle', receipt, how: { kind: 'release', note: bytes(5, i) } })
        if (chance < 0.5) return rig.unit({ kind: 'settle', receipt, how: { kind: 'ack' } })
        if (chance < 0.7) return rig.unit({ kind: 'settle', receipt, how: { kind: 'bury', reason: 'bad' } })
        return rig.send('q', bytes(8, round))
      })
      await Promise.all(verbs)
    }
    const before = [await rig.everything('q'), await rig.everything('dead')]
    expect((await rig.checkpoints()).length).toBeGreaterThan(0)
    await rig.crash()
    expect([await rig.everything('q'), await rig.everything('dead')]).toEqual(before)
    await rig.engine.close()
  },
  30_000,
)

it('outlives a power cut at any moment of a checkpoint', async () => {
  for (let turns = 0; turns < 40; turns += 3) {
    const rig = await Rig.open({ checkpointBytes: 30_000 })
    await rig.declare('q')
    await rig.engine.commit(
      Array.from({ length: 400 }, (_, i) => ({
        ops: [
          {
            kind: 'append' as const,
            queue: 'q',
            message: { content: { body: bytes(60, i), head: new Uint8Array(0) } },
          },
        ],
      })),
    )
    const before = await rig.everything('q')
    for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    await rig.cut()
    expect(await rig.everything('q')).toEqual(before)
    await rig.engine.close()
  }
})
