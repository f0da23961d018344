/** `spindle import bullmq QUEUE`: copies the jobs of a BullMQ queue over from its Redis. */
import process from 'node:process'
import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { importInto } from '../import-into.ts'
import { UsageError } from '../usage.ts'

interface BullmqFlags {
  readonly redis?: string
  readonly prefix: string
  readonly data?: string
  readonly queue?: string
  readonly append?: boolean
  readonly json?: boolean
}

const EXAMPLES = `
Each job becomes a message whose type is the job's name: a task of that name with \`queue: 'QUEUE'\` runs it. Nothing changes in
Redis, so pause the queue there and let its workers finish first. Jobs that run, of schedulers and of flows stay behind and are counted.

Examples:
  spindle import bullmq mail
  REDIS_URL=rediss://:secret@redis.example.com:6380/2 spindle import bullmq mail --prefix shop --data /data --queue mail-old`

export function importBullmqCommand(): Command {
  return new Command('bullmq')
    .summary('copy the waiting and delayed jobs of a BullMQ queue')
    .description(
      'Copies waiting, prioritized and delayed jobs (name, data, delay, priority, attempts) of a BullMQ queue.',
    )
    .argument('<bullmq-queue>', 'name of the queue in BullMQ')
    .option('--redis <url>', 'its Redis (REDIS_URL; default: redis://127.0.0.1:6379)')
    .option('--prefix <prefix>', 'prefix of its keys, as given to BullMQ', 'bull')
    .option('--data <dir>', 'data folder, opened or joined (SPINDLE_DATA; default: ./data)')
    .option('--queue <name>', 'name of the queue here (default: as in BullMQ)')
    .option('--append', 'import into a queue that holds messages already')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action((name: string, flags: BullmqFlags) => importBullmq(name, flags))
}

async function importBullmq(name: string, flags: BullmqFlags): Promise<void> {
  const url = redisUrl(flags.redis ?? process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379')
  const queue = flags.queue ?? name
  const [{ RedisClient }, { BullmqSource }, { importBullmqQueue }] = await Promise.all([
    import('../../server/import/redis-client.ts'),
    import('../../server/import/bullmq-source.ts'),
    import('../../server/import/import-bullmq-queue.ts'),
  ])
  const redis = await RedisClient.connect(url)
  try {
    await importInto({ ...flags, queue, verb: 'copied' }, ({ store, signal, progress }) =>
      importBullmqQueue({
        source: new BullmqSource({ redis, prefix: flags.prefix, queue: name }),
        port: store.port,
        clock: systemClock,
        queue,
        append: flags.append === true,
        signal,
        progress,
      }),
    )
  } finally {
    redis.close()
  }
}

/** The message shows no password. */
function redisUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'redis:' || url?.protocol === 'rediss:') {
    if (/^\/?\d*$/.test(url.pathname)) return url
  }
  throw new UsageError('--redis (or REDIS_URL) is no URL of a Redis, such as redis://user:password@host:6379/0')
}
