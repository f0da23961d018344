/**
 * Every method of AMQP 0-9-1 with RabbitMQ's extensions (exchange.bind, basic.nack, confirm, connection.blocked, update-secret),
 * in the order of the specification's XML: class 10 connection, 20 channel, 30 access, 40 exchange, 50 queue, 60 basic,
 * 85 confirm, 90 tx. Fields stand in wire order; consecutive bits share octets, lowest bit first (section 4.2.5.2).
 */
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { type FieldTable, readTable, writeTable } from './field-table.ts'
import { WireError } from './protocol.ts'

type FieldType = 'octet' | 'short' | 'long' | 'longlong' | 'shortstr' | 'longstr' | 'bit' | 'table'

interface MethodSpec {
  readonly id: readonly [classId: number, methodId: number]
  readonly fields: Readonly<Record<string, FieldType>>
}

const CLOSE = { replyCode: 'short', replyText: 'shortstr', classId: 'short', methodId: 'short' } as const
const TUNE = { channelMax: 'short', frameMax: 'long', heartbeat: 'short' } as const
const EXCHANGE_BINDING = {
  ticket: 'short',
  destination: 'shortstr',
  source: 'shortstr',
  routingKey: 'shortstr',
  noWait: 'bit',
  arguments: 'table',
} as const

