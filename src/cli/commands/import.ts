/** `spindle import sqs QUEUE-URL`: copies a queue over from any SQS endpoint. */
import process from 'node:process'
import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { systemRandom } from '../../runtime/random.ts'
import { importInto } from '../import-into.ts'
import { UsageError } from '../usage.ts'
import { importBullmqCommand } from './import-bullmq.ts'

interface ImportFlags {
  readonly data?: string
  readonly queue?: string
  readonly region?: string
  readonly move?: boolean
  readonly json?: boolean
}

const EXAMPLES = `
Keys come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; endpoints that ask for none need none.
A server that is running on the same data folder may go on running: both use the folder.

Examples:
  spindle import sqs https://sqs.eu-west-1.amazonaws.com/123456789012/orders --move
  spindle import sqs http://localhost:9324/000000000000/orders --data ./data --queue orders

Without --move the messages stay: they are received, hidden for up to an hour while they are copied, and shown again. Each
receive counts towards the maxReceiveCount of the source. With --move each message is deleted there once it is durable here.`

export function importCommand(): Command {
  const sqs = new Command('sqs')
    .summary('copy a queue over from an SQS endpoint')
    .description(
      'Copies a queue with its attributes, tags and messages from any SQS endpoint: AWS, LocalStack, ElasticMQ, Spindle.',
    )
    .argument('<queue-url>', 'URL of the queue at the source')
    .option('--data <dir>', 'data folder, opened or joined (SPINDLE_DATA; default: ./data)')
    .option('--queue <name>', 'name of the queue here (default: as at the source)')
    .option('--region <region>', 'region of the source (default: as its URL says, else AWS_REGION, else us-east-1)')
    .option('--move', 'delete each message at the source once it is durable here')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action((queueUrl: string, flags: ImportFlags) => importSqs(queueUrl, flags))
  return new Command('import')
    .summary('copy queues over from elsewhere')
    .addCommand(sqs)
    .addCommand(importBullmqCommand())
}

async function importSqs(queueUrl: string, flags: ImportFlags): Promise<void> {
  const url = parsedQueueUrl(queueUrl)
  const queue = flags.queue ?? url.pathname.split('/').at(-1) ?? ''
  if (!/^(?:[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)$/.test(queue)) {
    throw new UsageError(`'${queue}' is no name of a queue; pass one with --queue`)
  }
  const credentials = credentialsFor(url)
  const region = flags.region ?? regionOf(url) ?? process.env['AWS_REGION'] ?? 'us-east-1'
  const how = flags.move === true ? { verb: 'moved', mode: 'move' as const } : { verb: 'copied', mode: 'copy' as const }
  await importInto({ ...flags, queue, verb: how.verb }, async ({ store, signal, progress }) => {
    // Not before it is needed: `--help` must load no front end.
    const [{ SqsSource }, { importSqsQueue }] = await Promise.all([
      import('../../server/import/sqs-source.ts'),
      import('../../server/import/import-sqs-queue.ts'),
    ])
    return importSqsQueue({
      source: new SqsSource({ queueUrl, region, credentials, clock: systemClock }),
      port: store.port,
      clock: systemClock,
      random: systemRandom,
      queue,
      mode: how.mode,
      signal,
      progress,
    })
  })
}

function parsedQueueUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.pathname === '/') {
    throw new UsageError(
      `'${text}' is no URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/orders`,
    )
  }
  if (url.username !== '') throw new UsageError('the URL of a queue holds no credentials; set AWS_ACCESS_KEY_ID')
  return url
}

/** `sqs.REGION.amazonaws.com`, or the path of our own URLs of other regions. */
function regionOf({ hostname, pathname }: URL): string | undefined {
  return /^sqs\.([a-z0-9-]+)\./.exec(hostname)?.[1] ?? /^\/queue\/([a-z0-9-]+)\//.exec(pathname)?.[1]
}

function credentialsFor({ hostname }: URL) {
  const accessKeyId = process.env['AWS_ACCESS_KEY_ID']
  const secretAccessKey = process.env['AWS_SECRET_ACCESS_KEY']
  const isAws = /\.amazonaws\.com(?:\.cn)?$/.test(hostname)
  if (isAws && (accessKeyId === undefined || secretAccessKey === undefined)) {
    throw new UsageError('AWS asks for keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
  }
  return {
    accessKeyId: accessKeyId ?? 'test',
    secretAccessKey: secretAccessKey ?? 'test',
    sessionToken: process.env['AWS_SESSION_TOKEN'],
  }
}
