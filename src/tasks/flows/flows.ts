/** Starting workflows, and what the executor asks of them: may this step run, and what is stored with its end. */
import { FAILED_TOPIC, type Port, type SimpleStep, type Step } from '../../client/port.ts'
import { decodeHead } from '../../model/content.ts'
import { SpindleError } from '../../model/errors.ts'
import type { Delivery } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Changes } from '../changes.ts'
import { isTask } from '../define.ts'
import { policyFor, queueOf, type TaskQueues } from '../task-queue.ts'
import type { AnyTask, TaskError } from '../types.ts'
import { assertValid, check } from '../validation.ts'
import { checkShape } from './build.ts'
import type { Flow, FlowNode, FlowTask } from './flow.ts'
import { encode, type FlowRecord, flowKey, storedMessage } from './flow-records.ts'
import { type FlowRunParts, StoredFlowRun } from './flow-run.ts'
import { flowTask } from './flow-task.ts'
import { event, FLOW_QUEUE, type FlowPlace, Progression } from './progression.ts'
import type { FlowRun } from './types.ts'

/** Heard by workers, of which none looks after workflows before there is one. */
export const FLOW_CHANNEL = 'task-flow'
const NOTHING = new Uint8Array(0)
const ID_BYTES = 16

export interface FlowsParts {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly queues: TaskQueues
  readonly waits: Set<Changes>
}

export class Flows {
  /** What workers run beside their own tasks. */
  readonly task: AnyTask
  readonly #parts: FlowsParts
  readonly #progression: Progression
  #ready: Promise<void> | undefined

  constructor(parts: FlowsParts) {
    this.#parts = parts
    this.#progression = new Progression(parts)
    this.task = flowTask({ port: parts.port, progression: this.#progression })
  }

  /** Resolves once it is durable. Rejects `invalid-input`, `invalid-argument`. */
  async start<Output>(flow: Flow<Output>): Promise<FlowRun<Output>> {
    await this.#check(flow)
    return this.run(await this.#start(flow.node))
  }

  run<Output>(id: string): FlowRun<Output> {
    const { port, clock, waits } = this.#parts
    const startAgain = (node: FlowNode): Promise<string> => this.#start(node)
    const parts: FlowRunParts = { port, clock, waits, progression: this.#progression, startAgain }
    return new StoredFlowRun<Output>(parts, id)
  }

  isStopped(place: FlowPlace): Promise<boolean> {
    return this.#progression.isStopped(place)
  }

  /** What the success of this step starts, by itself and by the children it added. */
  async succeeded(place: FlowPlace, result: unknown, added: readonly Flow<unknown>[]): Promise<Step[]> {
    for (const flow of added) await this.#check(flow)
    return this.#progression.complete(
      place,
      result,
      added.map(({ node }) => node),
    )
  }

  /** A step that ends without running, or was cancelled: the workflow is told, and can start it anew. */
  cancelled(delivery: Delivery): SimpleStep[] {
    return unfinished(delivery, { name: 'TaskCancelled', message: 'a step was cancelled' })
  }

  /** A workflow has no use for a step without a result. */
  discarded(delivery: Delivery, reason: string): SimpleStep[] {
    return unfinished(delivery, { name: 'TaskDiscarded', message: reason })
  }

  async #check(flow: Flow<unknown>): Promise<void> {
    checkShape(flow.node)
    for (const { task, input } of flow.inputs) {
      const checked = check(definitionOf(task).options.input, input)
      assertValid(checked instanceof Promise ? await checked : checked, `start a workflow with task '${task.name}'`)
    }
    for (const task of [...flow.tasks.values()].map(definitionOf)) {
      if (policyFor(queueOf(task), [task]).onDeath?.kind === 'discard') {
        const why = `a failure of '${task.name}' would leave no trace; keep results or failures of it for a while`
        throw new SpindleError('invalid-argument', `start a workflow (${why})`)
      }
      if (!this.#parts.queues.isDeclared(task)) await this.#parts.queues.declare(task)
    }
  }

  async #start(node: FlowNode): Promise<string> {
    const { port, clock, random } = this.#parts
    this.#ready ??= this.#prepare()
    await this.#ready.catch((fault: unknown) => {
      this.#ready = undefined
      throw fault
    })
    const id = Buffer.from(random.bytes(ID_BYTES)).toString('hex')
    const root = node.kind === 'chain' || node.kind === 'group' ? {} : { root: node }
    const record: FlowRecord = { state: 'running', startedAtMs: clock.wallMs(), ...root }
    await port.transact([
      { kind: 'record', key: flowKey(id), value: encode(record), expect: 0 },
      ...this.#progression.start({ id, path: '' }, node, {}),
    ])
    port.announce(FLOW_CHANNEL, NOTHING)
    return id
  }

  /** Deaths of steps reach the flow queue in the unit in which they happen, whoever judges them. */
  async #prepare(): Promise<void> {
    const { port, queues } = this.#parts
    await queues.declare(this.task)
    await port.declareExchange(FAILED_TOPIC, {})
    const target = { kind: 'queue', name: FLOW_QUEUE } as const
    await port.putBinding({ exchange: FAILED_TOPIC, id: FLOW_QUEUE, target, key: '' })
  }
}

function unfinished(delivery: Delivery, error: TaskError): SimpleStep[] {
  const { flow } = decodeHead(delivery.content.head).task
  if (flow === undefined) return []
  const held = { kind: 'message', queue: delivery.queue, message: storedMessage(delivery) } as const
  return [event({ kind: 'unfinished', flow: flow.id, path: flow.path, held, error })]
}

/** Throws `invalid-argument` for a value that build.ts did not make. */
function definitionOf(task: FlowTask): AnyTask {
  if (isTask(task)) return task
  throw new SpindleError('invalid-argument', 'start a workflow (one of its steps is no task)')
}
