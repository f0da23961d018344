/**
 * Calls of Python functions. Their answers come to a queue of this process, as with Celery's own `rpc://`: declared at the first call
 * that wants an answer, gone REPLIES_IDLE_MS after its last reader.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Port } from '../../client/port.ts'
import { isFault, SpindleError } from '../../model/errors.ts'
import { DURATION_MS_MAX } from '../../model/limits.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { rebuildError } from '../task-error.ts'
import { assertValid, check } from '../validation.ts'
import { type CeleryMessage, type Fields, isFields, isText, type Reply, readReply, writeMessage } from './protocol.ts'
import { openReply, sealContent } from './transport.ts'
import type { CeleryCall, CeleryCallOptions, CeleryTask } from './types.ts'
import { uuid } from './uuid.ts'

const REPLIES_IDLE_MS = 600_000
const WAIT_MS = 20_000
const REPLIES_A_CLAIM = 100
const PAUSE_MS = 1_000
/** Calls without an answer yet; then the oldest is not waited for any more. */
const PENDING_MAX = 100_000

interface Pending {
  readonly answered: Promise<Reply>
  readonly settle: (reply: Reply) => void
  readonly fail: (fault: Error) => void
}

export class CeleryCalls {
  readonly #port: Port
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #declared = new Set<string>()
  readonly #pending = new Map<string, Pending>()
  readonly #closing = new AbortController()
  #replies: Promise<string> | undefined
  #reading: Promise<void> | undefined

  constructor(parts: { port: Port; clock: Clock; random: Random; log: Log }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#random = parts.random
    this.#log = parts.log
  }

  async call<Schema extends StandardSchemaV1, Output>(
    task: CeleryTask<Schema, Output>,
    input: StandardSchemaV1.InferInput<Schema>,
    options: CeleryCallOptions = {},
  ): Promise<CeleryCall<Output>> {
    const attempted = `call Celery task '${task.name}'`
    const { queue = 'celery', transport = 'amqp', output } = task.options
    const { priority, ignoreResult = false } = options
    assertValid(await check(task.options.input, input), attempted)
    const delayMs = this.#delayMs(options, attempted)
    const message = messageOf({ id: uuid(this.#random), task: task.name, input, options, attempted })
    if (!this.#declared.has(queue)) {
      await this.#port.declareQueue(queue, {})
      this.#declared.add(queue)
    }
    const replyTo = ignoreResult ? undefined : await this.#replyQueue()
    const content = sealContent({
      transport,
      queue,
      raw: writeMessage(message),
      correlationId: message.id,
      replyTo,
      priority,
    })
    const pending = ignoreResult ? undefined : this.#expect(message.id)
    const [outcome] = await this.#port.append(queue, [
      {
        content,
        ...(priority === undefined ? {} : { priority }),
        ...(delayMs === undefined ? {} : { delayMs }),
      },
    ])
    if (outcome?.kind !== 'stored') {
      this.#pending.delete(message.id)
      throw new SpindleError(outcome?.kind === 'refused' ? outcome.reason : 'aborted', attempted)
    }
    return {
      id: message.id,
      result: async ({ timeoutMs } = {}) => {
        const asked = `wait for Celery task '${task.name}' ${message.id}`
        if (pending === undefined) throw new SpindleError('invalid-argument', `${asked}, called with ignoreResult`)
        const reply = await this.#within(pending.answered, timeoutMs, asked)
        const result = resultOf(reply, asked)
        if (output === undefined) return result as Output
        const checked = await check(output, result)
        assertValid(checked, asked)
        return ('value' in checked ? checked.value : result) as Output
      },
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const { fail } of this.#pending.values()) fail(new SpindleError('closed', 'wait for a Celery task'))
    this.#pending.clear()
    await this.#reading
  }

  #delayMs({ delayMs, runAt }: CeleryCallOptions, attempted: string): number | undefined {
    if (runAt !== undefined && delayMs !== undefined) {
      throw new SpindleError('invalid-argument', `${attempted} with both delayMs and runAt`)
    }
    const ms = runAt === undefined ? delayMs : Math.max(0, runAt.getTime() - this.#clock.wallMs())
    if (ms !== undefined && !(ms >= 0 && ms <= DURATION_MS_MAX)) {
      throw new SpindleError('invalid-argument', `${attempted} with a delay of ${ms} ms (0 to ${DURATION_MS_MAX})`)
    }
    return ms
  }

  #expect(id: string): Pending {
    const [oldest] = this.#pending.keys()
    if (oldest !== undefined && this.#pending.size >= PENDING_MAX) {
      this.#pending.get(oldest)?.fail(new SpindleError('timeout', `wait for Celery task ${oldest}, one of too many`))
      this.#pending.delete(oldest)
    }
    let settle: (reply: Reply) => void = () => {}
    let fail: (fault: Error) => void = () => {}
    const answered = new Promise<Reply>((resolve, reject) => {
      settle = resolve
      fail = reject
    })
    // Perhaps nobody asks.
    answered.catch(() => {})
    const pending = { answered, settle, fail }
    this.#pending.set(id, pending)
    return pending
  }

  #within<T>(promise: Promise<T>, timeoutMs: number | undefined, attempted: string): Promise<T> {
    if (timeoutMs === undefined) return promise
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new SpindleError('timeout', `${attempted} for ${timeoutMs} ms`))
      const timer = this.#clock.setTimer(timeoutMs, late, { keepAlive: true })
      promise.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  #replyQueue(): Promise<string> {
    this.#replies ??= this.#declareReplies()
    return this.#replies
  }

  async #declareReplies(): Promise<string> {
    const queue = `spindle.celery.replies.${uuid(this.#random)}`
    await this.#port.declareQueue(queue, {}, { lifetime: { kind: 'idle', idleMs: REPLIES_IDLE_MS } })
    this.#reading = this.#read(queue)
    return queue
  }

  async #read(queue: string): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        const claim = { queue, max: REPLIES_A_CLAIM, waitMs: WAIT_MS, settleOnDelivery: true }
        for (const { content } of await this.#port.receive(claim, signal)) this.#hear(readReply(openReply(content)))
      } catch (fault) {
        if (signal.aborted || isFault(fault, 'closed')) return
        this.#log.warn('answers of Celery could not be read and are asked for again', { queue, fault })
        await new Promise<void>((resolve) => this.#clock.setTimer(PAUSE_MS, resolve))
      }
    }
  }

  #hear(answer: ReturnType<typeof readReply>): void {
    if (answer === undefined) return
    this.#pending.get(answer.id)?.settle(answer.reply)
    this.#pending.delete(answer.id)
  }
}