const methods = {
  'connection.start': {
    id: [10, 10],
    fields: {
      versionMajor: 'octet',
      versionMinor: 'octet',
      serverProperties: 'table',
      mechanisms: 'longstr',
      locales: 'longstr',
    },
  },
  'connection.start-ok': {
    id: [10, 11],
    fields: { clientProperties: 'table', mechanism: 'shortstr', response: 'longstr', locale: 'shortstr' },
  },
  'connection.secure': { id: [10, 20], fields: { challenge: 'longstr' } },
  'connection.secure-ok': { id: [10, 21], fields: { response: 'longstr' } },
  'connection.tune': { id: [10, 30], fields: TUNE },
  'connection.tune-ok': { id: [10, 31], fields: TUNE },
  'connection.open': { id: [10, 40], fields: { virtualHost: 'shortstr', reserved1: 'shortstr', reserved2: 'bit' } },
  'connection.open-ok': { id: [10, 41], fields: { reserved1: 'shortstr' } },
  'connection.close': { id: [10, 50], fields: CLOSE },
  'connection.close-ok': { id: [10, 51], fields: {} },
  'connection.blocked': { id: [10, 60], fields: { reason: 'shortstr' } },
  'connection.unblocked': { id: [10, 61], fields: {} },
  'connection.update-secret': { id: [10, 70], fields: { newSecret: 'longstr', reason: 'shortstr' } },
  'connection.update-secret-ok': { id: [10, 71], fields: {} },
  'channel.open': { id: [20, 10], fields: { reserved1: 'shortstr' } },
  'channel.open-ok': { id: [20, 11], fields: { reserved1: 'longstr' } },
  'channel.flow': { id: [20, 20], fields: { active: 'bit' } },
  'channel.flow-ok': { id: [20, 21], fields: { active: 'bit' } },
  'channel.close': { id: [20, 40], fields: CLOSE },
  'channel.close-ok': { id: [20, 41], fields: {} },
  'access.request': {
    id: [30, 10],
    fields: { realm: 'shortstr', exclusive: 'bit', passive: 'bit', active: 'bit', write: 'bit', read: 'bit' },
  },
  'access.request-ok': { id: [30, 11], fields: { ticket: 'short' } },
  'exchange.declare': {
    id: [40, 10],
    fields: {
      ticket: 'short',
      exchange: 'shortstr',
      type: 'shortstr',
      passive: 'bit',
      durable: 'bit',
      autoDelete: 'bit',
      internal: 'bit',
      noWait: 'bit',
      arguments: 'table',
    },
  },
  'exchange.declare-ok': { id: [40, 11], fields: {} },
  'exchange.delete': {
    id: [40, 20],
    fields: { ticket: 'short', exchange: 'shortstr', ifUnused: 'bit', noWait: 'bit' },
  },
  'exchange.delete-ok': { id: [40, 21], fields: {} },
  'exchange.bind': { id: [40, 30], fields: EXCHANGE_BINDING },
  'exchange.bind-ok': { id: [40, 31], fields: {} },
  'exchange.unbind': { id: [40, 40], fields: EXCHANGE_BINDING },
  'exchange.unbind-ok': { id: [40, 51], fields: {} },
  'queue.declare': {
    id: [50, 10],
    fields: {
      ticket: 'short',
      queue: 'shortstr',
      passive: 'bit',
      durable: 'bit',
      exclusive: 'bit',
      autoDelete: 'bit',
      noWait: 'bit',
      arguments: 'table',
    },
  },
  'queue.declare-ok': { id: [50, 11], fields: { queue: 'shortstr', messageCount: 'long', consumerCount: 'long' } },
  'queue.bind': {
    id: [50, 20],
    fields: {
      ticket: 'short',
      queue: 'shortstr',
      exchange: 'shortstr',
      routingKey: 'shortstr',
      noWait: 'bit',
      arguments: 'table',
    },
  },
  'queue.bind-ok': { id: [50, 21], fields: {} },
  'queue.purge': { id: [50, 30], fields: { ticket: 'short', queue: 'shortstr', noWait: 'bit' } },
  'queue.purge-ok': { id: [50, 31], fields: { messageCount: 'long' } },
  'queue.delete': {
    id: [50, 40],
    fields: { ticket: 'short', queue: 'shortstr', ifUnused: 'bit', ifEmpty: 'bit', noWait: 'bit' },
  },
  'queue.delete-ok': { id: [50, 41], fields: { messageCount: 'long' } },
  'queue.unbind': {
    id: [50, 50],
    fields: { ticket: 'short', queue: 'shortstr', exchange: 'shortstr', routingKey: 'shortstr', arguments: 'table' },
  },
  'queue.unbind-ok': { id: [50, 51], fields: {} },
  'basic.qos': { id: [60, 10], fields: { prefetchSize: 'long', prefetchCount: 'short', global: 'bit' } },
  'basic.qos-ok': { id: [60, 11], fields: {} },
  'basic.consume': {
    id: [60, 20],
    fields: {
      ticket: 'short',
      queue: 'shortstr',
      consumerTag: 'shortstr',
      noLocal: 'bit',
      noAck: 'bit',
      exclusive: 'bit',
      noWait: 'bit',
      arguments: 'table',
    },
  },
  'basic.consume-ok': { id: [60, 21], fields: { consumerTag: 'shortstr' } },
  'basic.cancel': { id: [60, 30], fields: { consumerTag: 'shortstr', noWait: 'bit' } },
  'basic.cancel-ok': { id: [60, 31], fields: { consumerTag: 'shortstr' } },
  'basic.publish': {
    id: [60, 40],
    fields: { ticket: 'short', exchange: 'shortstr', routingKey: 'shortstr', mandatory: 'bit', immediate: 'bit' },
  },
  'basic.return': {
    id: [60, 50],
    fields: { replyCode: 'short', replyText: 'shortstr', exchange: 'shortstr', routingKey: 'shortstr' },
  },
  'basic.deliver': {
    id: [60, 60],
    fields: {
      consumerTag: 'shortstr',
      deliveryTag: 'longlong',
      redelivered: 'bit',
      exchange: 'shortstr',
      routingKey: 'shortstr',
    },
  },
  'basic.get': { id: [60, 70], fields: { ticket: 'short', queue: 'shortstr', noAck: 'bit' } },
  'basic.get-ok': {
    id: [60, 71],
    fields: {
      deliveryTag: 'longlong',
      redelivered: 'bit',
      exchange: 'shortstr',
      routingKey: 'shortstr',
      messageCount: 'long',
    },
  },
  'basic.get-empty': { id: [60, 72], fields: { reserved1: 'shortstr' } },
  'basic.ack': { id: [60, 80], fields: { deliveryTag: 'longlong', multiple: 'bit' } },
  'basic.reject': { id: [60, 90], fields: { deliveryTag: 'longlong', requeue: 'bit' } },
  'basic.recover-async': { id: [60, 100], fields: { requeue: 'bit' } },
  'basic.recover': { id: [60, 110], fields: { requeue: 'bit' } },
  'basic.recover-ok': { id: [60, 111], fields: {} },
  'basic.nack': { id: [60, 120], fields: { deliveryTag: 'longlong', multiple: 'bit', requeue: 'bit' } },
  'confirm.select': { id: [85, 10], fields: { noWait: 'bit' } },
  'confirm.select-ok': { id: [85, 11], fields: {} },
  'tx.select': { id: [90, 10], fields: {} },
  'tx.select-ok': { id: [90, 11], fields: {} },
  'tx.commit': { id: [90, 20], fields: {} },
  'tx.commit-ok': { id: [90, 21], fields: {} },
  'tx.rollback': { id: [90, 30], fields: {} },
  'tx.rollback-ok': { id: [90, 31], fields: {} },
} as const satisfies Record<string, MethodSpec>

