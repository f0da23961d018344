/** Runs the ops of one unit against the index. A unit with required ops is rehearsed first, so that it aborts without a trace. */
import type { NewMessage, SettleOutcome } from '../../model/message.ts'
import type { CountOp, DropQueueOp, Op, Outcome, PutQueueOp, RecordOp, Settlement, SettleOp, Unit } from '../engine.ts'
import { HOLDER_TTL_MS_DEFAULT } from '../engine.ts'
import { append } from './appends.ts'
import type { Core } from './core.ts'
import { decodeCount, encodeCount } from './counters.ts'
import { dropQueue } from './due.ts'
import { rowFor, settle } from './endings.ts'
import { NONE } from './index/slots.ts'
import { purge } from './purges.ts'
import type { ParsedReceipt } from './receipts.ts'
import { rehearse } from './rehearsal.ts'
import { forgetContents, touch, type UnitNotes } from './rows.ts'
import type { UnitTools } from './unit-tools.ts'

export function runUnit(tools: UnitTools, unit: Unit, notes: UnitNotes): Outcome[] {
  const [first] = unit.ops
  // One op alone leaves no trace when it fails.
  if (unit.ops.length === 1 && first !== undefined && first.kind !== 'count') return [runOp(tools, first, notes)]
  const required = unit.ops.some(isRequired)
  const failed = required ? rehearse(tools, unit, notes.diskFull) : undefined
  if (failed !== undefined) {
    return unit.ops.map((_, at) => (at === failed.at ? failed.outcome : { kind: 'aborted' }))
  }
  const only = unit.ops.length === 1 ? unit.ops[0] : undefined
  const outcomes = only === undefined ? unit.ops.map((op) => runOp(tools, op, notes)) : [runOp(tools, only, notes)]
  if (required) assertKept(unit, outcomes)
  return outcomes
}

/** A required op that failed after all would leave half a unit: better none, and a store that says so. */
function assertKept(unit: Unit, outcomes: readonly Outcome[]): void {
  for (const [at, op] of unit.ops.entries()) {
    const kind = outcomes[at]?.kind
    const failed = kind === 'stale' || kind === 'duplicate' || kind === 'refused' || kind === 'mismatch'
    if (failed && op.kind !== 'count' && isRequired(op)) throw new Error(`a rehearsed ${op.kind} turned out ${kind}`)
  }
}

export function isRequired(op: Op): boolean {
  return op.kind === 'count' ? op.whenReached.some(isRequired) : op.kind !== 'purge' && op.required === true
}

export function runOp(tools: UnitTools, op: Op, notes: UnitNotes): Outcome {
  const { core } = tools
  switch (op.kind) {
    case 'append':
      return append(core, op, notes)
    case 'settle':
      return runSettle(tools, op, notes)
    case 'record':
      return writeRecord(core, op)
    case 'count':
      return count(tools, op, notes)
    case 'putQueue':
      return putQueue(tools, op)
    case 'dropQueue':
      forgetContents(notes)
      return runDrop(core, op)
    case 'purge':
      forgetContents(notes)
      return purge(core, op)
    default:
      return op satisfies never
  }
}

function runSettle({ core, receipts }: UnitTools, op: SettleOp, notes: UnitNotes): Outcome {
  return settleBy(core, receipts.parse(op.receipt), op.how, notes)
}

export function settleBy(
  core: Core,
  receipt: ParsedReceipt | undefined,
  how: Settlement,
  notes: UnitNotes,
): SettleOutcome {
  const slot = rowFor(core, receipt, how.kind)
  if (slot === NONE) return STALE
  touch(core.index.queueOf(slot), notes)
  settle(core, slot, how, notes)
  return SETTLED
}

const STALE: SettleOutcome = Object.freeze({ kind: 'stale' })
export const SETTLED: SettleOutcome = Object.freeze({ kind: 'settled' })

function writeRecord(core: Core, op: RecordOp): Outcome {
  const before = core.records.get(op.key)?.version ?? 0
  if (op.expect !== undefined && op.expect !== before) return { kind: 'mismatch', version: before }
  return { kind: 'written', version: setRecord(core, op.key, op.value, before) }
}

