/** `spindle health`: asks a server whether it is ready; for health checks of containers, which have no curl. */
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import process from 'node:process'
import { Command } from 'commander'
import { printJson } from '../admin-command.ts'
import { UsageError } from '../usage.ts'

const PATIENCE_MS = 5_000

const EXAMPLES = `
Exit code 0: a write has reached the disk; 1: it has not, or nobody answers.

Examples:
  spindle health
  spindle health --url https://127.0.0.1:4566`

interface HealthFlags {
  readonly url?: string
  readonly json?: boolean
}

export function healthCommand(): Command {
  return new Command('health')
    .summary('ask a server whether it is ready')
    .description('Asks a server whether it is ready: whether a write reaches its disk.')
    .option(
      '--url <url>',
      'of the server (SPINDLE_URL; default: the one that SPINDLE_PORT and SPINDLE_TLS_CERT speak of, here)',
    )
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(health)
}

async function health({ url = ownUrl(process.env), json }: HealthFlags): Promise<void> {
  if (!/^https?:\/\/[^/]/.test(url)) throw new UsageError(`--url ${url} must be http://HOST:PORT`)
  const { status, text } = await answerOf(new URL('/readyz', url))
  if (json === true) printJson({ url, status, answer: text })
  else process.stdout.write(`${text}\n`)
  if (status !== 200) process.exitCode = 1
}

function ownUrl(environment: Readonly<Record<string, string | undefined>>): string {
  const port = (environment['SPINDLE_PORT'] ?? environment['PORT'] ?? '4566').split(',')[0]
  const scheme = environment['SPINDLE_TLS_CERT'] === undefined ? 'http' : 'https'
  return environment['SPINDLE_URL'] ?? `${scheme}://127.0.0.1:${port}`
}

/** Whose certificate it is does not matter: nothing is told, and a certificate is seldom made out to 127.0.0.1. */
function answerOf(url: URL): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve) => {
    const ask = url.protocol === 'https:' ? secureRequest : request
    const failed = (fault: Error): void =>
      resolve({ status: 0, text: `no answer from ${url.origin} (${fault.message})` })
    const asked = ask(url, { rejectUnauthorized: false, timeout: PATIENCE_MS }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asked.on('timeout', () => asked.destroy(new Error(`nothing within ${PATIENCE_MS} ms`)))
    asked.on('error', failed)
    asked.end()
  })
}
