import { spawn, spawnSync } from 'node:child_process'
import { expect, it, onTestFinished } from 'vitest'
import { testServer } from '../serve/test-server.ts'

const isThere = spawnSync('aws', ['--version']).status === 0
const why = isThere ? '' : ' (skipped: aws-cli is not installed here)'

/** What it prints, as JSON where it is some; rejects with what it complains of. */
function aws(endpoint: string, ...args: string[]): Promise<unknown> {
  const keys = {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_PAGER: '',
  }
  const child = spawn('aws', ['--endpoint-url', endpoint, '--output', 'json', ...args], {
    env: { ...process.env, ...keys },
  })
  let [printed, complaints] = ['', '']
  child.stdout.on('data', (chunk) => {
    printed += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    complaints += String(chunk)
  })
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(printed.trim() === '' ? {} : JSON.parse(printed))
      else reject(new Error(complaints.trim()))
    })
  })
}

it.skipIf(!isThere)(
  `answers aws-cli, for queues, messages, topics and errors${why}`,
  { timeout: 120_000 },
  async () => {
    const server = await testServer({})
    onTestFinished(() => server.close())
    const call = (...args: string[]) => aws(server.url, ...args)
    const created = call(
      'sqs',
      'create-queue',
      '--queue-name',
      'orders',
      '--attributes',
      'VisibilityTimeout=5',
      '--tags',
      'team=a',
    )
    const { QueueUrl } = (await created) as { QueueUrl: string }
    const { TopicArn } = (await call('sns', 'create-topic', '--name', 'news')) as { TopicArn: string }
    const target = 'arn:aws:sqs:us-east-1:000000000000:orders'
    const to = ['--protocol', 'sqs', '--notification-endpoint', target, '--attributes', 'RawMessageDelivery=true']
    await call('sns', 'subscribe', '--topic-arn', TopicArn, ...to)
    const attributes = ['--message-attributes', 'n={DataType=Number,StringValue=5}']
    await call('sqs', 'send-message', '--queue-url', QueueUrl, '--message-body', 'sent', ...attributes)
    await call('sns', 'publish', '--topic-arn', TopicArn, '--message', 'published')
    const all = ['--max-number-of-messages', '10', '--wait-time-seconds', '1', '--message-attribute-names', 'All']
    const received = await call('sqs', 'receive-message', '--queue-url', QueueUrl, ...all)
    expect(received).toMatchObject({
      Messages: [
        { Body: 'sent', MessageAttributes: { n: { DataType: 'Number', StringValue: '5' } } },
        { Body: 'published' },
      ],
    })
    const [{ ReceiptHandle }] = (received as { Messages: [{ ReceiptHandle: string }] }).Messages
    const entry = `Id=a,ReceiptHandle=${ReceiptHandle}`
    expect(await call('sqs', 'delete-message-batch', '--queue-url', QueueUrl, '--entries', entry)).toEqual({
      Successful: [{ Id: 'a' }],
    })
    await expect(call('sqs', 'get-queue-url', '--queue-name', 'gone')).rejects.toThrow(
      'AWS.SimpleQueueService.NonExistentQueue',
    )
  },
)
