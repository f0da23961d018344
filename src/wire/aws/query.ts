/** The Query protocol's fields, read into the parameters that the JSON protocol would have brought. */
import { AwsError, malformedQuery } from './error.ts'
import type { FormField } from './form.ts'
import type { ListShape, MapShape, Params, Shape, StructureShape } from './shape.ts'

/** `PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Value.DataType` is the deepest real one, with eight. */
const DEPTH_MAX = 10
const INDEX = /^[1-9][0-9]{0,5}$/

/** One dotted name: its own value, and those that go on from it. Maps, so that no name is special. */
interface Node {
  value: string | undefined
  readonly parts: Map<string, Node>
}

/** Fields that the shape does not name are dropped. Throws `MalformedQueryString`, or `InvalidParameterValue` for a number that is none. */
export function readQuery(fields: readonly FormField[], shape: StructureShape): Params {
  const root: Node = { value: undefined, parts: new Map() }
  for (const [name, value] of fields) place(root, name, value)
  return readStructure(root, shape, '')
}

function place(root: Node, name: string, value: string): void {
  const parts = name.split('.', DEPTH_MAX + 1)
  if (parts.length > DEPTH_MAX) throw malformedQuery('The request has a field whose name is too deep.')
  let node = root
  for (const part of parts) {
    let next = node.parts.get(part)
    if (next === undefined) {
      next = { value: undefined, parts: new Map() }
      node.parts.set(part, next)
    }
    node = next
  }
  node.value = value
}

function readStructure(node: Node, { members }: StructureShape, path: string): Params {
  const params = Object.create(null) as Record<string, unknown>
  for (const name in members) {
    const shape = members[name] as Shape
    const wireName = (shape.kind === 'list' || shape.kind === 'map' ? shape.flat : undefined) ?? name
    const part = node.parts.get(wireName)
    if (part === undefined) continue
    const value = readValue(part, shape, path === '' ? wireName : `${path}.${wireName}`)
    if (value !== undefined) params[name] = value
  }
  return params
}

function readValue(node: Node, shape: Shape, path: string): unknown {
  switch (shape.kind) {
    case 'string':
    case 'blob':
      return node.value
    case 'integer':
      return node.value === undefined ? undefined : readInteger(node.value, path)
    case 'boolean':
      return node.value === undefined ? undefined : readBoolean(node.value, path)
    case 'structure':
      return readStructure(node, shape, path)
    case 'list':
      return readList(node, shape, path)
    case 'map':
      return readMap(node, shape, path)
    default:
      return shape satisfies never
  }
}

function readList(node: Node, { of, flat }: ListShape, path: string): unknown[] {
  const items: unknown[] = []
  for (const item of numbered(node, flat === undefined ? 'member' : undefined)) {
    const value = readValue(item, of, path)
    if (value !== undefined) items.push(value)
  }
  return items
}

function readMap(node: Node, { of, flat, key, value }: MapShape, path: string): Params {
  const entries = Object.create(null) as Record<string, unknown>
  for (const entry of numbered(node, flat === undefined ? 'entry' : undefined)) {
    const name = entry.parts.get(key)?.value
    if (name === undefined) throw malformedQuery(`An entry of ${path} has no ${key}.`)
    const part = entry.parts.get(value)
    // An entry without a value is one whose value is empty: forms of old clients leave it out.
    entries[name] = part === undefined ? emptyOf(of) : readValue(part, of, path)
  }
  return entries
}

function emptyOf(shape: Shape): unknown {
  return shape.kind === 'structure' ? Object.create(null) : ''
}

/** Items by their number; `TagKeys=` (an empty list) has none. */
function numbered(node: Node, within: string | undefined): Node[] {
  const holder = within === undefined ? node : node.parts.get(within)
  if (holder === undefined) return []
  const found: { readonly at: number; readonly item: Node }[] = []
  for (const [name, item] of holder.parts) {
    if (!INDEX.test(name)) throw malformedQuery('The request has a list whose items are not numbered from 1.')
    found.push({ at: Number(name), item })
  }
  return found.sort((a, b) => a.at - b.at).map(({ item }) => item)
}

function readInteger(text: string, path: string): number {
  const value = Number(text)
  if (!/^[+-]?[0-9]{1,15}$/.test(text)) throw invalidValue(text, path, 'Must be an integer.')
  return value
}

function readBoolean(text: string, path: string): boolean {
  const lower = text.toLowerCase()
  if (lower !== 'true' && lower !== 'false') throw invalidValue(text, path, 'Must be true or false.')
  return lower === 'true'
}

function invalidValue(text: string, path: string, reason: string): AwsError {
  return new AwsError({
    type: 'InvalidParameterValueException',
    code: 'InvalidParameterValue',
    message: `Value ${text.slice(0, 100)} for parameter ${path} is invalid. Reason: ${reason}`,
  })
}
