import { describe, expect, it } from 'vitest'
import type { MessageId } from '../../src/model/message.ts'
import { type MakeEngine, Subject, text } from './subject.ts'

export function browseSuite(make: MakeEngine): void {
  describe('browse', () => {
    it('shows the states asked for, in that order, each in the order of the queue', async () => {
      const s = await Subject.with(make)
      for (const body of ['dead', 'done', 'leased']) await s.send(body)
      await s.bury(await s.takeOne())
      await s.ack(await s.takeOne(), { keep: new Uint8Array(1) })
      await s.takeOne()
      await s.send('low')
      await s.send('high', { priority: 1 })
      await s.send('delayed', { delayMs: 10 })
      expect(await s.bodies(['dead', 'ready', 'delayed', 'done', 'leased'])).toEqual([
        'dead',
        'high',
        'low',
        'delayed',
        'done',
        'leased',
      ])
      expect((await s.list(['leased', 'done'])).map(({ state }) => state)).toEqual(['leased', 'done'])
      expect(await s.list([])).toEqual([])
    })

    it('pages through, over the bounds of states', async () => {
      const s = await Subject.with(make)
      for (let i = 0; i < 5; i++) await s.send(`r${i}`, { priority: i % 2 })
      for (let i = 0; i < 4; i++) await s.send(`d${i}`, { delayMs: 100 })
      const pages: (string | undefined)[][] = []
      let cursor: string | undefined
      do {
        const page = await s.engine.browse({
          queue: 'q',
          states: ['ready', 'delayed'],
          limit: 3,
          ...(cursor === undefined ? {} : { cursor }),
        })
        pages.push(page.messages.map(({ content: { body } }) => text(body)))
        cursor = page.cursor
      } while (cursor !== undefined)
      expect(pages).toEqual([
        ['r1', 'r3', 'r0'],
        ['r2', 'r4', 'd0'],
        ['d1', 'd2', 'd3'],
      ])
    })

    it('goes on behind a message that left meanwhile', async () => {
      const s = await Subject.with(make)
      for (const body of ['a', 'b', 'c']) await s.send(body)
      const page = await s.engine.browse({ queue: 'q', states: ['ready'], limit: 1 })
      await s.ack(await s.takeOne())
      const rest = await s.engine.browse({
        queue: 'q',
        states: ['ready'],
        limit: 5,
        ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
      })
      expect(rest.messages.map(({ content: { body } }) => text(body))).toEqual(['b', 'c'])
    })

    it('shows nothing of a queue that is missing, and refuses a limit or cursor that cannot be', async () => {
      const s = await Subject.with(make)
      expect(await s.engine.browse({ queue: 'nowhere', states: ['ready'], limit: 1 })).toEqual({
        messages: [],
        cursor: undefined,
      })
      for (const limit of [0, 1_001, 1.5]) {
        await expect(s.engine.browse({ queue: 'q', states: ['ready'], limit })).rejects.toMatchObject({
          code: 'invalid-argument',
        })
      }
      await expect(
        s.engine.browse({ queue: 'q', states: ['ready'], limit: 1, cursor: 'no cursor' }),
      ).rejects.toMatchObject({ code: 'invalid-argument' })
    })

    it('never leases or spends', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      await s.list(['ready'])
      expect(await s.takeOne()).toMatchObject({ attempts: 1, deliveries: 1 })
    })
  })

  describe('find', () => {
    it('follows a message through its states', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a', { delayMs: 10 })
      const state = async () => (await s.engine.find(id))?.state
      expect(await state()).toBe('delayed')
      await s.clock.advance(10)
      expect(await state()).toBe('ready')
      const delivery = await s.takeOne()
      expect(await state()).toBe('leased')
      await s.ack(delivery, { keep: new Uint8Array(0) })
      expect(await state()).toBe('done')
    })

    it('knows nothing of what is no id of its own', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      for (const other of ['', 'x', id.toUpperCase().replace('8', '9'), `${id}0`, id.slice(1)]) {
        expect(await s.engine.find(other as MessageId)).toBeUndefined()
      }
    })
  })
}
