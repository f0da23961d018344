/**
 * How a workflow moves: what must be stored when a part of it starts, comes to its end or fails. Every answer is a list of
 * steps for the one unit that also settles the message that caused it, so a crash neither skips nor repeats anything.
 *
 *   start(step)   append its message
 *   start(chain)  store its children, start the first
 *   start(group)  store its children, start as many as may run at one time: child i starts child i + concurrency
 *   complete      in a chain: start the next; in a group: store the result and count; the last one appends a join
 *   fail          up through chains and fail-fast groups to the group that takes it as a result, or to the root
 *
 * Results of a group are gathered by the join, a message of the flow queue: the child that counts last cannot see what
 * the others are storing at the same moment.
 */
import type { Port, SimpleStep, Step } from '../../client/port.ts'
import { encodeJsonContent } from '../../model/content.ts'
import { SpindleError } from '../../model/errors.ts'
import type { NewMessage } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TaskError } from '../types.ts'
import { CHILDREN_MAX } from './build.ts'
import type { FlowNode, StepNode } from './flow.ts'
import {
  addedIndex,
  type ChildRecord,
  type CompositeRecord,
  childPath,
  decode,
  encode,
  type FlowRecord,
  flowKey,
  type HeldRecord,
  PAGE_NODES,
  parentOf,
  partKey,
  type StopRecord,
  selfAndAbove,
} from './flow-records.ts'

/** The queue in which workflows are moved on where no step can do it: joins, failures, ends. Also the name of its task. */
export const FLOW_QUEUE = 'spindle.flow'
/** Steps of one unit that starts a part; the rest is left for the settle and its company. */
const STEPS_MAX = 9_000

export type FlowEvent =
  | { readonly kind: 'join'; readonly flow: string; readonly path: string }
  | { readonly kind: 'ended'; readonly flow: string }
  /** What runs below the path is told. */
  | { readonly kind: 'stopped'; readonly flow: string; readonly path: string }
  | { readonly kind: 'forget'; readonly flow: string }
  | {
      readonly kind: 'unfinished'
      readonly flow: string
      readonly path: string
      readonly held: HeldRecord
      readonly error: TaskError
    }

export interface FlowPlace {
  readonly id: string
  readonly path: string
}

/** What a part gets: nothing where it is the first. */
export interface Got {
  readonly input?: unknown
}

export class Progression {
  readonly #port: Port
  readonly #clock: Clock

  constructor(parts: { readonly port: Port; readonly clock: Clock }) {
    this.#port = parts.port
    this.#clock = parts.clock
  }

