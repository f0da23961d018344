/** The tests of tasks in one process, once more with a connection between tasks and store. */
import { vi } from 'vitest'

vi.mock('../../src/tasks/client.ts', async (original) => {
  const real = await original<typeof import('../../src/tasks/client.ts')>()
  const { wired } = await import('./over-the-wire.ts')
  return {
    ...real,
    createTasks: (parts: Parameters<typeof real.createTasks>[0]) =>
      real.createTasks({ ...parts, port: wired(parts.port, parts.clock) }),
  }
})

await import('../tasks/job.test.ts')
await import('../tasks/outcomes.test.ts')
await import('../tasks/failure.test.ts')
