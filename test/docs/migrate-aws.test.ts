/** The commands of the pages for users of LocalStack, ElasticMQ and SQS, run as they stand: only places and ports are others here. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { expect, it, onTestFinished } from 'vitest'
import { type Command, spindle } from '../cli/command.ts'
import { testServer } from '../serve/test-server.ts'
import { sqsClient } from '../sqs/serving.ts'

const isThere = (program: string, ...ask: string[]) => spawnSync(program, ask).status === 0
const [hasAws, hasOpenssl] = [isThere('aws', '--version'), isThere('openssl', 'version')]

/** The lines of the page's shell blocks, without comments. */
async function commandsOf(page: string): Promise<string[][]> {
  const text = await readFile(new URL(`../../docs/migrate/${page}.md`, import.meta.url), 'utf8')
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== '')
      .map((line) => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')),
  )
}

/** The server that the page moves from, with messages in both kinds of queues. */
async function source() {
  const server = await testServer({})
  onTestFinished(() => server.close())
  const client = sqsClient(server.url)
  for (const name of ['orders', 'orders.fifo']) {
    const isFifo = name.endsWith('.fifo')
    const Attributes = isFifo ? { FifoQueue: 'true' } : {}
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes }))
    for (const MessageBody of ['1', '2', '3']) {
      const ids = isFifo ? { MessageGroupId: 'g', MessageDeduplicationId: MessageBody } : {}
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...ids }))
    }
  }
  return { url: server.url, client }
}

async function waiting(client: SQSClient, queue: string): Promise<number> {
  const QueueUrl = `http://anywhere/000000000000/${queue}`
  const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const
  const { Attributes = {} } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] }),
  )
  return AttributeNames.reduce((sum, name) => sum + Number(Attributes[name]), 0)
}

interface Run {
  /** Of the server that the page starts. */
  readonly url: string
  readonly output: string
}

/** Runs the page from top to bottom; what it starts runs on until the test ends. */
async function follow(page: string, from: string): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-migrate-'))
  const started: Command[] = []
  onTestFinished(async () => {
    for (const { child, exited } of started) {
      child.kill('SIGKILL')
      await exited
    }
    await rm(folder, { recursive: true, force: true })
  })
  const env: Record<string, string> = {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_DEFAULT_REGION: 'us-east-1',
  }
  let [url, output] = ['', '']
  for (const words of await commandsOf(page)) {
    const [program, ...args] = words.map((word) => here(word, { folder, from, url }))
    if (program === 'npx') args.shift()
    switch (program) {
      case 'export':
        for (const [, name = '', value = ''] of args.map((arg) => /^(\w+)=(.*)$/.exec(arg) ?? []))
          env[name] = value === '…' ? 'test' : value
        break
      case 'aws':
        if (hasAws) execFileSync('aws', args, { env: { ...process.env, ...env } })
        break
      case 'npx':
      case 'spindle': {
        const isServer = args[0] === 'serve'
        if (args.includes('--tls-cert')) certificate(folder)
        const extra = isServer ? [...(args.includes('--port') ? [] : ['--port', '0']), '--amqp-port', 'off'] : []
        const command = spindle([...args, ...extra], { cwd: folder, env })
        started.push(command)
        if (isServer) {
          await command.printed(/Ready\.$/)
          url = /on (https?:\S+)/.exec(command.output())?.[1] ?? ''
        } else if ((await command.exited) !== 0) throw new Error(`${words.join(' ')}: ${command.errors()}`)
        output += command.output()
        break
      }
      default:
        throw new Error(`${page}.md runs ${words.join(' ')}, which this test does not know`)
    }
  }
  return { url, output }
}

/** Ports that are free, folders that go with the test, and the source in the place of the one that the page names. */
function here(word: string, { folder, from, url }: { folder: string; from: string; url: string }): string {
  if (word === '4566' || word === '9324') return '0'
  if (word === '0.0.0.0') return '127.0.0.1'
  if (word === './data' || word === '/data') return join(folder, 'data')
  if (word.startsWith('http://127.0.0.1:4566')) return word.replace('http://127.0.0.1:4566', url)
  return word.replace(/https?:\/\/(?:localhost:\d+|sqs\.[\w-]+\.amazonaws\.com)\/\d{12}/, `${from}/000000000000`)
}

function certificate(folder: string): void {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...subject, ...files], {
    stdio: 'ignore',
  })
}

it('follows the page for users of LocalStack', { timeout: 120_000 }, async () => {
  const from = await source()
  const { url } = await follow('from-localstack', from.url)
  expect(await waiting(sqsClient(url), 'orders')).toBe(3)
  expect(await waiting(from.client, 'orders')).toBe(3)
})

it('follows the page for users of ElasticMQ', { timeout: 120_000 }, async () => {
  const from = await source()
  const { url } = await follow('from-elasticmq', from.url)
  const client = sqsClient(url)
  expect([await waiting(client, 'orders'), await waiting(client, 'orders.fifo')]).toEqual([3, 3])
  expect([await waiting(from.client, 'orders'), await waiting(from.client, 'orders.fifo')]).toEqual([3, 0])
})

it.skipIf(!hasOpenssl)(
  `follows the page for users of SQS${hasOpenssl ? '' : ' (skipped: openssl is not installed here)'}`,
  { timeout: 120_000 },
  async () => {
    const from = await source()
    const { url, output } = await follow('from-sqs', from.url)
    expect(url).toMatch(/^https:/)
    expect(await waiting(from.client, 'orders')).toBe(0)
    // The server asks for the keys that the first command made; its certificate is nobody's.
    const [id = '', secret = ''] =
      /access key id: (\S+)\nsecret access key, shown once: (\S+)/.exec(output)?.slice(1) ?? []
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    onTestFinished(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    })
    const as = (accessKeyId: string, secretAccessKey: string) => {
      const credentials = { accessKeyId, secretAccessKey }
      const client = new SQSClient({ endpoint: url, region: 'us-east-1', credentials, maxAttempts: 1 })
      onTestFinished(() => client.destroy())
      return client
    }
    expect(await waiting(as(id, secret), 'orders')).toBe(3)
    await expect(waiting(as(id, 'wrong'), 'orders')).rejects.toThrow(/signature/)
  },
)