  /** Has something at or above this place failed, or was the whole cancelled? */
  async isStopped({ id, path }: FlowPlace): Promise<boolean> {
    const stops = await Promise.all(selfAndAbove(path).map((one) => this.#port.read(partKey(id, 'x', one))))
    return stops.some((stop) => stop !== undefined)
  }

  start(place: FlowPlace, node: FlowNode, got: Got): Step[] {
    const steps = this.#start(place, node, got)
    if (steps.length > STEPS_MAX) {
      const why = `it starts more than ${STEPS_MAX} messages and records at once; bound the concurrency of its groups`
      throw new SpindleError('invalid-argument', `start a workflow (${why})`)
    }
    return steps
  }

  #start(place: FlowPlace, node: FlowNode, got: Got): Step[] {
    const { id, path } = place
    switch (node.kind) {
      case 'step':
        return [this.#message(place, node, got)]
      case 'chain':
        return [
          ...this.#composite(place, { kind: 'chain', count: node.nodes.length }, node.nodes),
          ...this.#start({ id, path: childPath(path, 0) }, node.nodes[0] as FlowNode, got),
        ]
      case 'group':
        return this.#startGroup(place, node, got)
      case 'each': {
        const { input } = got
        if (!Array.isArray(input)) throw notAList(node.step.task, `got ${input === null ? 'null' : typeof input}`)
        if (input.length > CHILDREN_MAX) throw notAList(node.step.task, `got ${input.length} elements`)
        const nodes = input.map((one: unknown): StepNode => ({ ...node.step, own: true, input: one }))
        const { failure, concurrency } = node
        return this.#startGroup(place, { kind: 'group', nodes, failure, concurrency }, {})
      }
      default:
        return node satisfies never
    }
  }

  #startGroup(place: FlowPlace, node: Extract<FlowNode, { kind: 'group' }>, got: Got): Step[] {
    const { id, path } = place
    const { nodes, failure, concurrency } = node
    const count = nodes.length
    const needsInput = nodes.some((child) => child.kind !== 'step' || !child.own)
    const record: CompositeRecord = {
      kind: 'group',
      count,
      failure,
      concurrency,
      ...(needsInput && 'input' in got ? { input: got.input } : {}),
    }
    const steps = this.#composite(place, record, nodes)
    if (count === 0) return [...steps, event({ kind: 'join', flow: id, path })]
    for (const [i, child] of nodes.slice(0, concurrency).entries()) {
      for (const one of this.#start({ id, path: childPath(path, i) }, child, got)) steps.push(one)
      if (steps.length > STEPS_MAX) break
    }
    return steps
  }

  #composite({ id, path }: FlowPlace, record: CompositeRecord, nodes: readonly FlowNode[]): Step[] {
    const steps: Step[] = [{ kind: 'record', key: partKey(id, 'n', path), value: encode(record) }]
    for (let from = 0; from < nodes.length; from += PAGE_NODES) {
      const page = nodes.slice(from, from + PAGE_NODES)
      steps.push({ kind: 'record', key: pageKey({ id, path }, from), value: encode(page) })
    }
    return steps
  }

  #message({ id, path }: FlowPlace, node: StepNode, got: Got): SimpleStep {
    const { task, queue, own, priority, group, delayMs, headers } = node
    const input = own ? node.input : got.input
    const content = encodeJsonContent(input, {
      type: task,
      ...(headers === undefined ? {} : { headers }),
      task: { flow: { id, path }, ...(delayMs === undefined ? {} : { delayMs }) },
    })
    const message: NewMessage = {
      content,
      ...(priority === undefined ? {} : { priority }),
      ...(group === undefined ? {} : { groupId: group }),
      ...(delayMs === undefined ? {} : { delayMs }),
    }
    return { kind: 'append', queue, message }
  }

