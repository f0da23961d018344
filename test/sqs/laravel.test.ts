import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { CreateQueueCommand } from '@aws-sdk/client-sqs'
import { expect, it, onTestFinished } from 'vitest'
import { testServer } from '../serve/test-server.ts'
import { sqsClient } from './serving.ts'

const NEEDED = ['Illuminate/Queue/autoload.php', 'Illuminate/Events/autoload.php', 'AsyncAws/Sqs/autoload.php']
const isThere = (file: string) =>
  spawnSync('php', ['-r', `exit(stream_resolve_include_path('${file}') ? 0 : 1);`]).status === 0
const missed = NEEDED.find((file) => !isThere(file))
const script = fileURLToPath(new URL('php/laravel.php', import.meta.url))

async function php(...args: string[]): Promise<string> {
  const child = spawn('php', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let [said, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const code = await new Promise((ended) => child.once('close', ended))
  if (code !== 0) throw new Error(`php ended with ${code}: ${said}${errors}`)
  return said
}

it.skipIf(missed !== undefined)(
  `runs Laravel's jobs through its SQS driver${missed === undefined ? '' : ` (php has no ${missed})`}`,
  { timeout: 60_000 },
  async () => {
    const server = await testServer({})
    onTestFinished(() => server.close())
    await sqsClient(server.url).send(new CreateQueueCommand({ QueueName: 'jobs' }))
    expect(await php('-d', 'error_reporting=4437', '-d', 'display_errors=stderr', script, server.url)).toBe(
      'size 6\nagain:2 later:1 n0:1 n1:1 n2:1 n3:1 n4:1\ncleared 1, left 0\n',
    )
  },
)
