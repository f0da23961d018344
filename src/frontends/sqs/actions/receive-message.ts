import type { ReceiveRequest } from '../../../broker/port.ts'
import type { Delivery } from '../../../model/message.ts'
import type { AwsCall } from '../../aws/call.ts'
import { checkAccess } from '../access.ts'
import type { Action, SqsContext } from '../context.ts'
import { invalidValue, overLimit, unknownAttribute } from '../errors.ts'
import { incomingMessage, type SystemAttributeName, systemAttributeNames, type Wanted } from '../incoming-message.ts'
import {
  IN_FLIGHT_FIFO_MAX,
  IN_FLIGHT_STANDARD_MAX,
  RECEIVE_MAX,
  VISIBILITY_SECONDS_MAX,
  WAIT_SECONDS_MAX,
} from '../limits.ts'
import { attributeFilter } from '../message-attributes.ts'
import type { SqsQueue } from '../queue-directory.ts'
import { readableAttributes } from '../queue-view.ts'

/** Waits for up to WaitTimeSeconds; a client that hung up meanwhile gets nothing, and nothing is hidden on its account. */
export const receiveMessage: Action = async (context, call) => {
  const queue = await context.directory.named(call)
  checkAccess(call, queue)
  context.throttle?.take(queue, 'ReceiveMessage')
  const asked = readRequest(call, queue)
  const again = await answeredBefore(context, queue, asked)
  const deliveries = again ?? (await receive(context, call, queue, asked))
  if (deliveries.length === 0) return {}
  const { handles, directory } = context
  return {
    Messages: deliveries.map((delivery) => {
      const handle = handles.seal(queue.store, delivery)
      return incomingMessage(delivery, { queue, handle, wanted: asked.wanted, home: directory.home })
    }),
  }
}

interface Asked {
  readonly max: number
  readonly waitMs: number
  /** undefined: the queue's. */
  readonly leaseMs: number | undefined
  readonly wanted: Wanted
  readonly attemptId: string | undefined
}

async function receive(
  context: SqsContext,
  call: AwsCall,
  queue: SqsQueue,
  { max, waitMs, leaseMs, attemptId }: Asked,
): Promise<readonly Delivery[]> {
  if (context.throttle !== undefined && (await isFullOfFlights(context, queue, waitMs))) return []
  const request = {
    queue: queue.store,
    max,
    ...(leaseMs === undefined ? undefined : { lease: { kind: 'clock', leaseMs } as const }),
  }
  const deliveries = await lease(context, call, request, waitMs)
  if (call.client.gone && deliveries.length > 0) {
    await context.port.settle(deliveries.map(({ receipt, id }) => ({ receipt, id, how: GIVEN_BACK })))
    return []
  }
  if (attemptId !== undefined) context.attempts.remember(queue.store, attemptId, deliveries)
  return deliveries
}

/** What is there already needs neither a place in the line nor an eye on the socket; a busy queue's long polls never wait. */
async function lease(
  { port }: SqsContext,
  call: AwsCall,
  request: ReceiveRequest,
  waitMs: number,
): Promise<Delivery[]> {
  const { direct } = port
  const present = direct === undefined ? await port.receive(request) : await direct.kept(direct.lease(request))
  if (present.length > 0 || waitMs === 0) return present
  return port.receive({ ...request, waitMs, fill: true }, call.client.signal())
}

const GIVEN_BACK = { kind: 'release', spend: false } as const

/** The same messages for the same attempt, as long as none of them was deleted or given back. */
async function answeredBefore(
  { attempts, port }: SqsContext,
  queue: SqsQueue,
  { attemptId, leaseMs }: Asked,
): Promise<readonly Delivery[] | undefined> {
  const deliveries = attemptId === undefined ? undefined : attempts.answered(queue.store, attemptId)
  if (attemptId === undefined || deliveries === undefined) return undefined
  const receipts = deliveries.map(({ receipt }) => receipt)
  const outcomes = await port.extend(receipts, leaseMs ?? queue.policy.leaseMs)
  if (outcomes.every(({ kind }) => kind === 'extended')) return deliveries
  attempts.forget(queue.store, attemptId)
  return undefined
}

