/**
 * testServer({ data?, …settings }): a whole server in this process, on ports that are free, for tests of any front end.
 *
 *     const server = await testServer()                    // memory:
 *     const server = await testServer({ data: folder })    // a data folder
 *     server.url          // http://127.0.0.1:PORT: SQS, SNS, admin API, metrics
 *     server.amqpUrl      // amqp://127.0.0.1:PORT, where `amqpPort: 0` was asked for
 *     server.port         // the broker's Port behind it
 *     server.users        // put users here; before the first one it runs open
 *     await server.close()
 */

import { systemClock } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { type Server, startServer } from '../../src/server/serve.ts'
import { defaultServeSettings, type ServeSettings } from '../../src/server/settings.ts'

export interface TestServer extends Server {
  readonly url: string
  readonly amqpUrl: string
  readonly managementUrl: string
  /** Stops it without patience. */
  close(): Promise<void>
}

/** In memory, on any free port of loopback, without AMQP and management unless asked for. */
export async function testServer(settings: Partial<ServeSettings> = {}): Promise<TestServer> {
  const all = { ...defaultServeSettings, data: 'memory:', ports: [0], amqpPort: null, ...settings }
  const parts = { clock: systemClock, random: systemRandom, log: silentLog, version: '0.0.0' }
  const server = await startServer(all, parts)
  const urlOf = (kind: string): string => server.listening.find((one) => one.kind === kind)?.url ?? ''
  return {
    ...server,
    url: urlOf('http'),
    amqpUrl: urlOf('amqp'),
    managementUrl: urlOf('management'),
    close: () => server.stop(0),
  }
}