interface FieldTypes {
  octet: number
  short: number
  long: number
  longlong: number
  shortstr: string
  longstr: string | Uint8Array
  bit: boolean
  table: FieldTable
}

export type MethodName = keyof typeof methods
type FieldsOf<Name extends MethodName> = (typeof methods)[Name]['fields']
export type Arguments<Name extends MethodName> = {
  readonly [Field in keyof FieldsOf<Name>]: FieldsOf<Name>[Field] extends FieldType
    ? FieldTypes[FieldsOf<Name>[Field]]
    : never
}
/** A union over all methods: `name` says which `args` it has. Long strings are read as bytes. */
export type Method = {
  readonly [Name in MethodName]: { readonly name: Name; readonly args: Arguments<Name> }
}[MethodName]

const byId = new Map<number, MethodName>(
  Object.entries(methods).map(([name, { id }]) => [key(id[0], id[1]), name as MethodName]),
)
const fieldLists = new Map<string, readonly (readonly [string, FieldType])[]>(
  Object.entries(methods).map(([name, { fields }]) => [name, Object.entries(fields) as [string, FieldType][]]),
)

function key(classId: number, methodId: number): number {
  return classId * 65_536 + methodId
}

export function methodId(name: MethodName): readonly [classId: number, methodId: number] {
  return methods[name].id
}

/** The payload of a method frame. Throws `WireError`: 540 for an unknown method, 502 for arguments that do not fit it. */
export function readMethod(bytes: Buffer, at: number, end: number): Method {
  const reader = new ByteReader(bytes, at, end)
  const classId = reader.u16()
  const id = reader.u16()
  const name = byId.get(key(classId, id))
  if (name === undefined) throw new WireError(540, `there is no method ${id} of class ${classId}`)
  const args: Record<string, unknown> = Object.create(null)
  let bits = 0
  let bit = 8
  for (const [field, type] of fieldLists.get(name) ?? []) {
    if (type === 'bit') {
      if (bit === 8) {
        bits = reader.u8()
        bit = 0
      }
      args[field] = ((bits >> bit++) & 1) === 1
    } else {
      bit = 8
      args[field] = readField(reader, type)
    }
  }
  if (reader.left > 0) throw new WireError(502, `${name} has ${reader.left} bytes too many`)
  return { name, args } as unknown as Method
}

function readField(reader: ByteReader, type: Exclude<FieldType, 'bit'>): unknown {
  switch (type) {
    case 'octet':
      return reader.u8()
    case 'short':
      return reader.u16()
    case 'long':
      return reader.u32()
    case 'longlong':
      return reader.tag()
    case 'shortstr':
      return reader.shortstr()
    case 'longstr':
      return reader.longstr()
    case 'table':
      return readTable(reader)
    default:
      return type satisfies never
  }
}

/** The payload of a method frame. Throws `WireError` 502 for a text that does not fit its field. */
export function writeMethod<Name extends MethodName>(name: Name, args: Arguments<Name>): Buffer {
  const writer = new ByteWriter()
  const [classId, id] = methods[name].id
  writer.u16(classId)
  writer.u16(id)
  let bits = 0
  let bit = 0
  const flushBits = (): void => {
    if (bit > 0) writer.u8(bits)
    bits = 0
    bit = 0
  }
  for (const [field, type] of fieldLists.get(name) ?? []) {
    const value = (args as Readonly<Record<string, unknown>>)[field]
    if (type !== 'bit') {
      flushBits()
      writeField(writer, type, value)
      continue
    }
    if (bit === 8) flushBits()
    bits |= (value === true ? 1 : 0) << bit++
  }
  flushBits()
  return writer.result()
}

function writeField(writer: ByteWriter, kind: Exclude<FieldType, 'bit'>, value: unknown): void {
  switch (kind) {
    case 'octet':
      writer.u8(value as number)
      break
    case 'short':
      writer.u16(value as number)
      break
    case 'long':
      writer.u32(value as number)
      break
    case 'longlong':
      writer.tag(value as number)
      break
    case 'shortstr':
      writer.shortstr(value as string)
      break
    case 'longstr':
      writer.longstr(value as string | Uint8Array)
      break
    case 'table':
      writeTable(writer, value as FieldTable)
      break
    default:
      kind satisfies never
  }
}
