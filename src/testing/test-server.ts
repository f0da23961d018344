/** A whole server inside a test: SQS, SNS, AMQP and the admin API on ports that are free, over memory unless it is told otherwise. */
import { systemClock } from '../runtime/clock.ts'
import { silentLog } from '../runtime/log.ts'
import { systemRandom } from '../runtime/random.ts'
import { type Server, startServer } from '../server/serve.ts'
import { defaultServeSettings, type ServeSettings } from '../server/settings.ts'
import { packageVersion } from '../server/version.ts'

export interface TestServer extends Server {
  /** `http://127.0.0.1:PORT`: the endpoint of SQS and SNS clients, the admin API, metrics. */
  readonly url: string
  /** `amqp://127.0.0.1:PORT`; '' unless `amqpPort: 0` was asked for. */
  readonly amqpUrl: string
  readonly managementUrl: string
  /** Stops it without patience. */
  close(): Promise<void>
}

/**
 * On any free port of loopback, without AMQP and management unless asked for; open to everybody until `users` has one.
 * `data`: a folder, to keep what is sent. `port` is the broker behind it, for looking from inside.
 */
export async function testServer(settings: Partial<ServeSettings> = {}): Promise<TestServer> {
  const all = { ...defaultServeSettings, data: 'memory:', ports: [0], amqpPort: null, ...settings }
  const parts = { clock: systemClock, random: systemRandom, log: silentLog, version: packageVersion }
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
