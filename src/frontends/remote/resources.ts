/**
 * Records and channels as resources of grants. Those that belong to one message or queue are judged by it; those that
 * whole stores share carry nothing secret and wake their readers; an application's own are `record:KEY` and `channel:NAME`;
 * and all else under `spindle/` (users, keys, what front ends remember) is an operator's.
 *
 * The names are those of src/tasks, which a front end may not know; test/remote/resources.test.ts compares them.
 */
import type { MessageId } from '../../model/message.ts'

export type Resource =
  /** Goes with one message: whoever may watch its queue may read, whoever may read its queue may write. */
  | { readonly kind: 'message'; readonly id: MessageId }
  /** Goes with one queue: read and write by whoever may read it. */
  | { readonly kind: 'queue'; readonly queue: string }
  /** Read by everybody who has an account; written as `resource` is. */
  | { readonly kind: 'shared'; readonly resource: string }
  | { readonly kind: 'named'; readonly resource: string }
  | { readonly kind: 'operator'; readonly resource: string }

const OF_MESSAGES = ['spindle/progress/', 'spindle/cancel/']
const BREAKERS = 'spindle/breaker/'
const PAUSES = 'spindle/pause/'
/** A count of the changes of schedules. */
const SCHEDULES = 'spindle/schedules'
const OF_TASKS = ['spindle/schedule/', 'spindle/flow/', 'spindle/flows/']

export function recordResource(key: string): Resource {
  const resource = `record:${key}`
  if (!key.startsWith('spindle/')) return { kind: 'named', resource }
  for (const prefix of OF_MESSAGES) {
    if (key.startsWith(prefix)) return { kind: 'message', id: key.slice(prefix.length) as MessageId }
  }
  if (key.startsWith(BREAKERS)) return { kind: 'queue', queue: key.slice(BREAKERS.length) }
  if (key.startsWith(PAUSES) || key === SCHEDULES) return { kind: 'shared', resource }
  if (OF_TASKS.some((prefix) => key.startsWith(prefix))) return { kind: 'named', resource }
  return { kind: 'operator', resource }
}

const MESSAGE_CHANNEL = /^(?:message|task)\/(.+)$/
const FLOW_CHANNEL = /^flow\/(.+)$/
/** What is said on these makes others look again; it tells ids and names of queues at most. */
const WAKING = ['task-pause', 'task-breaker', 'task-schedules', 'task-flow', 'task-webhook']
const CANCELS = 'task-cancel'
const FLOW_STOPS = 'task-flow-stop'

/** What listening takes. */
export function channelResource(channel: string): Resource {
  const resource = `channel:${channel}`
  const message = MESSAGE_CHANNEL.exec(channel)?.[1]
  if (message !== undefined) return { kind: 'message', id: message as MessageId }
  const flow = FLOW_CHANNEL.exec(channel)?.[1]
  if (flow !== undefined) return flowResource(flow)
  if (WAKING.includes(channel) || channel === CANCELS || channel === FLOW_STOPS || channel.startsWith('redrive/')) {
    return { kind: 'shared', resource }
  }
  if (channel.startsWith('spindle/')) return { kind: 'operator', resource }
  return { kind: 'named', resource }
}

/** What saying it takes; undefined: it is free. Who hears of a cancelled task stops it, so that is judged by what is said. */
export function announcementResource(channel: string, data: Uint8Array): Resource | undefined {
  if (WAKING.includes(channel)) return undefined
  if (channel === CANCELS) return { kind: 'message', id: Buffer.from(data).toString('utf8') as MessageId }
  if (channel === FLOW_STOPS) return flowResource(flowOf(data))
  // Only the broker knows what became of a message or a redrive.
  if (/^(?:message|redrive)\//.test(channel)) return { kind: 'operator', resource: `channel:${channel}` }
  return channelResource(channel)
}

function flowResource(flow: string): Resource {
  return { kind: 'named', resource: `record:spindle/flow/${flow}/` }
}

function flowOf(data: Uint8Array): string {
  try {
    return String((JSON.parse(Buffer.from(data).toString('utf8')) as { id?: unknown }).id)
  } catch {
    return ''
  }
}
