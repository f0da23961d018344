import {
  ConfirmSubscriptionCommand,
  CreateTopicCommand,
  ListSubscriptionsCommand,
  PublishCommand,
  SubscribeCommand,
} from '@aws-sdk/client-sns'
import { afterEach, expect, it } from 'vitest'
import { spindle } from '../cli/command.ts'
import { temporaryFolder } from '../folder/temporary-folder.ts'
import { verified } from './envelope-verifier.ts'
import { bodies, queue, snsClient, sqsClient, subscriber } from './serving.ts'

const running: { kill(): void }[] = []
afterEach(() => {
  for (const each of running.splice(0)) each.kill()
})

async function server(folder: string) {
  const args = ['serve', '--data', folder, '--port', '0', '--amqp-port', 'off']
  const command = spindle(args, { env: { SPINDLE_SNS_HTTP: 'any' } })
  running.push({ kill: () => void command.child.kill('SIGKILL') })
  const line = await command.printed(/http:\/\/127\.0\.0\.1:\d+/)
  const endpoint = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? ''
  return {
    client: snsClient(endpoint),
    queues: sqsClient(endpoint),
    async kill() {
      command.child.kill('SIGKILL')
      await command.exited
    },
  }
}

it('has everything back after kill -9: topics, subscriptions, keys, and what was not delivered', {
  timeout: 90_000,
}, async () => {
  const folder = await temporaryFolder()
  const first = await server(folder)
  // It confirms, then fails until the server is another one.
  const hook = await subscriber(200, ...Array.from({ length: 1_000 }, () => 503))
  const { TopicArn } = await first.client.send(
    new CreateTopicCommand({ Name: 'orders.fifo', Attributes: { FifoTopic: 'true' } }),
  )
  const { TopicArn: hooks } = await first.client.send(new CreateTopicCommand({ Name: 'hooks' }))
  const target = await queue(first.queues, 'q.fifo')
  await first.client.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: target.arn }))
  const DeliveryPolicy = JSON.stringify({
    healthyRetryPolicy: { numRetries: 100, numNoDelayRetries: 0, minDelayTarget: 1, maxDelayTarget: 1 },
  })
  await first.client.send(
    new SubscribeCommand({ TopicArn: hooks, Protocol: 'http', Endpoint: hook.url, Attributes: { DeliveryPolicy } }),
  )
  const [handshake] = await hook.heard(1)
  const { Token } = JSON.parse(handshake?.body ?? '')
  await first.client.send(new ConfirmSubscriptionCommand({ TopicArn: hooks, Token }))
  await first.client.send(new PublishCommand({ TopicArn: hooks, Message: 'not lost' }))
  const once = { TopicArn, Message: 'once', MessageGroupId: 'g', MessageDeduplicationId: 'd' }
  await first.client.send(new PublishCommand(once))
  await hook.heard(2)
  await first.kill()

  const before = hook.posts.length
  const second = await server(folder)
  const { Subscriptions = [] } = await second.client.send(new ListSubscriptionsCommand({}))
  expect(Subscriptions.map(({ Protocol }) => Protocol).toSorted()).toEqual(['http', 'sqs'])
  await second.client.send(new PublishCommand(once))
  const [body = '', ...more] = await bodies(second.queues, target.url)
  expect(more).toEqual([])
  const posts = await hook.heard(before + 1)
  expect(JSON.parse(posts.at(-1)?.body ?? '').Message).toBe('not lost')
  // Signed before, and verified with the certificate of the server that runs now.
  const envelope = JSON.parse(body)
  const { port } = new URL(
    (await second.client.config.endpoint?.().then(({ hostname, port: at }) => `http://${hostname}:${at}`)) ?? '',
  )
  const moved = envelope.SigningCertURL.replace(/:\d+\//, `:${port}/`)
  expect(await verified({ ...envelope, SigningCertURL: moved })).toBe(true)
  await second.kill()
})