  /** `added`: children that the step at `place` adds to the innermost group around it. */
  async complete(place: FlowPlace, result: unknown, added: readonly FlowNode[] = []): Promise<Step[]> {
    const up = parentOf(place.path)
    if (up === undefined) {
      if (added.length > 0) throw noGroup()
      return this.#end(place.id, { state: 'succeeded', ...(result === undefined ? {} : { result }) })
    }
    const around = { id: place.id, path: up.parent }
    const composite = await this.#read(around)
    if (composite === undefined) return []
    if (composite.kind === 'group') {
      return this.#childEnded(place, composite, { value: result === undefined ? {} : { result }, added })
    }
    const extra = added.length === 0 ? [] : await this.#addAround(around, added, up.name)
    const nextIndex = up.index + 1
    if (nextIndex < composite.count) {
      const node = await this.#child(around, nextIndex)
      return [
        ...extra,
        ...(await this.#startUnlessStopped({ ...around, path: childPath(up.parent, nextIndex) }, node, {
          input: result,
        })),
      ]
    }
    return [...extra, ...(await this.complete(around, result))]
  }

  /** A step within a chain within a group adds to that group: the group counts them before the chain can end. */
  async #addAround(place: FlowPlace, added: readonly FlowNode[], name: string): Promise<Step[]> {
    const up = parentOf(place.path)
    if (up === undefined) throw noGroup()
    const around = { id: place.id, path: up.parent }
    const composite = await this.#read(around)
    if (composite?.kind !== 'group') return this.#addAround(around, added, `${up.name}-${name}`)
    const steps = this.#startAdded(around, composite, { added, adder: `${up.name}-${name}` })
    return [...steps, this.#count(around, composite, -added.length)]
  }

  /** Its result (or error), the next child of its lane, and the count. */
  async #childEnded(
    place: FlowPlace,
    composite: Extract<CompositeRecord, { kind: 'group' }>,
    child: { readonly value: object; readonly added: readonly FlowNode[] },
  ): Promise<Step[]> {
    const up = parentOf(place.path)
    if (up === undefined) throw new Error('the root is no child')
    const around = { id: place.id, path: up.parent }
    const { count, concurrency, input } = composite
    const nextIndex = up.index + concurrency
    const lane =
      nextIndex < count
        ? await this.#startUnlessStopped(
            { ...around, path: childPath(up.parent, nextIndex) },
            await this.#child(around, nextIndex),
            'input' in composite ? { input } : {},
          )
        : []
    return [
      { kind: 'record', key: partKey(place.id, 'r', place.path), value: encode(child.value) },
      ...lane,
      ...this.#startAdded(around, composite, { added: child.added, adder: up.name }),
      this.#count(around, composite, 1 - child.added.length),
    ]
  }

  #startAdded(
    around: FlowPlace,
    composite: Extract<CompositeRecord, { kind: 'group' }>,
    { added, adder }: { readonly added: readonly FlowNode[]; readonly adder: string },
  ): Step[] {
    const got = 'input' in composite ? { input: composite.input } : {}
    return added.flatMap((node, i) =>
      this.start({ id: around.id, path: childPath(around.path, addedIndex(adder, i)) }, node, got),
    )
  }

  #count(around: FlowPlace, { count }: { readonly count: number }, by: number): Step {
    const { id, path } = around
    const whenReached = [event({ kind: 'join', flow: id, path })]
    return { kind: 'count', key: partKey(id, 'c', path), by, at: count, whenReached }
  }

  async #startUnlessStopped(place: FlowPlace, node: FlowNode, got: Got): Promise<Step[]> {
    if (!(await this.isStopped(place))) return this.start(place, node, got)
    return [held(place, { kind: 'start', node, ...got })]
  }

  /**
   * The failure of the part at `place`. `leaf`: the step that failed, to be started anew by a retry. `undefined`: it is below a part that
   * has failed already, so it changes nothing more. Two that fail at once: one of the units is refused, and looks again.
   */
  async fail(place: FlowPlace, error: TaskError, leaf?: HeldRecord): Promise<Step[]> {
    if (await this.isStopped(place)) return leaf === undefined ? [] : [held(place, leaf)]
    let top = place
    for (let up = parentOf(top.path); up !== undefined; up = parentOf(top.path)) {
      const around = { id: place.id, path: up.parent }
      const composite = await this.#read(around)
      if (composite === undefined) return []
      if (composite.kind === 'group' && composite.failure !== 'failFast') {
        const ended = await this.#childEnded(top, composite, { value: { error }, added: [] })
        if (composite.failure === 'continue') return ended
        const counted = { counted: around.path }
        if (top.path !== place.path) ended.push(...stop(top, counted))
        if (leaf !== undefined) ended.push(held(place, top.path === place.path ? { ...leaf, ...counted } : leaf))
        return ended
      }
      top = around
    }
    return [
      ...(leaf === undefined ? [] : [held(place, leaf)]),
      ...stop(top, {}),
      ...(await this.#end(place.id, { state: 'failed', error })),
    ]
  }

  /** Every child has come to something: what the group comes to, in their order. */
  async join(place: FlowPlace): Promise<Step[]> {
    const composite = await this.#read(place)
    if (composite?.kind !== 'group') return []
    const children = await this.#children(place)
    if (composite.failure === 'continue') {
      const settled = children.map(({ error, result }) =>
        error === undefined ? { state: 'succeeded', result } : { state: 'failed', error },
      )
      return this.complete(place, settled)
    }
    const failures = children.flatMap(({ error }) => (error === undefined ? [] : [error]))
    const first = failures[0]
    if (first === undefined) {
      return this.complete(
        place,
        children.map(({ result = null }) => result),
      )
    }
    const message = `${failures.length} of ${children.length} failed; the first: ${first.name}: ${first.message}`
    // The counter went when it was reached; a retry takes the failed ones off it again.
    const counter: Step = {
      kind: 'record',
      key: partKey(place.id, 'c', place.path),
      value: Buffer.from(String(composite.count)),
    }
    return [counter, ...(await this.fail(place, { ...first, message }))]
  }

  async #children({ id, path }: FlowPlace): Promise<ChildRecord[]> {
    // Children, not their children: those have a further dot.
    const prefix = partKey(id, 'r', path === '' ? '' : `${path}.`)
    const children: ChildRecord[] = []
    let after: string | undefined
    for (;;) {
      const records = await this.#port.scan(prefix, { limit: 1_000, ...(after === undefined ? {} : { after }) })
      for (const { key, value } of records) if (!key.slice(prefix.length).includes('.')) children.push(decode(value))
      after = records.at(-1)?.key
      if (records.length < 1_000) return children
    }
  }

  /** The end of the whole, unless it has ended: then only a success counts. */
  async #end(id: string, end: Pick<FlowRecord, 'state' | 'result' | 'error'>): Promise<Step[]> {
    const stored = await this.#port.read(flowKey(id))
    if (stored === undefined) return []
    const record = decode<FlowRecord>(stored.value)
    if (end.state !== 'succeeded' && record.state !== 'running') return []
    const { error: _error, result: _result, ...rest } = record
    const value = encode({ ...rest, ...end, endedAtMs: this.#clock.wallMs() })
    return [{ kind: 'record', key: flowKey(id), value }, event({ kind: 'ended', flow: id })]
  }

  async #read({ id, path }: FlowPlace): Promise<CompositeRecord | undefined> {
    const stored = await this.#port.read(partKey(id, 'n', path))
    return stored && decode<CompositeRecord>(stored.value)
  }

  async #child(around: FlowPlace, index: number): Promise<FlowNode> {
    const stored = await this.#port.read(pageKey(around, index))
    const node = stored && decode<FlowNode[]>(stored.value)[index % PAGE_NODES]
    if (node === undefined) throw new Error(`workflow ${around.id} has no part ${around.path}.${index}`)
    return node
  }
}

