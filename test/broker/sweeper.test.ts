import { expect, it } from 'vitest'
import { Sweeper } from '../../src/broker/sweeper.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { SpindleError } from '../../src/model/errors.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

/** A sweeper whose tick the test answers. */
function swept() {
  const clock = new VirtualClock()
  const failed: unknown[] = []
  const ticks: { reject: (fault: unknown) => void }[] = []
  const tick: Engine['tick'] = () => new Promise((_, reject) => ticks.push({ reject }))
  const sweeper = new Sweeper({ engine: { tick } as Engine, clock, failed: (fault) => failed.push(fault) })
  return { clock, failed, ticks, sweeper }
}

it('says nothing of a tick that its store was closed under', async () => {
  const { clock, failed, ticks, sweeper } = swept()
  sweeper.start()
  await clock.advance(0)
  sweeper.stop()
  ticks[0]?.reject(new SpindleError('closed', 'tick'))
  await clock.advance(0)
  expect(ticks).toHaveLength(1)
  expect(failed).toEqual([])
  expect(clock.armedTimers).toBe(0)
})

it('tells of a store that fails under it, and ends', async () => {
  const { clock, failed, ticks, sweeper } = swept()
  const fault = new SpindleError('poisoned', 'tick')
  sweeper.start()
  await clock.advance(0)
  ticks[0]?.reject(fault)
  await clock.advance(10_000)
  expect(failed).toEqual([fault])
  expect(ticks).toHaveLength(1)
})

it('goes on when a full disk took nothing for a while', async () => {
  const { clock, failed, ticks, sweeper } = swept()
  sweeper.start()
  await clock.advance(0)
  ticks[0]?.reject(new SpindleError('disk-full', 'tick'))
  await clock.advance(10_000)
  expect(ticks).toHaveLength(2)
  expect(failed).toEqual([])
  sweeper.stop()
})
