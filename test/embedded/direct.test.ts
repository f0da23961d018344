import { expect, it } from 'vitest'
import type { AppendOutcome } from '../../src/model/message.ts'
import { bytes, Rig } from './rig.ts'

const NO_HEAD = new Uint8Array(0)

function append(rig: Rig, body: Uint8Array): AppendOutcome | undefined {
  return rig.engine.direct.append({ kind: 'append', queue: 'q', message: { content: { body, head: NO_HEAD } } })
}

it('keeps an answer back until what it tells is synced', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  let synced = 0
  rig.disk.onSync(() => synced++)
  expect(append(rig, bytes(100, 1))).toMatchObject({ kind: 'stored' })
  const kept = rig.engine.direct.kept('told').then((told) => ({ told, synced }))
  expect(synced).toBe(0)
  const { told, synced: before } = await kept
  expect(told).toBe('told')
  expect(before).toBeGreaterThan(0)
  await rig.cut()
  expect(await rig.everything('q')).toHaveLength(1)
  await rig.engine.close()
})

it('hands out nothing that is not durable, and settles what it handed out for good', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  const { direct } = rig.engine
  append(rig, bytes(100, 1))
  const stored = direct.kept(undefined)
  expect(direct.lease({ queue: 'q', max: 1, lease: { kind: 'clock' } })).toEqual([])
  await stored
  const [delivery] = direct.lease({ queue: 'q', max: 1, lease: { kind: 'clock' } })
  if (delivery === undefined) throw new Error('expected a delivery')
  await direct.kept(undefined)
  expect(direct.settle(delivery, { kind: 'ack' })).toEqual({ kind: 'settled' })
  expect(direct.settle(delivery, { kind: 'ack' })).toEqual({ kind: 'stale' })
  expect(direct.settle({ receipt: delivery.receipt }, { kind: 'ack' })).toEqual({ kind: 'stale' })
  // Stale, because of what is not durable yet: that is waited for.
  await direct.kept(undefined)
  await rig.cut()
  expect(await rig.everything('q')).toEqual([])
  await rig.engine.close()
})

it('leaves to commit what needs a segment that is not there yet, and does nothing of it', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  const sent: Promise<unknown>[] = []
  let left = 0
  for (let i = 0; i < 200; i++) {
    const body = bytes(2_000, i)
    const outcome = append(rig, body)
    if (outcome === undefined) {
      left++
      sent.push(rig.send('q', body))
    } else sent.push(rig.engine.direct.kept(outcome))
  }
  await Promise.all(sent)
  expect(left).toBeGreaterThan(0)
  expect(await rig.everything('q')).toHaveLength(200)
  await rig.engine.close()
})

it('rejects an answer whose sync fails, and throws from then on', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  rig.disk.failNth(1, 'sync')
  append(rig, bytes(100, 1))
  await expect(rig.engine.direct.kept('told')).rejects.toMatchObject({ code: 'poisoned' })
  expect(() => append(rig, bytes(100, 2))).toThrow(expect.objectContaining({ code: 'poisoned' }))
  await rig.engine.close()
})

it('says of a direct delivery what the verb says of it', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  const kept = rig.engine.direct.append({
    kind: 'append',
    queue: 'q',
    message: {
      content: { body: bytes(100, 1), head: bytes(3, 2) },
      priority: 2,
      ttlMs: 60_000,
      dedupId: 'd',
      groupId: 'g',
    },
  })
  await rig.engine.direct.kept(kept)
  const request = { queue: 'q', max: 1, lease: { kind: 'clock' } } as const
  const [direct] = rig.engine.direct.lease(request)
  if (direct === undefined) throw new Error('expected a delivery')
  expect(rig.engine.direct.settle(direct, { kind: 'release', spend: false, note: bytes(5, 3) })).toEqual({
    kind: 'settled',
  })
  await rig.engine.direct.kept(undefined)
  const [again] = rig.engine.direct.lease(request)
  if (again === undefined) throw new Error('expected a delivery')
  const view = await rig.engine.find(again.id)
  if (view === undefined) throw new Error('expected a message')
  for (const [name, value] of Object.entries(view))
    if (name !== 'receipt') expect([name, again[name as keyof typeof again]]).toEqual([name, value])
  expect(again.receipt).not.toBe(direct.receipt)
  expect(rig.engine.direct.settle({ receipt: again.receipt }, { kind: 'ack' })).toEqual({ kind: 'settled' })
  await rig.engine.close()
})

it('answers acks that share a sync, each once it is durable, and rejects them alike', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  for (let i = 0; i < 300; i++) await rig.send('q', bytes(10, i))
  const deliveries = rig.engine.direct.lease({ queue: 'q', max: 300, lease: { kind: 'clock' } })
  await rig.engine.direct.kept(undefined)
  const ack = (delivery: (typeof deliveries)[number]) =>
    rig.engine.direct.kept(rig.engine.direct.settle(delivery, { kind: 'ack' }))
  let synced = 0
  rig.disk.onSync(() => synced++)
  const first = await Promise.all(deliveries.slice(0, 200).map(ack))
  expect(first).toEqual(first.map(() => ({ kind: 'settled' })))
  expect(synced).toBeGreaterThan(0)
  rig.disk.failNth(1, 'sync')
  const failed = await Promise.allSettled(deliveries.slice(200).map(ack))
  expect(failed.map(({ status }) => status)).toEqual(failed.map(() => 'rejected'))
  await rig.cut()
  expect(await rig.everything('q')).toHaveLength(100)
  await rig.engine.close()
})
