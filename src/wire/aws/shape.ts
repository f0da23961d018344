/**
 * What an action takes and answers, as data. The JSON reader checks against it; the Query protocol, whose forms and XML
 * say nothing of types, is read and written by it. SQS flattens its lists and maps, SNS does not.
 *
 *                     SQS (flat)                          SNS
 *   list    in        AttributeName.1=All                 TagKeys.member.1=a
 *           out       <QueueUrl>…</QueueUrl> repeated     <Topics><member>…</member></Topics>
 *   map     in        Attribute.1.Name=…&Attribute.1.Value=…   Attributes.entry.1.key=…&Attributes.entry.1.value=…
 *           out       <Attribute><Name/><Value/></Attribute>   <Attributes><entry><key/><value/></entry></Attributes>
 */
export type Shape = ScalarShape | StructureShape | ListShape | MapShape

/** `blob` is base64 text in both protocols and stays so. */
export interface ScalarShape {
  readonly kind: 'string' | 'integer' | 'boolean' | 'blob'
}

export interface StructureShape {
  readonly kind: 'structure'
  /** In the order in which XML shows them. */
  readonly members: Readonly<Record<string, Shape>>
  /** The same, for the JSON reader, which looks up every member of every entry of a batch. */
  readonly byName: ReadonlyMap<string, Shape>
}

export interface ListShape {
  readonly kind: 'list'
  readonly of: Shape
  /** Flat: the name of each item on the wire. Absent: not flattened, items are `member`. */
  readonly flat?: string
}

export interface MapShape {
  readonly kind: 'map'
  readonly of: Shape
  /** Flat: the name of each entry on the wire. Absent: not flattened, entries are `entry`. */
  readonly flat?: string
  readonly key: string
  readonly value: string
}

export interface ActionShape {
  readonly input: StructureShape
  /** undefined: the XML answer has no Result element. */
  readonly output: StructureShape | undefined
}

export const string: ScalarShape = { kind: 'string' }
export const integer: ScalarShape = { kind: 'integer' }
export const boolean: ScalarShape = { kind: 'boolean' }
export const blob: ScalarShape = { kind: 'blob' }

export function structure(members: Readonly<Record<string, Shape>>): StructureShape {
  return { kind: 'structure', members, byName: new Map(Object.entries(members)) }
}

export function list(of: Shape, flat?: string): ListShape {
  return flat === undefined ? { kind: 'list', of } : { kind: 'list', of, flat }
}

/** Default names of SNS's forms and XML: `entry`, `key`, `value`. */
export function map(
  of: Shape,
  names: { readonly flat?: string; readonly key?: string; readonly value?: string } = {},
): MapShape {
  const { flat, key = 'key', value = 'value' } = names
  return { kind: 'map', of, key, value, ...(flat === undefined ? {} : { flat }) }
}

/**
 * Parameters as actions see them, whatever protocol they came in: objects, arrays, strings, numbers, booleans. Only own members
 * count: a map that a client filled may have entries named `__proto__` or `constructor`, so read it by its entries.
 */
export type Params = Readonly<Record<string, unknown>>