function setRecord(core: Core, key: string, value: Uint8Array | null, before: number): number {
  if (value === null) {
    if (before === 0) return 0
    core.ledger.scribe.record(key, 0, null)
    core.records.delete(key)
    return 0
  }
  core.ledger.scribe.record(key, before + 1, value)
  core.records.set(key, { value: value.slice(), version: before + 1 })
  return before + 1
}

function count(tools: UnitTools, op: CountOp, notes: UnitNotes): Outcome {
  const { core } = tools
  const record = core.records.get(op.key)
  const value = (record === undefined ? 0 : decodeCount(record.value)) + op.by
  if (value < op.at) {
    setRecord(core, op.key, encodeCount(value), record?.version ?? 0)
    return { kind: 'counted', value, fired: false }
  }
  setRecord(core, op.key, null, record?.version ?? 0)
  for (const reached of op.whenReached) runOp(tools, reached, notes)
  return { kind: 'counted', value, fired: true }
}

function putQueue({ core, idle }: UnitTools, op: PutQueueOp): Outcome {
  const before = core.byName.get(op.queue)
  if (op.expect === 'absent' && before !== undefined) return { kind: 'mismatch', version: 1 }
  const lifetime = op.lifetime ?? { kind: 'durable' }
  const id = before?.id ?? core.nextQueueId()
  core.ledger.scribe.putQueue(id, { name: op.queue, policy: op.policy, lifetime })
  if (before === undefined) core.addQueue(id, op.queue, op.policy, lifetime)
  else {
    core.govern(before, op.policy)
    before.lifetime = lifetime
    before.usedAtMs = core.nowMs
    if (op.policy.groups.kind !== 'sticky') for (const group of before.groups.groups()) group.claim = undefined
    core.hint(before)
  }
  if (lifetime.kind === 'idle') idle.firstMs = Math.min(idle.firstMs, core.nowMs + lifetime.idleMs)
  if (lifetime.kind === 'holder') core.holders.meet(lifetime.holder, core.nowMs + HOLDER_TTL_MS_DEFAULT)
  return DONE
}

const DONE: Outcome = Object.freeze({ kind: 'done' })

function runDrop(core: Core, op: DropQueueOp): Outcome {
  const queue = core.byName.get(op.queue)
  if (queue === undefined) return { kind: 'missing' }
  if (op.ifEmpty === true && queue.waiting > 0) return { kind: 'mismatch', version: 1 }
  dropQueue(core, queue)
  return DONE
}

/** What a record needs besides contents and names: far more than the fields of any op, deaths that it causes included. */
const OP_BYTES = 4_096
/** An ack, but for what it keeps. */
const ACK_BYTES = 64

/** Does the unit need room that a full disk would refuse? */
export function appends(unit: Unit): boolean {
  return unit.ops.some((op) => op.kind === 'append' || (op.kind === 'count' && appends({ ops: op.whenReached })))
}

/** An upper bound of the record's bytes, but for the numbers that a purge lists. */
export function recordBytesOf(unit: Unit): number {
  let bytes = 0
  for (const op of unit.ops) {
    if (op.kind === 'append') bytes += appendBytesOf(op.message)
    else if (op.kind === 'count') bytes += OP_BYTES + recordBytesOf({ ops: op.whenReached })
    else {
      bytes += op.kind === 'settle' ? settleBytesOf(op.how) : OP_BYTES
      if (op.kind === 'record') bytes += (op.value?.length ?? 0) + op.key.length * 3
    }
  }
  return bytes
}

export function settleBytesOf(how: Settlement): number {
  return how.kind === 'ack' ? ACK_BYTES + (how.keep?.length ?? 0) : OP_BYTES + (how.note?.length ?? 0)
}

export function appendBytesOf({ content, groupId, dedupId, history }: NewMessage): number {
  let bytes = OP_BYTES + content.body.length + content.head.length
  if (groupId !== undefined || dedupId !== undefined) bytes += 2_048
  if (history !== undefined) bytes += 1_024 * history.length
  return bytes
}
