/**
 * A workflow as it is stored:
 *
 *   spindle/flows/ID              state, result or error
 *   spindle/flow/ID/n/PATH        a chain or group under way: how many children, its rules, what it got
 *   spindle/flow/ID/p/PATH/K      its children, PAGE_NODES a record
 *   spindle/flow/ID/r/PATH/INDEX  what a child of a group came to
 *   spindle/flow/ID/c/PATH        how many of them have come to something (a counter)
 *   spindle/flow/ID/x/PATH        nothing below PATH begins any more
 *   spindle/flow/ID/f/PATH        a step that failed or was held up: what to start when the workflow is retried
 *
 * A PATH is the child indexes from the root, eight digits each, joined by `.`: the root's is ''. A child added by a step
 * has that step's index with an `a` before it and a number behind it, so it sorts after all first children.
 */
import type { MessageId, NewMessage } from '../../model/message.ts'
import type { TaskError } from '../types.ts'
import type { FailurePolicy, FlowNode } from './flow.ts'

export const PAGE_NODES = 32
const FLOWS_PREFIX = 'spindle/flows/'

export function flowKey(id: string): string {
  return `${FLOWS_PREFIX}${id}`
}

export function partsPrefix(id: string): string {
  return `spindle/flow/${id}/`
}

export type PartKind = 'n' | 'p' | 'r' | 'c' | 'x' | 'f'

export function partKey(id: string, kind: PartKind, path: string): string {
  return `${partsPrefix(id)}${kind}/${path}`
}

export function childPath(parent: string, index: number | string): string {
  const name = typeof index === 'number' ? String(index).padStart(8, '0') : index
  return parent === '' ? name : `${parent}.${name}`
}

export function addedIndex(adder: string, number: number): string {
  return `a${adder}-${String(number).padStart(4, '0')}`
}

/** undefined for the root. `index`: NaN for a child that a step added. */
export function parentOf(
  path: string,
): { readonly parent: string; readonly name: string; readonly index: number } | undefined {
  if (path === '') return undefined
  const at = path.lastIndexOf('.')
  const name = path.slice(at + 1)
  return { parent: at < 0 ? '' : path.slice(0, at), name, index: /^\d{8}$/.test(name) ? Number(name) : Number.NaN }
}

/** The path itself and all above it, the root last. */
export function selfAndAbove(path: string): string[] {
  const paths = [path]
  for (let up = parentOf(path); up !== undefined; up = parentOf(up.parent)) paths.push(up.parent)
  return paths
}

export interface FlowRecord {
  readonly state: 'running' | 'succeeded' | 'failed' | 'cancelled'
  readonly startedAtMs: number
  readonly endedAtMs?: number
  readonly result?: unknown
  readonly error?: TaskError
  /** The whole of it where it is a single step; otherwise its parts are at the root's path. */
  readonly root?: FlowNode
}

export type CompositeRecord =
  | { readonly kind: 'chain'; readonly count: number }
  | {
      readonly kind: 'group'
      readonly count: number
      readonly failure: FailurePolicy
      readonly concurrency: number
      /** What children without an input of their own get. */
      readonly input?: unknown
    }

/** What a child of a group came to. */
export interface ChildRecord {
  readonly result?: unknown
  readonly error?: TaskError
}

/** Why nothing below it begins; `counted`: the group that has counted it as come to its end. */
export interface StopRecord {
  readonly counted?: string
}

export type HeldRecord = {
  readonly counted?: string
} & (
  | { readonly kind: 'dead'; readonly id: MessageId; readonly queue: string }
  | { readonly kind: 'message'; readonly queue: string; readonly message: StoredMessage }
  | { readonly kind: 'start'; readonly node: FlowNode; readonly input?: unknown }
)

/** A message in JSON: its content in base64. */
export interface StoredMessage {
  readonly head: string
  readonly body: string
  readonly priority: number
  readonly group?: string
}

export function storedMessage(message: {
  readonly content: NewMessage['content']
  readonly priority: number
  readonly groupId: string | undefined
}): StoredMessage {
  const { content, priority, groupId } = message
  return {
    head: Buffer.from(content.head).toString('base64'),
    body: Buffer.from(content.body).toString('base64'),
    priority,
    ...(groupId === undefined ? {} : { group: groupId }),
  }
}

export function newMessage({ head, body, priority, group }: StoredMessage): NewMessage {
  const content = { head: Buffer.from(head, 'base64'), body: Buffer.from(body, 'base64') }
  return { content, priority, ...(group === undefined ? {} : { groupId: group }) }
}

export function encode(record: object): Uint8Array {
  return Buffer.from(JSON.stringify(record))
}

/** What Spindle wrote itself; a record that is none is a fault of the store. */
export function decode<T>(value: Uint8Array): T {
  return JSON.parse(Buffer.from(value).toString('utf8')) as T
}
