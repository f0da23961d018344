import { expect, it } from 'vitest'
import { recover } from '../../examples/thundering-herd/herd.ts'
import { picture } from '../../examples/thundering-herd/picture.ts'

const herd = { tasks: 100, downS: 10, bearsPerSecond: 10 }

it('recovers sooner, and refuses less, with jitter than without', async () => {
  const none = await recover(herd, 'none')
  const full = await recover(herd, 'full')
  const worst = ({ callsPerSecond }: typeof none): number => Math.max(...callsPerSecond.slice(herd.downS))
  // Without it those that were refused come back in one and the same second.
  expect(worst(none)).toBe(herd.tasks)
  expect(worst(full)).toBeLessThan(herd.tasks / 2)
  expect(full.refused).toBeLessThan(none.refused / 4)
  expect(full.recoveredS).toBeLessThan(none.recoveredS / 2)

  const svg = picture([{ title: 'none', recovery: none }], herd)
  expect(svg.match(/<rect /g)).toHaveLength(2 + none.callsPerSecond.length)
  expect(svg).toContain(`recovered after ${none.recoveredS.toFixed(0)} s, ${none.refused} calls refused`)
  expect(svg).not.toMatch(/NaN|undefined|Infinity/)
})
