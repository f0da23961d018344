/** `spindle dev`: everything at once for trying things out: all protocols, sample queues, and a little traffic to look at. */
import process from 'node:process'
import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { systemRandom } from '../../runtime/random.ts'
import { packageVersion } from '../../server/version.ts'
import { EXIT_CODES, type StopSignal } from '../../tasks/signals.ts'
import { consoleLog, print } from '../console-log.ts'
import { sampleDeclarations, startSampleTraffic } from '../sample-traffic.ts'

const EXAMPLES = `
What it starts listens on this machine only, on the usual ports: 4566 (SQS, SNS, dashboard, admin API), 5672 (AMQP), 15672 (management).

Examples:
  spindle dev                         in memory, with sample queues and traffic
  spindle dev --data ./data           keeps what is sent
  spindle dev --no-traffic            sample queues alone
  spindle dev --port 0 --amqp-port 0 --management-port 0`

interface DevFlags {
  readonly data: string
  readonly port: string
  readonly amqpPort: string
  readonly managementPort: string
  readonly traffic: boolean
}

export function devCommand(): Command {
  return new Command('dev')
    .summary('start everything for development, with sample queues')
    .description('Starts a server with every protocol, sample queues and a little traffic, for trying things out.')
    .option('--data <dir>', 'data folder', 'memory:')
    .option('--port <port>', 'HTTP', '4566')
    .option('--amqp-port <port>', 'AMQP', '5672')
    .option('--management-port <port>', 'management API', '15672')
    .option('--no-traffic', 'send nothing')
    .addHelpText('after', EXAMPLES)
    .action(dev)
}

async function dev(flags: DevFlags): Promise<void> {
  const { serveSettings } = await import('../serve-settings.ts')
  const { startServer } = await import('../../server/serve.ts')
  const { data, port, amqpPort, managementPort } = flags
  const settings = await serveSettings({ data, port: [port], amqpPort, managementPort }, {})
  const parts = { clock: systemClock, random: systemRandom, log: consoleLog, version: packageVersion }
  const stopped = new Promise<StopSignal>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  })
  const server = await startServer({ ...settings, declarations: sampleDeclarations }, parts)
  const traffic = flags.traffic ? startSampleTraffic(server.port) : undefined
  for (const { kind, url } of server.listening) print(`${kind} on ${url}`)
  const http = server.listening.find(({ kind }) => kind === 'http')?.url
  print(`dashboard: ${http}/    watch: spindle top --url ${http}`)
  print(`AWS SDKs: endpoint ${http}, region us-east-1, any credentials; queue ${http}/000000000000/orders`)
  print('AMQP clients: guest, guest; exchange shop.events, queue orders')
  print(traffic === undefined ? 'Ready.' : 'Ready: some orders a second, and now and then one that fails.')
  const signal = await stopped
  await traffic?.stop()
  await server.stop(1_000)
  process.exit(EXIT_CODES[signal])
}
