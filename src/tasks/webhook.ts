/** Tells somebody's URL how a task ended; itself a task, so that it is retried, seen and cancelled like any other. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Failure } from '../model/failed-event.ts'
import { outboundHttp } from '../runtime/outbound-http.ts'
import { exponential } from './backoff.ts'
import { task } from './define.ts'
import { PermanentFailure } from './task-error.ts'
import type { TaskDefinition } from './types.ts'
import { checkWebhookUrl } from './webhook-url.ts'

export const WEBHOOK_TASK = 'spindle.webhook'
const ATTEMPTS = 12
const TIMEOUT_MS = 10_000
/** Ends that can be asked for afterwards; every death in the store passes through here, and most have no webhook. */
const RETAINED_MAX = 1_000

export interface WebhookInput {
  readonly url: string
  /** The final `TaskStatus`, as JSON. */
  readonly status: unknown
}

/** A death as the store tells it; whether it has a webhook is looked up when it is delivered. */
type DeathEvent = Pick<Failure, 'id' | 'attempts'>

export type WebhookTask = TaskDefinition<
  typeof WEBHOOK_TASK,
  StandardSchemaV1<WebhookInput | DeathEvent>,
  { readonly answered: number } | undefined
>
export type WebhookOfDeath = (death: DeathEvent) => Promise<WebhookInput | undefined>
export type Post = (url: URL, body: string, signal: AbortSignal) => Promise<number>

/** Retried for up to 40 minutes. 2xx is success; a redirect is never followed; 410 says stop. */
export function webhookTask(webhookOfDeath: WebhookOfDeath, post: Post = postJson): WebhookTask {
  return task(WEBHOOK_TASK, {
    input: webhookInput,
    retry: { attempts: ATTEMPTS, backoff: exponential({ baseMs: 1_000, maxMs: 600_000 }) },
    timeoutMs: TIMEOUT_MS,
    result: { retainMax: RETAINED_MAX },
    async run(input, { signal }) {
      const due = 'url' in input ? input : await webhookOfDeath(input)
      if (due === undefined) return undefined
      const { url, status } = due
      const answered = await post(checkWebhookUrl(url), JSON.stringify(status), signal)
      if (answered >= 200 && answered < 300) return { answered }
      const words = `the webhook at ${new URL(url).origin} answered ${answered}`
      if (answered === 410) throw new PermanentFailure(`${words}: it is gone`)
      if (answered >= 300 && answered < 400) throw new PermanentFailure(`${words}: redirects are not followed`)
      throw new Error(words)
    },
  })
}

const outbound = outboundHttp({ reach: 'local', timeoutMs: TIMEOUT_MS })

async function postJson(url: URL, body: string, signal: AbortSignal): Promise<number> {
  const headers = { 'content-type': 'application/json', 'user-agent': 'spindle-mq' }
  const answer = await outbound.post({ url: url.href, headers, body: Buffer.from(body, 'utf8') }, signal)
  switch (answer.kind) {
    case 'answered':
      return answer.status
    case 'refused':
      throw new PermanentFailure(answer.why)
    case 'failed':
      throw new Error(answer.why)
    default:
      return answer satisfies never
  }
}

const webhookInput: StandardSchemaV1<WebhookInput | DeathEvent> = {
  '~standard': {
    version: 1,
    vendor: 'spindle-mq',
    validate(value) {
      const input = value as Partial<WebhookInput & DeathEvent> | null
      if (typeof input === 'object' && input !== null) {
        if (typeof input.url === 'string') return { value: value as WebhookInput }
        if (typeof input.id === 'string' && typeof input.attempts === 'number') return { value: value as DeathEvent }
      }
      return { issues: [{ message: 'must be { url, status }, or a death: { id, attempts }' }] }
    },
  },
}