/** AWS refuses a short poll of a standard queue, and answers a FIFO one with nothing. */
async function isFullOfFlights({ port }: SqsContext, queue: SqsQueue, waitMs: number): Promise<boolean> {
  const [measure] = await port.measure([queue.store])
  const leased = measure?.leased ?? 0
  if (queue.isFifo) return leased >= IN_FLIGHT_FIFO_MAX
  if (leased < IN_FLIGHT_STANDARD_MAX) return false
  if (waitMs > 0) return true
  throw overLimit(`Too many messages in flight: ${leased}, at most ${IN_FLIGHT_STANDARD_MAX} are allowed.`)
}

function readRequest({ params }: AwsCall, queue: SqsQueue): Asked {
  const max = (params['MaxNumberOfMessages'] as number | undefined) ?? 1
  if (max < 1 || max > RECEIVE_MAX) {
    throw invalidValue(max, 'MaxNumberOfMessages', `Must be between 1 and ${RECEIVE_MAX}, if provided.`)
  }
  const wait = params['WaitTimeSeconds'] as number | undefined
  if (wait !== undefined && (wait < 0 || wait > WAIT_SECONDS_MAX)) {
    throw invalidValue(wait, 'WaitTimeSeconds', `Must be >= 0 and <= ${WAIT_SECONDS_MAX}, if provided.`)
  }
  const visibility = params['VisibilityTimeout'] as number | undefined
  if (visibility !== undefined && (visibility < 0 || visibility > VISIBILITY_SECONDS_MAX)) {
    throw invalidValue(visibility, 'VisibilityTimeout', `Must be >= 0 and <= ${VISIBILITY_SECONDS_MAX}, if provided.`)
  }
  const attemptId = params['ReceiveRequestAttemptId'] as string | undefined
  if (attemptId !== undefined) checkAttemptId(attemptId, queue)
  return {
    max,
    waitMs: wait === undefined ? queue.waitMs : wait * 1_000,
    leaseMs: visibility === undefined ? undefined : Math.max(1, visibility * 1_000),
    wanted: readWanted(params),
    attemptId,
  }
}

function checkAttemptId(id: string, { isFifo }: SqsQueue): void {
  if (!isFifo) {
    throw invalidValue(
      id,
      'ReceiveRequestAttemptId',
      'The request include parameter that is not valid for this queue type.',
    )
  }
  if (!/^[\x21-\x7e]{1,128}$/.test(id)) {
    const rule = 'can only include alphanumeric and punctuation characters. 1 to 128 in length.'
    throw invalidValue(id, 'ReceiveRequestAttemptId', `ReceiveRequestAttemptId ${rule}`)
  }
}

const everySystemAttribute: ReadonlySet<SystemAttributeName> = new Set(systemAttributeNames)
const NO_NAMES: readonly string[] = []

function readWanted(params: AwsCall['params']): Wanted {
  const old = (params['AttributeNames'] as readonly string[] | undefined) ?? NO_NAMES
  const present = (params['MessageSystemAttributeNames'] as readonly string[] | undefined) ?? NO_NAMES
  const names = (params['MessageAttributeNames'] as readonly string[] | undefined) ?? NO_NAMES
  return { system: systemWanted(old, present), attributes: attributeFilter(names) }
}

function systemWanted(
  old: readonly string[],
  present: readonly string[],
): ReadonlySet<SystemAttributeName> | undefined {
  if (old.length === 0 && present.length === 0) return undefined
  const wanted = new Set<SystemAttributeName>()
  for (const name of [...old, ...present]) {
    if (name === 'All') return everySystemAttribute
    if (everySystemAttribute.has(name as SystemAttributeName)) wanted.add(name as SystemAttributeName)
    // The model lets this list name attributes of the queue too; they are not of a message, so nothing comes of them.
    else if (!readableAttributes.has(name)) throw unknownAttribute(name)
  }
  return wanted.size === 0 ? undefined : wanted
}
