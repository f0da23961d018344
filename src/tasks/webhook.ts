/** Tells somebody's URL how a task ended; itself a task, so that it is retried, seen and cancelled like any other. */
import { lookup } from 'node:dns/promises'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { exponential } from './backoff.ts'
import { task } from './define.ts'
import { PermanentFailure } from './task-error.ts'
import type { TaskDefinition } from './types.ts'
import { addressOf, checkWebhookUrl, isLoopbackName, isReachable } from './webhook-url.ts'

export const WEBHOOK_TASK = 'spindle.webhook'
const ATTEMPTS = 12
const TIMEOUT_MS = 10_000

export interface WebhookInput {
  readonly url: string
  /** The final `TaskStatus`, as JSON. */
  readonly status: unknown
}

export type WebhookTask = TaskDefinition<
  typeof WEBHOOK_TASK,
  StandardSchemaV1<WebhookInput>,
  { readonly answered: number }
>
export type Post = (url: URL, body: string, signal: AbortSignal) => Promise<number>

/** Retried for up to 40 minutes. 2xx is success; a redirect is never followed; 410 says stop. */
export function webhookTask(post: Post = postJson): WebhookTask {
  return task(WEBHOOK_TASK, {
    input: webhookInput,
    retry: { attempts: ATTEMPTS, backoff: exponential({ baseMs: 1_000, maxMs: 600_000 }) },
    timeoutMs: TIMEOUT_MS,
    async run({ url, status }, { signal }) {
      const answered = await post(checkWebhookUrl(url), JSON.stringify(status), signal)
      if (answered >= 200 && answered < 300) return { answered }
      const words = `the webhook at ${new URL(url).origin} answered ${answered}`
      if (answered === 410) throw new PermanentFailure(`${words}: it is gone`)
      if (answered >= 300 && answered < 400) throw new PermanentFailure(`${words}: redirects are not followed`)
      throw new Error(words)
    },
  })
}

async function postJson(url: URL, body: string, signal: AbortSignal): Promise<number> {
  await refusePrivateHost(url)
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'spindle-mq' },
    body,
    redirect: 'manual',
    signal,
  })
  // Nobody reads the answer; unread, it would keep the connection from being used again.
  await response.body?.cancel()
  return response.status
}

/** A public name may point into the private network. A name that changes between this look and the request still may. */
async function refusePrivateHost(url: URL): Promise<void> {
  if (addressOf(url) !== undefined || isLoopbackName(url)) return
  const addresses = await lookup(url.hostname, { all: true })
  const hidden = addresses.find(({ address }) => !isReachable(address))
  if (hidden !== undefined)
    throw new PermanentFailure(`${url.hostname} is ${hidden.address}, which is neither loopback nor public`)
}

const webhookInput: StandardSchemaV1<WebhookInput> = {
  '~standard': {
    version: 1,
    vendor: 'spindle-mq',
    validate(value) {
      const input = value as { readonly url?: unknown } | null
      if (typeof input !== 'object' || input === null || typeof input.url !== 'string') {
        return { issues: [{ message: 'must be { url, status }', path: ['url'] }] }
      }
      return { value: value as WebhookInput }
    },
  },
}
