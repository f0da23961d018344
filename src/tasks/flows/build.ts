/** Workflows as values: `step`, `next`, `chain`, `group`, `chord`, `fanOut`, `each`. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { SpindleError } from '../../model/errors.ts'
import { DURATION_MS_MAX, PRIORITY_MAX } from '../../model/limits.ts'
import { queueOf } from '../task-queue.ts'
import type { AnyTask, TaskDefinition } from '../types.ts'
import type { FailurePolicy, Flow, FlowNode, FlowTask, StepNode } from './flow.ts'
import type { GroupOptions, Settled, StepOptions } from './types.ts'

export const CHILDREN_MAX = 10_000
const LANES_MAX = 1_000
/** Groups within chains within groups… */
const DEPTH_MAX = 32
const failurePolicies: readonly FailurePolicy[] = ['failFast', 'waitAll', 'continue']

/** A step with its own input. */
export function step<N extends string, S extends StandardSchemaV1, O>(
  task: TaskDefinition<N, S, O>,
  input: StandardSchemaV1.InferInput<S>,
  options: StepOptions = {},
): Flow<O> {
  const node = { ...stepNode(task, options), own: true, ...(input === undefined ? {} : { input }) }
  return { node, tasks: new Map([[task.name, task]]), inputs: [{ task, input }] }
}

/** A step whose input is what the part before it comes to. */
export function next<N extends string, S extends StandardSchemaV1, O>(
  task: TaskDefinition<N, S, O>,
  options: StepOptions = {},
): Flow<O, StandardSchemaV1.InferInput<S>> {
  return { node: stepNode(task, options), tasks: new Map([[task.name, task]]), inputs: [] }
}

type Part<Output, Input> = Flow<Output, Input>

/** One after the other; each gets what the one before comes to, and the last one's is the chain's. */
export function chain<A, I>(a: Part<A, I>): Flow<A, I>
export function chain<A, B, I>(a: Part<A, I>, b: Part<B, A>): Flow<B, I>
export function chain<A, B, C, I>(a: Part<A, I>, b: Part<B, A>, c: Part<C, B>): Flow<C, I>
export function chain<A, B, C, D, I>(a: Part<A, I>, b: Part<B, A>, c: Part<C, B>, d: Part<D, C>): Flow<D, I>
export function chain<A, B, C, D, E, I>(
  a: Part<A, I>,
  b: Part<B, A>,
  c: Part<C, B>,
  d: Part<D, C>,
  e: Part<E, D>,
): Flow<E, I>
export function chain<A, B, C, D, E, F, I>(
  a: Part<A, I>,
  b: Part<B, A>,
  c: Part<C, B>,
  d: Part<D, C>,
  e: Part<E, D>,
  f: Part<F, E>,
): Flow<F, I>
export function chain(...parts: readonly Flow<unknown, never>[]): Flow<unknown, never> {
  return chainOf(parts)
}

/** As `chain`, of any length, put together while the program runs: the types between the parts are not compared. */
export function chainOf(parts: readonly Flow<unknown, never>[]): Flow<unknown> {
  checkCount('chain', parts.length)
  if (parts.length === 0) throw refuse('chain', 'it has no parts')
  return composed({ kind: 'chain', nodes: parts.map(({ node }) => node) }, parts) as Flow<unknown>
}

/** Side by side; comes to the list of what they come to, in their order. Each gets what the part before the group comes to. */
export function group<const T extends readonly unknown[], I>(
  flows: { readonly [K in keyof T]: Flow<T[K], I> },
  options: GroupOptions & { readonly failure: 'continue' },
): Flow<{ -readonly [K in keyof T]: Settled<T[K]> }, I>
export function group<const T extends readonly unknown[], I>(
  flows: { readonly [K in keyof T]: Flow<T[K], I> },
  options?: GroupOptions & { readonly failure?: 'failFast' | 'waitAll' },
): Flow<{ -readonly [K in keyof T]: T[K] }, I>
export function group(flows: readonly Flow<unknown, never>[], options: GroupOptions = {}): Flow<unknown, never> {
  checkCount('group', flows.length)
  return composed({ kind: 'group', nodes: flows.map(({ node }) => node), ...groupRules('group', options) }, flows)
}

/** A group, and what gets the list it comes to. */
export function chord<const T extends readonly unknown[], I, O>(
  flows: { readonly [K in keyof T]: Flow<T[K], I> },
  join: Flow<O, { -readonly [K in keyof T]: T[K] }>,
  options?: GroupOptions & { readonly failure?: 'failFast' | 'waitAll' },
): Flow<O, I> {
  // `flows` as a group and what it comes to were compared by the types above.
  return chainOf([group(flows, options) as Flow<unknown>, join as Flow<unknown, never>]) as unknown as Flow<O, I>
}

