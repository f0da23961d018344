import { describe, expect, it } from 'vitest'
import type { Receipt } from '../../src/model/message.ts'
import { bytes, type MakeEngine, Subject, text } from './subject.ts'

export function settleSuite(make: MakeEngine): void {
  describe('settle', () => {
    it('ack removes the message, once', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      const delivery = await s.takeOne()
      expect(await s.ack(delivery)).toBe('settled')
      expect(await s.ack(delivery)).toBe('stale')
      expect(await s.engine.find(id)).toBeUndefined()
      expect(await s.counts()).toEqual({})
    })

    it('is stale for what is no receipt', async () => {
      const s = await Subject.with(make)
      for (const receipt of ['', 'x', '1.2', '1.2.3.4', '-1.5.6', '9'.repeat(100)]) {
        expect(await s.ack({ receipt: receipt as Receipt })).toBe('stale')
      }
    })

    it('ack with a kept value leaves it done until its retention ends', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      await s.ack(await s.takeOne(), { keep: bytes('result'), retainMs: 5_000 })
      const view = await s.engine.find(id)
      expect(view).toMatchObject({ state: 'done', attempts: 1, endedAtMs: s.clock.wallMs() })
      expect(text(view?.kept)).toBe('result')
      expect(await s.take()).toEqual([])
      await s.clock.advance(4_999)
      expect(await s.counts()).toEqual({ done: 1 })
      await s.clock.advance(1)
      expect(await s.engine.find(id)).toBeUndefined()
    })

    it('ack that names no retention keeps for ever', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      await s.ack(await s.takeOne(), { keep: new Uint8Array(0) })
      await s.clock.advance(399 * 86_400_000)
      expect(await s.counts()).toEqual({ done: 1 })
    })

    it('keeps at most doneMax, the oldest ended first out', async () => {
      const s = await Subject.with(make, { doneMax: 2 })
      for (const body of ['a', 'b', 'c']) await s.send(body)
      const deliveries = await s.take(3)
      for (const delivery of deliveries.reverse()) await s.ack(delivery, { keep: bytes('kept') })
      expect(await s.bodies(['done'])).toEqual(['a', 'b'])
    })

    it('ack counts late, while nobody else got the message', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const delivery = await s.takeOne()
      await s.clock.advance(30_000)
      expect(await s.counts()).toEqual({ ready: 1 })
      expect(await s.release(delivery)).toBe('stale')
      expect(await s.bury(delivery)).toBe('stale')
      expect(await s.ack(delivery)).toBe('settled')
      expect(await s.counts()).toEqual({})
    })

    it('ack does not count late where the queue forbids it', async () => {
      const s = await Subject.with(make, { lateAck: false })
      await s.send('a')
      const delivery = await s.takeOne()
      await s.clock.advance(30_000)
      expect(await s.ack(delivery)).toBe('stale')
      expect(await s.counts()).toEqual({ ready: 1 })
    })

    it('ack does not count late after the message was released', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const delivery = await s.takeOne()
      await s.release(delivery)
      expect(await s.ack(delivery)).toBe('stale')
      await s.takeOne()
      expect(await s.ack(delivery)).toBe('stale')
    })

    it('release spends the attempt unless told otherwise', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      await s.release(await s.takeOne(), { spend: false })
      expect(await s.list(['ready'])).toMatchObject([{ attempts: 0, deliveries: 1 }])
      await s.release(await s.takeOne())
      expect(await s.list(['ready'])).toMatchObject([{ attempts: 1, deliveries: 2 }])
    })

    it('release delays, and replaces the note', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      await s.release(await s.takeOne(), { delayMs: 1_000, note: bytes('first') })
      expect(await s.engine.find(id)).toMatchObject({ state: 'delayed', dueAtMs: s.clock.wallMs() + 1_000 })
      await s.clock.advance(1_000)
      const delivery = await s.takeOne()
      expect(text(delivery.note)).toBe('first')
      await s.release(delivery)
      expect(text((await s.engine.find(id))?.note)).toBe('first')
      await s.release(await s.takeOne(), { note: bytes('second, which is longer') })
      expect(text((await s.engine.find(id))?.note)).toBe('second, which is longer')
    })

    it('release of the last attempt is death `exhausted`', async () => {
      const s = await Subject.with(make, { attemptsMax: 2 })
      const id = await s.send('a')
      await s.release(await s.takeOne())
      await s.release(await s.takeOne(), { note: bytes('why') })
      const view = await s.engine.find(id)
      expect(view).toMatchObject({
        state: 'dead',
        endedAtMs: s.clock.wallMs(),
        history: [{ queue: 'q', reason: 'exhausted', count: 1, atMs: s.clock.wallMs(), attempts: 2 }],
      })
      expect(text(view?.note)).toBe('why')
    })

    it('silent loss of the last attempt is death `exhausted`', async () => {
      const s = await Subject.with(make, { attemptsMax: 2 })
      const id = await s.send('a')
      for (let attempt = 1; attempt <= 2; attempt++) {
        await s.takeOne()
        await s.clock.advance(30_000)
      }
      expect(await s.engine.find(id)).toMatchObject({ state: 'dead', history: [{ reason: 'exhausted', attempts: 2 }] })
    })

    it('never exhausts without a cap', async () => {
      const s = await Subject.with(make, { attemptsMax: null })
      await s.send('a')
      for (let i = 0; i < 50; i++) await s.release(await s.takeOne())
      expect(await s.list(['ready'])).toMatchObject([{ attempts: 50 }])
    })

    it('a lost lease is death `lost` where the queue says fail', async () => {
      const s = await Subject.with(make, { onLost: 'fail' })
      const id = await s.send('a')
      const delivery = await s.takeOne()
      await s.clock.advance(30_000)
      expect(await s.engine.find(id)).toMatchObject({ state: 'dead', history: [{ reason: 'lost', attempts: 1 }] })
      expect(await s.ack(delivery)).toBe('stale')
    })

    it('bury is death at once, with its reason and note', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      expect(await s.bury(await s.takeOne(), 'invalid', bytes('field x'))).toBe('settled')
      const view = await s.engine.find(id)
      expect(view).toMatchObject({ state: 'dead', history: [{ reason: 'invalid', count: 1, attempts: 1 }] })
      expect(text(view?.note)).toBe('field x')
    })

    it('settles many in one call, each on its own', async () => {
      const s = await Subject.with(make)
      for (const body of ['a', 'b', 'c']) await s.send(body)
      const [a, b, c] = await s.take(3)
      if (a === undefined || b === undefined || c === undefined) throw new Error('expected three')
      await s.ack(b)
      const outcomes = await s.engine.commit(
        [a, b, c].map(({ receipt }) => ({
          ops: [{ kind: 'settle' as const, receipt, how: { kind: 'ack' as const } }],
        })),
      )
      expect(outcomes.flat().map(({ kind }) => kind)).toEqual(['settled', 'stale', 'settled'])
    })
  })
}
