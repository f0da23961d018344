/**
 * Workflows as a person looks at them: a list, and one of them as a tree of parts with their states.
 *
 * The store keeps what a workflow needs, not what a picture needs: where a step of a chain is, say, is seen from the messages that are
 * under way. So they are looked for in the queues of its steps, in a bounded look; a step beyond it counts as waiting.
 */
import type { Port, StoredRecord } from '../../client/port.ts'
import { decodeHead } from '../../model/content.ts'
import type { FlowNode } from './flow.ts'
import {
  type ChildRecord,
  type CompositeRecord,
  childPath,
  decode,
  type FlowRecord,
  flowKey,
  PAGE_NODES,
  partsPrefix,
} from './flow-records.ts'

const RESULT_SHOWN = 4_096
const RECORDS_MAX = 5_000
const CHILDREN_SHOWN = 64
const LOOKED_PER_QUEUE = 1_000
const QUEUES_LOOKED = 16

export type PartState = 'waiting' | 'running' | 'succeeded' | 'failed' | 'cancelled'

export interface FlowPartView {
  readonly path: string
  readonly kind: 'step' | 'chain' | 'group'
  readonly name: string
  readonly state: PartState
  readonly queue: string | null
  readonly error: string | null
  readonly children: readonly FlowPartView[]
  readonly more: number
}

export interface FlowView {
  readonly id: string
  readonly state: FlowRecord['state']
  readonly startedAtMs: number
  readonly endedAtMs: number | null
  readonly error: { readonly name: string; readonly message: string } | null
  readonly result: string | null
}

