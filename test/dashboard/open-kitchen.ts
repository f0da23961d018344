/** A server whose store has something on every page, with a worker beside it on the same data folder. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from '../../src/open.ts'
import { type TestServer, testServer } from '../../src/testing/test-server.ts'
import { fillKitchen } from './kitchen.ts'
import { fillTasks } from './kitchen-tasks.ts'

export interface Kitchen {
  readonly url: string
  readonly server: TestServer
  /** Name -> place behind `#/`, with something to see. */
  readonly pages: Readonly<Record<string, string>>
  close(): Promise<void>
}

export async function openKitchen(): Promise<Kitchen> {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-kitchen-'))
  const server = await testServer({ data: folder })
  const worker = await open(`file:${folder}`)
  const { flow, delivered, cooking } = await fillTasks(worker)
  await fillKitchen(server.port)
  await fetch(`${server.url}/api/v1/queues/search-index`, { method: 'PUT' })
  const dead = await server.port.browse({ queue: 'payments', states: ['dead'], limit: 1 })
  return {
    url: server.url,
    server,
    pages: {
      overview: '',
      queues: 'queues',
      queue: 'queues/orders',
      message: `queues/payments?state=dead&message=${dead.messages[0]?.id}`,
      task: `queues/kitchen-work?state=done&message=${delivered}`,
      running: `queues/kitchen-work?state=leased&message=${cooking}`,
      dead: 'dead',
      flows: 'flows',
      flow: `flows/${flow}`,
      schedules: 'schedules',
      topology: 'topology',
      workers: 'connections',
      scaling: 'scaling',
      send: 'send?queue=orders',
      audit: 'audit',
    },
    async close() {
      // A step that never ends would keep the worker for its whole patience.
      void worker.close().catch(() => {})
      await server.close()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
