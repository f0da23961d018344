/** Deliveries that Celery sent: what they ask for, and what its sender is told of their end. */
import type { Port, SimpleStep } from '../../client/port.ts'
import type { Delivery } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Ending } from '../ending.ts'
import type { Run } from '../run.ts'
import { describeError } from '../task-error.ts'
import {
  type CeleryMessage,
  callOf,
  exceptionOf,
  membersOf,
  type Reply,
  readMessage,
  type Signature,
  writeMessage,
  writeReply,
} from './protocol.ts'
import type { Received } from './received.ts'
import { type Envelope, openContent, sealContent } from './transport.ts'
import { uuid } from './uuid.ts'

const QUEUE_DEFAULT = 'celery'

export class CeleryInbox {
  readonly #port: Port
  readonly #clock: Clock
  readonly #random: Random
  /** Queues with a task that Celery may send. */
  readonly #queues: ReadonlySet<string>

  constructor(parts: { port: Port; clock: Clock; random: Random; queues: ReadonlySet<string> }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#random = parts.random
    this.#queues = parts.queues
  }

  /** undefined: not from Celery, or not on a queue of its tasks. */
  read({ queue, content }: Delivery): Received | undefined {
    if (!this.#queues.has(queue)) return undefined
    const envelope = openContent(content)
    if (envelope === undefined) return undefined
    return { task: String(envelope.raw.headers['task']), message: messageOf(envelope), envelope }
  }

  /** Why it does not begin now; undefined: it may. */
  hindrance({
    message,
  }: Received): { readonly kind: 'expired' } | { readonly kind: 'early'; readonly delayMs: number } | undefined {
    if (message instanceof Error) return undefined
    const nowMs = this.#clock.wallMs()
    if (message.expiresAtMs !== undefined && nowMs > message.expiresAtMs) return { kind: 'expired' }
    if (message.etaMs !== undefined && nowMs < message.etaMs) return { kind: 'early', delayMs: message.etaMs - nowMs }
    return undefined
  }

  /** What is committed with its end: the tasks that follow it, and the answer where somebody waits for one. */
  async steps(
    run: Pick<Run, 'task' | 'unanswered'>,
    received: Received,
    ending: Ending,
  ): Promise<readonly SimpleStep[]> {
    const { message, envelope } = received
    if (message instanceof Error) return []
    const reply = replyOf(ending)
    if (reply === undefined) return []
    const { defaultQueue = QUEUE_DEFAULT } = run.task?.options.celery ?? {}
    const following = await this.#following(message, ending, envelope, defaultQueue)
    const isSilent = message.ignoreResult || run.unanswered
    const answer = isSilent ? undefined : await this.#answer(message, reply, envelope)
    return answer === undefined ? following : [...following, answer]
  }

  async #following(
    message: CeleryMessage,
    ending: Ending,
    { transport, replyTo }: Envelope,
    defaultQueue: string,
  ): Promise<readonly SimpleStep[]> {
    const steps: SimpleStep[] = []
    for (const { signature, first, chain } of followersOf(message, ending)) {
      for (const member of membersOf(signature)) {
        const { queue = defaultQueue, reply_to: ownReplyTo, priority } = member.options
        const next = callOf(member, {
          first,
          id: uuid(this.#random),
          parent: message,
          chain,
          nowMs: this.#clock.wallMs(),
        })
        const place = String(queue)
        await this.#port.declareQueue(place, {})
        const content = sealContent({
          transport,
          queue: place,
          raw: writeMessage(next),
          correlationId: next.id,
          replyTo: typeof ownReplyTo === 'string' ? ownReplyTo : replyTo,
          priority: typeof priority === 'number' ? priority : undefined,
        })
        const priorityOfMessage =
          typeof priority === 'number' && priority > 0 ? { priority: Math.min(255, priority) } : {}
        steps.push({ kind: 'append', queue: place, message: { content, ...priorityOfMessage } })
      }
    }
    return steps
  }

  /** undefined: nobody waits, or not any more. */
  async #answer(
    message: CeleryMessage,
    reply: Reply,
    { transport, replyTo }: Envelope,
  ): Promise<SimpleStep | undefined> {
    if (replyTo === undefined) return undefined
    const [queue] = await this.#port.measure([replyTo])
    if (queue === undefined) return undefined
    const raw = { headers: {}, body: writeReply(message.id, reply), contentType: 'application/json' }
    const content = sealContent({ transport, queue: replyTo, raw, correlationId: message.id })
    return { kind: 'append', queue: replyTo, message: { content } }
  }
}

function messageOf({ raw }: Envelope): CeleryMessage | Error {
  try {
    const message = readMessage(raw)
    if (!message.hasChord) return message
    return new Error(`'${message.task}' belongs to a chord, whose join needs Celery's own result back end`)
  } catch (fault) {
    return fault instanceof Error ? fault : new Error(describeError(fault).message)
  }
}

interface Follower {
  readonly signature: Signature
  readonly first: unknown
  readonly chain: readonly Signature[]
}

function followersOf(message: CeleryMessage, ending: Ending): readonly Follower[] {
  if (ending.kind === 'failed') {
    return message.errbacks.map((signature) => ({ signature, first: message.id, chain: [] }))
  }
  if (ending.kind !== 'succeeded') return []
  const first = ending.result ?? null
  const links = message.callbacks.map((signature) => ({ signature, first, chain: [] }))
  const next = message.chain.at(-1)
  return next === undefined ? links : [...links, { signature: next, first, chain: message.chain.slice(0, -1) }]
}

/** undefined: the task goes on. */
function replyOf(ending: Ending): Reply | undefined {
  switch (ending.kind) {
    case 'succeeded':
      return { status: 'SUCCESS', result: ending.result, traceback: null }
    case 'failed': {
      const { name, message, stack } = ending.error
      return { status: 'FAILURE', result: exceptionOf(name, message), traceback: stack ?? null }
    }
    case 'discarded':
      return revoked(ending.reason)
    case 'cancelled':
      return revoked('revoked')
    case 'retrying':
    case 'snoozed':
    case 'held':
    case 'released':
    case 'lost':
      return undefined
    default:
      return ending satisfies never
  }
}

function revoked(why: string): Reply {
  return { status: 'REVOKED', result: exceptionOf('TaskRevokedError', why, 'celery.exceptions'), traceback: null }
}
