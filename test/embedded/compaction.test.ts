import { expect, it } from 'vitest'
import { bytes, Rig, until } from './rig.ts'

it('keeps the disk within bounds, and one old message does not pin its segment', async () => {
  const rig = await Rig.open({ checkpointBytes: 200_000 })
  await rig.declare('q')
  await rig.declare('old')
  const kept: string[] = []
  const ids: string[] = []
  for (let round = 0; round < 120; round++) {
    const old = bytes(100, round)
    ids.push(await rig.send('old', old))
    kept.push(Buffer.from(old).toString('hex'))
    await Promise.all(Array.from({ length: 50 }, (_, i) => rig.send('q', bytes(400, i))))
    await rig.ack(await rig.take('q', 50))
  }
  // 120 * 50 * 400 bytes went through; what lives is 12,000 bytes.
  await until(async () => (await rig.segments()).length <= 8)
  const old = await rig.everything('old')
  expect(old.map(({ content }) => Buffer.from(content.body).toString('hex'))).toEqual(kept)
  expect(old.map(({ id }) => id)).toEqual(ids)
  await rig.crash()
  expect((await rig.everything('old')).map(({ content }) => Buffer.from(content.body).toString('hex'))).toEqual(kept)
  await rig.cut()
  expect((await rig.everything('old')).map(({ content }) => Buffer.from(content.body).toString('hex'))).toEqual(kept)
  await rig.engine.close()
}, 30_000)

it.each([40, 30_000])(
  'copies a shared content of %i bytes once, with notes and kept results',
  async (size) => {
    const rig = await Rig.open({ checkpointBytes: 150_000 })
    const queues = ['a', 'b', 'c', 'd']
    for (const queue of [...queues, 'churn']) await rig.declare(queue)
    const content = { body: bytes(size, 7), head: bytes(10, 8) }
    await rig.unit(...queues.map((queue) => ({ kind: 'append' as const, queue, message: { content } })))
    const [a] = await rig.take('a')
    const [b] = await rig.take('b')
    if (a === undefined || b === undefined) throw new Error('expected one in each')
    const note = bytes(40, 3)
    const keep = bytes(90, 4)
    await rig.unit({ kind: 'settle', receipt: a.receipt, how: { kind: 'release', note } })
    await rig.unit({ kind: 'settle', receipt: b.receipt, how: { kind: 'ack', keep } })
    const [first] = await rig.segments()
    for (let round = 0; (await rig.segments())[0] === first; round++) {
      if (round > 300) throw new Error('the first segment was never given back')
      await Promise.all(Array.from({ length: 20 }, (_, i) => rig.send('churn', bytes(700, i))))
      await rig.ack(await rig.take('churn', 20))
    }
    const check = async (): Promise<void> => {
      for (const queue of queues) {
        const [view] = await rig.everything(queue)
        expect(view?.content.body).toEqual(content.body)
        expect(view?.content.head).toEqual(content.head)
      }
      expect((await rig.everything('a'))[0]?.note).toEqual(note)
      expect((await rig.everything('b'))[0]?.kept).toEqual(keep)
    }
    await check()
    await rig.crash()
    await check()
    await rig.engine.close()
  },
  30_000,
)
