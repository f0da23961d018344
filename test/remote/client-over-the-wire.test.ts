/** The tests of the API in one process, once more as a client of a server. */
import { vi } from 'vitest'

vi.mock('../../src/open.ts', async (original) => {
  const real = await original<typeof import('../../src/open.ts')>()
  const { openRemotely } = await import('./over-the-wire.ts')
  return { ...real, open: openRemotely(real.open) }
})

await import('../client/queue.test.ts')
await import('../client/exchange.test.ts')