function noGroup(): SpindleError {
  return new SpindleError('invalid-argument', 'add a child to a workflow (no group is around this step)')
}

export function event(of: FlowEvent, delayMs?: number): SimpleStep {
  const message = {
    content: encodeJsonContent(of, { type: FLOW_QUEUE }),
    ...(delayMs === undefined ? {} : { delayMs }),
  }
  return { kind: 'append', queue: FLOW_QUEUE, message }
}

export function held({ id, path }: FlowPlace, record: HeldRecord): SimpleStep {
  return { kind: 'record', key: partKey(id, 'f', path), value: encode(record) }
}

/** Absent before: of two failures below it the second one looks again. */
function stop({ id, path }: FlowPlace, record: StopRecord): SimpleStep[] {
  return [
    { kind: 'record', key: partKey(id, 'x', path), value: encode(record), expect: 0 },
    event({ kind: 'stopped', flow: id, path }),
  ]
}

function pageKey({ id, path }: FlowPlace, index: number): string {
  return `${partKey(id, 'p', path)}/${String(Math.floor(index / PAGE_NODES)).padStart(4, '0')}`
}

function notAList(task: string, got: string): SpindleError {
  return new SpindleError(
    'invalid-argument',
    `run '${task}' for each element (a list of at most ${CHILDREN_MAX}; ${got})`,
  )
}
