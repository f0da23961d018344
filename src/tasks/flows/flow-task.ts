/** The task of the flow queue: joins of groups, deaths of steps, and what follows an end. Any worker runs it beside its own. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Port, Step } from '../../client/port.ts'
import { decodeHead } from '../../model/content.ts'
import type { MessageId } from '../../model/message.ts'
import { exponential } from '../backoff.ts'
import { task } from '../define.ts'
import type { RunContext } from '../run.ts'
import { decodeFailureNote } from '../task-error.ts'
import type { AnyTask } from '../types.ts'
import { decode, type FlowRecord, flowKey, partsPrefix } from './flow-records.ts'
import { event, FLOW_QUEUE, type FlowEvent, type Progression } from './progression.ts'

/** Heard by workers: { id, path }; runs below it are told to stop. */
export const FLOW_STOP_CHANNEL = 'task-flow-stop'
/** How long the result of a workflow stays after its success, ms. */
const RETAIN_MS = 86_400_000
const PAGE = 1_000
/** Whatever fails here fails for the store's reasons, and a workflow would stand still: never given up. */
const ATTEMPTS = 1_000_000

/** Where the end of a workflow is announced. */
export function flowChannel(id: string): string {
  return `flow/${id}`
}

export function flowTask(parts: { readonly port: Port; readonly progression: Progression }): AnyTask {
  return task(FLOW_QUEUE, {
    input: anything,
    retry: { attempts: ATTEMPTS, backoff: exponential({ baseMs: 20, maxMs: 10_000 }) },
    result: { retainMs: 0 },
    async run(input, context) {
      const steps = await moved(input, parts)
      // Only this package's own tasks commit more than follow-ups.
      ;(context as RunContext).alsoCommit(steps)
    },
  })
}

const anything: StandardSchemaV1<unknown> = {
  '~standard': { version: 1, vendor: 'spindle', validate: (value) => ({ value }) },
}

/** A death, as the store tells it (model/failed-event.ts). */
interface DeathEvent {
  readonly kind?: undefined
  readonly queue: string
  readonly id: MessageId
  readonly reason: string
}

async function moved(
  input: unknown,
  { port, progression }: { readonly port: Port; readonly progression: Progression },
): Promise<readonly Step[]> {
  const of = input as FlowEvent | DeathEvent
  switch (of.kind) {
    case undefined:
      return died(of, port, progression)
    case 'join':
      return progression.join({ id: of.flow, path: of.path })
    case 'unfinished':
      return progression.fail({ id: of.flow, path: of.path }, of.error, of.held)
    case 'stopped':
      port.announce(FLOW_STOP_CHANNEL, Buffer.from(JSON.stringify({ id: of.flow, path: of.path })))
      return []
    case 'ended':
      port.announce(flowChannel(of.flow), new Uint8Array(0))
      return swept(of.flow, port)
    case 'forget':
      if (await isSuccess(of.flow, port)) return [{ kind: 'record', key: flowKey(of.flow), value: null }]
      return []
    default:
      // Written by a newer version, say: another worker may know it.
      throw new Error(`unknown event '${String((of as { kind: unknown }).kind)}' of a workflow`)
  }
}

async function died({ id, queue, reason }: DeathEvent, port: Port, progression: Progression): Promise<readonly Step[]> {
  if (typeof id !== 'string') return []
  const view = await port.find(id)
  const flow = view && decodeHead(view.content.head).task.flow
  // Not a step; or it lives again, and will tell how it ends.
  if (view === undefined || flow === undefined || (view.state !== 'dead' && view.queue === queue)) return []
  const error = view.note === undefined ? { name: 'TaskFailed', message: reason } : decodeFailureNote(view.note).error
  const { stack: _stack, ...told } = error
  return progression.fail(flow, told, { kind: 'dead', id, queue })
}

/** A success needs its parts no more, and is itself forgotten after a while; whatever else ended may be retried. */
async function swept(id: string, port: Port): Promise<readonly Step[]> {
  if (!(await isSuccess(id, port))) return []
  await removeParts(id, port)
  return [event({ kind: 'forget', flow: id }, RETAIN_MS)]
}

async function isSuccess(id: string, port: Port): Promise<boolean> {
  const stored = await port.read(flowKey(id))
  return stored !== undefined && decode<FlowRecord>(stored.value).state === 'succeeded'
}

/** Once more does no harm. */
export async function removeParts(id: string, port: Port): Promise<void> {
  for (;;) {
    const records = await port.scan(partsPrefix(id), { limit: PAGE })
    if (records.length === 0) return
    await port.transact(
      records.map(({ key }) => ({ kind: 'record', key, value: null }) as const),
      { relaxed: true },
    )
  }
}
