import { expect, it } from 'vitest'
import type { Outcome } from '../../src/engine/engine.ts'
import { bytes, Rig } from './rig.ts'

const NO_HEAD = new Uint8Array(0)

/** Commits one early append, and says whether that is resolved yet. */
function sendEarly(rig: Rig, body: Uint8Array) {
  const sent = { outcome: undefined as Outcome | undefined, done: Promise.resolve() }
  const ops = [{ kind: 'append', queue: 'q', message: { content: { body, head: NO_HEAD } } }] as const
  sent.done = rig.engine.commit([{ ops }], { early: true }).then((units) => {
    sent.outcome = units[0]?.[0]
  })
  return sent
}

it('delivers an early append when it is written, and resolves it when it is synced', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  const body = bytes(100, 1)
  const before = { ...rig.disk.calls }
  const sent = sendEarly(rig, body)
  const [delivery] = await rig.take('q')
  expect(Buffer.from(delivery?.content.body ?? [])).toEqual(Buffer.from(body))
  expect(rig.disk.calls.write).toBeGreaterThan(before.write)
  expect(sent.outcome).toBeUndefined()
  await sent.done
  expect(sent.outcome).toMatchObject({ kind: 'stored', id: delivery?.id })
  await rig.cut()
  expect(await rig.everything('q')).toHaveLength(1)
  await rig.engine.close()
})

it('keeps what it delivered early when the process is killed, with the attempt', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  const sent = sendEarly(rig, bytes(100, 1))
  await rig.take('q')
  expect(sent.outcome).toBeUndefined()
  await rig.crash()
  expect(await rig.everything('q')).toMatchObject([{ state: 'leased', deliveries: 1 }])
  await rig.engine.close()
})

it('loses by a power cut only what it had not resolved for, and what was done with that', async () => {
  const rig = await Rig.open()
  await rig.declare('q')
  await rig.declare('next')
  const sent = sendEarly(rig, bytes(100, 1))
  const [delivery] = await rig.take('q')
  if (delivery === undefined) throw new Error('expected a delivery')
  const followUp = rig.unit(
    { kind: 'settle', receipt: delivery.receipt, how: { kind: 'ack' }, required: true },
    { kind: 'append', queue: 'next', message: { content: { body: bytes(10, 2), head: NO_HEAD } }, required: true },
  )
  followUp.catch(() => {})
  expect(sent.outcome).toBeUndefined()
  await rig.cut()
  expect(await rig.everything('q')).toEqual([])
  expect(await rig.everything('next')).toEqual([])
  await rig.engine.close()
})