function messageOf(call: {
  readonly id: string
  readonly task: string
  readonly input: unknown
  readonly options: CeleryCallOptions
  readonly attempted: string
}): CeleryMessage {
  const { id, task, input, options, attempted } = call
  if (!Array.isArray(input) && !isFields(input)) {
    throw new SpindleError('invalid-argument', `${attempted} (its input must be an object or an array)`)
  }
  return {
    id,
    task,
    args: Array.isArray(input) ? (input as unknown[]) : [],
    kwargs: Array.isArray(input) ? {} : (input as Fields),
    etaMs: undefined,
    expiresAtMs: options.expiresAt?.getTime(),
    retries: 0,
    timeLimitMs: options.timeLimitMs,
    softTimeLimitMs: options.softTimeLimitMs,
    ignoreResult: options.ignoreResult ?? false,
    rootId: id,
    parentId: undefined,
    groupId: undefined,
    callbacks: [],
    errbacks: [],
    chain: [],
    hasChord: false,
  }
}

function resultOf({ status, result, traceback }: Reply, attempted: string): unknown {
  switch (status) {
    case 'SUCCESS':
      return result
    case 'REVOKED':
      throw new SpindleError('task-cancelled', attempted)
    case 'FAILURE': {
      const error = pythonError(result, traceback)
      throw new SpindleError('task-failed', `${attempted} (${error.name}: ${error.message})`, { cause: error })
    }
    default:
      return status satisfies never
  }
}

/** `stack` is the Python traceback. */
function pythonError(result: unknown, traceback: string | null): Error {
  const { exc_type: type, exc_message: words } = isFields(result) ? result : {}
  const message = Array.isArray(words) ? words.map(String).join(', ') : isText(words) ? words : ''
  return rebuildError({ name: isText(type) ? type : 'Exception', message, stack: traceback ?? '' })
}