/** One task for each input, so many at a time; comes to the list of results, in the order of the inputs. */
export function fanOut<N extends string, S extends StandardSchemaV1, O>(
  task: TaskDefinition<N, S, O>,
  inputs: readonly StandardSchemaV1.InferInput<S>[],
  options: GroupOptions & StepOptions & { readonly failure: 'continue' },
): Flow<Settled<O>[]>
export function fanOut<N extends string, S extends StandardSchemaV1, O>(
  task: TaskDefinition<N, S, O>,
  inputs: readonly StandardSchemaV1.InferInput<S>[],
  options?: GroupOptions & StepOptions & { readonly failure?: 'failFast' | 'waitAll' },
): Flow<O[]>
export function fanOut(
  task: AnyTask,
  inputs: readonly unknown[],
  options: GroupOptions & StepOptions = {},
): Flow<unknown[]> {
  checkCount('fanOut', inputs.length)
  const plain = { ...stepNode(task, options), own: true }
  const nodes = inputs.map((input): StepNode => (input === undefined ? plain : { ...plain, input }))
  return {
    node: { kind: 'group', nodes, ...groupRules('fanOut', options) },
    tasks: new Map([[task.name, task]]),
    inputs: inputs.map((input) => ({ task, input })),
  }
}

/** As `fanOut`, over the list that the part before it comes to. */
export function each<N extends string, S extends StandardSchemaV1, O>(
  task: TaskDefinition<N, S, O>,
  options: GroupOptions & StepOptions & { readonly failure: 'continue' },
): Flow<Settled<O>[], readonly StandardSchemaV1.InferInput<S>[]>
export function each<N extends string, S extends StandardSchemaV1, O>(
  task: TaskDefinition<N, S, O>,
  options?: GroupOptions & StepOptions & { readonly failure?: 'failFast' | 'waitAll' },
): Flow<O[], readonly StandardSchemaV1.InferInput<S>[]>
export function each(task: AnyTask, options: GroupOptions & StepOptions = {}): Flow<unknown, never> {
  const node: FlowNode = { kind: 'each', step: stepNode(task, options), ...groupRules('each', options) }
  return { node, tasks: new Map([[task.name, task]]), inputs: [] }
}

function stepNode(task: AnyTask, options: StepOptions): StepNode {
  const { priority = task.options.priority, group, delayMs, headers } = options
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= PRIORITY_MAX)) {
    throw refuse('step', `priority is ${priority} but must be a whole number from 0 to ${PRIORITY_MAX}`)
  }
  if (delayMs !== undefined && !(delayMs >= 0 && delayMs <= DURATION_MS_MAX)) {
    throw refuse('step', `delayMs is ${delayMs} but must be 0 to ${DURATION_MS_MAX}`)
  }
  return {
    kind: 'step',
    task: task.name,
    queue: queueOf(task),
    own: false,
    ...(priority === undefined ? {} : { priority }),
    ...(group === undefined ? {} : { group }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(headers === undefined ? {} : { headers }),
  }
}

function groupRules(what: string, options: GroupOptions): { failure: FailurePolicy; concurrency: number } {
  const { failure = 'failFast', concurrency = LANES_MAX } = options
  if (!failurePolicies.includes(failure)) throw refuse(what, `failure must be one of ${failurePolicies.join(', ')}`)
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > LANES_MAX) {
    throw refuse(what, `concurrency is ${concurrency} but must be a whole number from 1 to ${LANES_MAX}`)
  }
  return { failure, concurrency }
}

function composed(node: FlowNode, parts: readonly Flow<unknown, never>[]): Flow<unknown, never> {
  const tasks = new Map<string, FlowTask>()
  for (const part of parts) {
    for (const [name, task] of part.tasks) {
      const other = tasks.get(name)
      if (other !== undefined && other !== task) throw refuse(node.kind, `two tasks are named '${name}'`)
      tasks.set(name, task)
    }
  }
  return { node, tasks, inputs: parts.flatMap(({ inputs }) => inputs) }
}

function checkCount(what: string, count: number): void {
  if (count > CHILDREN_MAX) throw refuse(what, `it has ${count} parts, at most ${CHILDREN_MAX} are allowed`)
}

function refuse(what: string, why: string): SpindleError {
  return new SpindleError('invalid-argument', `build a workflow (${what}: ${why})`)
}

/** Throws `invalid-argument` on one that contains itself, or is nested too deeply to be stored. */
export function checkShape(node: FlowNode, around: readonly FlowNode[] = []): void {
  if (around.includes(node)) throw refuse(node.kind, 'it contains itself')
  if (around.length >= DEPTH_MAX) throw refuse(node.kind, `it is nested deeper than ${DEPTH_MAX} levels`)
  if (node.kind === 'chain' || node.kind === 'group') {
    const path = [...around, node]
    for (const child of node.nodes) if (child.kind !== 'step') checkShape(child, path)
  }
}
