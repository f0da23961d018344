import { expect, it } from 'vitest'
import type { Outcome } from '../../src/engine/engine.ts'
import { bytes, Rig } from './rig.ts'

const NO_HEAD = new Uint8Array(0)

function append(rig: Rig, body: Uint8Array): Outcome | undefined {
  return rig.engine.direct.apply({ kind: 'append', queue: 'q', message: { content: { body, head: NO_HEAD } } })
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
  const settle = { kind: 'settle', receipt: delivery.receipt, how: { kind: 'ack' } } as const
  expect(direct.apply(settle)).toEqual({ kind: 'settled' })
  expect(direct.apply(settle)).toEqual({ kind: 'stale' })
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
