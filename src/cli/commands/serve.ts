/** `spindle serve`: SQS, SNS, AMQP and the admin API over one data folder, until it is told to stop. */
import process from 'node:process'
import { Command, Option } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { systemRandom } from '../../runtime/random.ts'
import type { Server } from '../../server/serve.ts'
import { withoutPassword } from '../../server/settings.ts'
import { packageVersion } from '../../server/version.ts'
import { EXIT_CODES, type StopSignal } from '../../tasks/signals.ts'
import { LOG_FORMATS, type LogFormat, logOf, sayer } from '../console-log.ts'
import { type ServeFlags, serveSettings } from '../serve-settings.ts'
import { notifyService } from '../service-notify.ts'
import { printable } from '../table.ts'

/** Inside the 30 s that Kubernetes gives. */
const DRAIN_MS = 25_000
/** Queues that a line names. */
const NAMED_MAX = 10
const GUEST = 'no users: AMQP clients on this machine log in as guest with the password guest, until there are users'
const RED = '\u001b[31;1m'
const PLAIN = '\u001b[0m'

const EXAMPLES = `
Each option has a variable (SPINDLE_DATA, SPINDLE_HOST, SPINDLE_PORT=4566,9324, SPINDLE_AMQP_PORT, SPINDLE_INSECURE=1 …) and a
field in spindle.config.ts, .js or .json, which also declares queues, topics, bindings and users.
A flag goes before a variable, a variable before the file.

Examples:
  spindle serve
  spindle serve --engine postgres://spindle@db/app
  spindle serve --data /var/lib/spindle --port 4566 --port 9324 --amqp-port off
  spindle serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --init-admin

The first SIGTERM or SIGINT stops accepting, answers waits and finishes requests (up to 25 s); the second exits at once.`

export function serveCommand(): Command {
  return new Command('serve')
    .summary('run a broker for SQS, SNS and AMQP clients')
    .description(
      'Serves a data folder, or a PostgreSQL that several brokers share, to SQS, SNS and AMQP clients, until SIGTERM or SIGINT.',
    )
    .option('--data <dir>', 'data folder, or memory: (default: ./data)')
    .option('--engine <url>', 'postgres://… in the place of a folder; or postgres, with the URL in DATABASE_URL')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'HTTP: SQS, SNS, admin API, metrics; may be repeated (default: 4566)', collect)
    .option('--amqp-port <port>', "AMQP 0-9-1, or 'off' (default: 5672)")
    .option('--management-port <port>', "management API for AMQP tools, or 'off' (default: off)")
    .option('--config <file>', 'configuration (default: spindle.config.ts, .js or .json, where there is one)')
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--tls-client-ca <file>', 'authorities of client certificates, PEM (mutual TLS)')
    .option('--tls-clients <how>', 'client certificates are required or optional (default: required)')
    .option('--insecure', 'listen on a network address without users or without TLS')
    .option('--init-admin', 'when there is no user yet, make one who may do everything, and print the token once')
    .option('--allow-host <name>', 'a further host name for the admin API; may be repeated', collect)
    .option('--allow-origin <origin>', 'whose pages may connect, https://shop.example; may be repeated', collect)
    .option('--aws-region <region>', 'region whose queues have plain names (default: us-east-1)')
    .option('--aws-account <digits>', 'account whose queues have plain names (default: 000000000000)')
    .option('--aws-limits', 'throttle as AWS does')
    .addOption(
      new Option('--log-format <format>', 'what it says, as text for people or as JSON, a line each (default: text)')
        .choices(LOG_FORMATS)
        .env('SPINDLE_LOG_FORMAT'),
    )
    .addHelpText('after', EXAMPLES)
    .action((flags: ServeFlags & { logFormat?: LogFormat }) => serve(flags))
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

async function serve({ logFormat = 'text', ...flags }: ServeFlags & { logFormat?: LogFormat }): Promise<void> {
  const [log, say] = [logOf(logFormat), sayer(logFormat)]
  const settings = await serveSettings(flags, process.env)
  // Not before it is needed: `--help` must not load the engines.
  const { startServer } = await import('../../server/serve.ts')
  const stopped = stopSignal()
  const parts = { clock: systemClock, random: systemRandom, log, version: packageVersion }
  const server = await startServer(settings, parts)
  process.on('SIGHUP', () => void server.renewCertificates())
  announce(server, settings.data, say)
  await announceWeakness(server, settings.data, say)
  // What tests that waited for LocalStack wait for.
  say('Ready.')
  await notifyService(['READY=1', 'STATUS=serving'], log)
  const ending = await Promise.race([stopped, server.failed])
  if (ending instanceof Error) {
    process.stderr.write(`spindle: the store stopped: ${ending.message}\n`)
    // What waits for this store will not get an answer from it.
    await server.stop(0).catch(() => {})
    process.exit(1)
  }
  void notifyService(['STOPPING=1', 'STATUS=finishing requests'], log)
  say(`${ending}: finishing requests, up to ${DRAIN_MS / 1_000} s; again to exit at once`)
  await server.stop(DRAIN_MS)
  say('stopped')
  process.exit(EXIT_CODES[ending])
}

function announce({ listening, exposure, adminToken, users }: Server, data: string, say: (line: string) => void): void {
  for (const { kind, url } of listening) say(`${SERVED[kind]} on ${url}`)
  say(`data in ${withoutPassword(data)}`)
  if (exposure.kind === 'open') say(exposure.notice)
  if (!users.configured() && listening.some(({ kind }) => kind !== 'http')) say(GUEST)
  if (exposure.kind === 'insecure') process.stderr.write(`${red(exposure.warning)}\n`)
  if (adminToken !== undefined) say(`user admin was made; its token, shown once: ${adminToken}`)
}

/** Whatever promises less than "on disk once it is acknowledged" is named. */
async function announceWeakness({ port }: Server, data: string, say: (line: string) => void): Promise<void> {
  if (data === 'memory:') {
    say('memory: nothing outlives this process')
    return
  }
  const relaxed = (await port.measure())
    .filter(({ policy }) => policy.durability === 'relaxed')
    .map(({ queue }) => queue)
  if (relaxed.length === 0) return
  const names = relaxed.slice(0, NAMED_MAX).map(printable).join(', ')
  const more = relaxed.length > NAMED_MAX ? ` and ${relaxed.length - NAMED_MAX} more` : ''
  say(`relaxed, so that a power cut may lose what was just acknowledged: ${names}${more}`)
}

const SERVED = { http: 'SQS, SNS and admin API', amqp: 'AMQP 0-9-1', management: 'AMQP management API' } as const

function red(text: string): string {
  const { NO_COLOR, FORCE_COLOR } = process.env
  const wanted = FORCE_COLOR !== undefined || (process.stderr.isTTY && NO_COLOR === undefined)
  return wanted ? `${RED}${text}${PLAIN}` : text
}

/** Resolves with the first signal; from then on another one exits. A signal during the start waits for its end. */
function stopSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    let stopping = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(EXIT_CODES[signal])
        stopping = true
        resolve(signal)
      })
    }
  })
}
