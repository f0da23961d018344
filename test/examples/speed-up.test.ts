import { expect, it } from 'vitest'
import { measure } from '../../examples/speed-up/speed-up.ts'

it('does the same tasks many times faster with twenty workers', async () => {
  const many = await measure({ workers: 20, tasks: 200, ms: 50 })
  const one = await measure({ workers: 1, tasks: 40, ms: 50 })
  expect(one.perSecond).toBeLessThanOrEqual(20)
  // The machine may be busy with other tests; `npm run bench:speedup` holds it to 18.
  expect(many.perSecond / one.perSecond).toBeGreaterThan(8)
})