/** In the order of their ids, which is none of time. */
export async function listFlows(
  port: Port,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<{ readonly items: readonly FlowView[]; readonly next: string | null }> {
  const prefix = flowKey('')
  const records = await port.scan(prefix, { limit, ...(after === undefined ? {} : { after: flowKey(after) }) })
  const items = records.map(({ key, value }) => viewOf(key.slice(prefix.length), decode<FlowRecord>(value)))
  return { items, next: records.length < limit ? null : (items.at(-1)?.id ?? null) }
}

/** undefined: there is none of that id (any more). */
export async function flowDetail(
  port: Port,
  id: string,
): Promise<(FlowView & { readonly root: FlowPartView | null }) | undefined> {
  const stored = await port.read(flowKey(id))
  if (stored === undefined) return undefined
  const record = decode<FlowRecord>(stored.value)
  const parts = partsOf(id, await port.scan(partsPrefix(id), { limit: RECORDS_MAX }))
  const root = record.root ?? rootOf(parts)
  const places = root === undefined ? new Map<string, Live>() : await livePlaces(port, id, queuesIn(root, parts))
  const tree =
    root === undefined ? null : partOf(root, { path: '', parts, live: places, whole: record, given: undefined })
  return { ...viewOf(id, record), root: tree }
}

type Live = 'waiting' | 'running' | 'failed'

interface Parts {
  readonly composites: ReadonlyMap<string, CompositeRecord>
  readonly nodes: ReadonlyMap<string, readonly FlowNode[]>
  readonly ends: ReadonlyMap<string, ChildRecord>
  readonly stopped: ReadonlySet<string>
  readonly held: ReadonlySet<string>
}

function partsOf(id: string, records: readonly StoredRecord[]): Parts {
  const composites = new Map<string, CompositeRecord>()
  const pages = new Map<string, FlowNode[]>()
  const ends = new Map<string, ChildRecord>()
  const stopped = new Set<string>()
  const held = new Set<string>()
  for (const { key, value } of records) {
    const rest = key.slice(partsPrefix(id).length)
    const [kind, path] = [rest.slice(0, 1), rest.slice(2)]
    if (kind === 'n') composites.set(path, decode(value))
    else if (kind === 'r') ends.set(path, decode(value))
    else if (kind === 'x') stopped.add(path)
    else if (kind === 'f') held.add(path)
    else if (kind === 'p') {
      const slash = path.lastIndexOf('/')
      const owner = path.slice(0, slash)
      const list = pages.get(owner) ?? []
      for (const [i, node] of decode<FlowNode[]>(value).entries())
        list[Number(path.slice(slash + 1)) * PAGE_NODES + i] = node
      pages.set(owner, list)
    }
  }
  return { composites, nodes: pages, ends, stopped, held }
}

function rootOf({ composites, nodes }: Parts): FlowNode | undefined {
  const root = composites.get('')
  return root && compositeNode(root, nodes.get('') ?? [])
}

function compositeNode(record: CompositeRecord, nodes: readonly FlowNode[]): FlowNode {
  return record.kind === 'chain'
    ? { kind: 'chain', nodes }
    : { kind: 'group', nodes, failure: record.failure, concurrency: record.concurrency }
}

function queuesIn(root: FlowNode, { nodes }: Parts): readonly string[] {
  const queues = new Set<string>()
  const visit = (node: FlowNode): void => {
    if (node.kind === 'step') queues.add(node.queue)
    else if (node.kind === 'each') queues.add(node.step.queue)
    else for (const child of node.nodes) visit(child)
  }
  visit(root)
  for (const list of nodes.values()) for (const node of list) if (node !== undefined) visit(node)
  return [...queues].slice(0, QUEUES_LOOKED)
}

async function livePlaces(port: Port, id: string, queues: readonly string[]): Promise<ReadonlyMap<string, Live>> {
  const places = new Map<string, Live>()
  for (const queue of queues) {
    for (const state of ['leased', 'ready', 'delayed', 'dead'] as const) {
      const { messages } = await port.browse({ queue, states: [state], limit: LOOKED_PER_QUEUE })
      for (const { content } of messages) {
        const { flow } = decodeHead(content.head).task
        if (flow?.id === id)
          places.set(flow.path, state === 'leased' ? 'running' : state === 'dead' ? 'failed' : 'waiting')
      }
    }
  }
  return places
}

interface Place {
  readonly path: string
  readonly parts: Parts
  readonly live: ReadonlyMap<string, Live>
  readonly whole: FlowRecord
  /** What is known from above: it has ended, or cannot have begun. */
  readonly given: PartState | undefined
}

function partOf(node: FlowNode, place: Place): FlowPartView {
  const { path, parts } = place
  const known = place.given ?? knownState(place)
  const error = parts.ends.get(path)?.error
  const shared = { path, error: error === undefined ? null : `${error.name}: ${error.message}` }
  if (node.kind === 'step') {
    return {
      ...shared,
      kind: 'step',
      name: node.task,
      queue: node.queue,
      state: known ?? 'waiting',
      children: [],
      more: 0,
    }
  }
  const composite = parts.composites.get(path)
  // An `each` is a group once it has begun.
  const nodes = node.kind === 'each' ? (parts.nodes.get(path) ?? []) : node.nodes
  const kind = node.kind === 'chain' ? 'chain' : 'group'
  const current = kind === 'chain' ? currentOf(nodes.length, place) : undefined
  const children = nodes.slice(0, CHILDREN_SHOWN).map((child, i) => {
    const passed = current !== undefined && i < current ? 'succeeded' : undefined
    const given = known === 'succeeded' ? known : passed
    return partOf(child, { ...place, path: childPath(path, i), given })
  })
  const state = known ?? (composite === undefined ? 'waiting' : stateOf(children))
  const name = node.kind === 'each' ? `each ${node.step.task}` : kind
  return { ...shared, kind, name, queue: null, state, children, more: nodes.length - children.length }
}

function knownState({ path, parts, live, whole }: Place): PartState | undefined {
  if (path === '' && whole.state !== 'running') return whole.state
  if (whole.state === 'succeeded') return 'succeeded'
  const end = parts.ends.get(path)
  if (end !== undefined) return end.error === undefined ? 'succeeded' : 'failed'
  if (parts.held.has(path)) return 'failed'
  if (parts.stopped.has(path)) return whole.state === 'cancelled' ? 'cancelled' : 'failed'
  return live.get(path)
}

/** The child of a chain that has begun last. */
function currentOf(count: number, { path, parts, live }: Place): number | undefined {
  const begun = (child: string): boolean =>
    parts.composites.has(child) || parts.held.has(child) || live.has(child) || parts.stopped.has(child)
  for (let i = count - 1; i >= 0; i--) if (begun(childPath(path, i))) return i
  return undefined
}

function stateOf(children: readonly FlowPartView[]): PartState {
  if (children.some(({ state }) => state === 'failed')) return 'failed'
  if (children.length > 0 && children.every(({ state }) => state === 'succeeded')) return 'succeeded'
  return 'running'
}

function viewOf(id: string, { state, startedAtMs, endedAtMs, error, result }: FlowRecord): FlowView {
  return {
    id,
    state,
    startedAtMs,
    endedAtMs: endedAtMs ?? null,
    error: error === undefined ? null : { name: error.name, message: error.message },
    result: result === undefined ? null : JSON.stringify(result).slice(0, RESULT_SHOWN),
  }
}
