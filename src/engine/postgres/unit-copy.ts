/** A unit with bytes of its own: what is stored is what the caller gave, whatever becomes of the arrays before the transaction runs. */
import type { Content } from '../../model/message.ts'
import type { Op, SettleOp, SimpleOp, Unit } from '../engine.ts'

export function ownCopy(unit: Unit): Unit {
  const [first] = unit.ops
  // Nearly all units: nothing to copy, or one content.
  if (unit.ops.every(hasNoBytes)) return unit
  if (unit.ops.length === 1 && first?.kind === 'append') {
    return { ...unit, ops: [{ ...first, message: { ...first.message, content: contentCopy(first.message.content) } }] }
  }
  const contents = new Map<Content, Content>()
  const copyOf = (content: Content): Content => {
    const copy = contents.get(content) ?? contentCopy(content)
    contents.set(content, copy)
    return copy
  }
  const simple = (op: SimpleOp): SimpleOp => {
    switch (op.kind) {
      case 'append':
        return { ...op, message: { ...op.message, content: copyOf(op.message.content) } }
      case 'settle':
        return { ...op, how: settlement(op.how) }
      case 'record':
        return { ...op, value: op.value?.slice() ?? null }
      case 'putQueue':
      case 'dropQueue':
      case 'purge':
        return op
      default:
        return op satisfies never
    }
  }
  const copy = (op: Op): Op => (op.kind === 'count' ? { ...op, whenReached: op.whenReached.map(simple) } : simple(op))
  return { ...unit, ops: unit.ops.map(copy) }
}

function hasNoBytes(op: Op): boolean {
  return op.kind === 'settle' && op.how.kind === 'ack' && op.how.keep === undefined
}

/** Small ones share memory (`Buffer.from`), where an array of its own would cost more than its bytes. */
function contentCopy({ body, head }: Content): Content {
  return { body: Buffer.from(body), head: Buffer.from(head) }
}

function settlement(how: SettleOp['how']): SettleOp['how'] {
  if (how.kind === 'ack') return how.keep === undefined ? how : { ...how, keep: how.keep.slice() }
  return how.note === undefined ? how : { ...how, note: how.note.slice() }
}
