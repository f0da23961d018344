/** One workflow under way: where it stands, how it ended, and ways to stop, repeat or forget it. */
import type { Port, SimpleStep, Step, StoredRecord } from '../../client/port.ts'
import { isFault, SpindleError } from '../../model/errors.ts'
import type { Delivery, MessageId } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import { Changes } from '../changes.ts'
import { rebuildError } from '../task-error.ts'
import type { FlowNode } from './flow.ts'
import {
  type CompositeRecord,
  decode,
  encode,
  type FlowRecord,
  flowKey,
  type HeldRecord,
  newMessage,
  partKey,
  type StopRecord,
} from './flow-records.ts'
import { FLOW_STOP_CHANNEL, flowChannel, removeParts } from './flow-task.ts'
import type { Progression } from './progression.ts'
import type { FlowRun, FlowStatus } from './types.ts'

const RESULT_BEAT_MS = 1_000
const PAGE = 500
const LEASE_MS = 30_000
const TURNS_MAX = 10

export interface FlowRunParts {
  readonly port: Port
  readonly clock: Clock
  readonly progression: Progression
  /** Waits under way; whoever closes the client ends them. */
  readonly waits: Set<Changes>
  /** Starts one from what was stored. */
  readonly startAgain: (node: FlowNode) => Promise<string>
}

export class StoredFlowRun<Output> implements FlowRun<Output> {
  readonly id: string
  readonly #parts: FlowRunParts

  constructor(parts: FlowRunParts, id: string) {
    this.id = id
    this.#parts = parts
  }

  async status(): Promise<FlowStatus<Output>> {
    const { record } = await this.#read('look at')
    const { id } = this
    const { state, startedAtMs, endedAtMs = startedAtMs, error, result } = record
    switch (state) {
      case 'running':
        return { id, state, startedAtMs }
      case 'succeeded':
        // Whoever started it, or looked it up, said what it comes to.
        return { id, state, startedAtMs, endedAtMs, result: result as Output }
      case 'failed':
        return { id, state, startedAtMs, endedAtMs, error: error ?? { name: 'Error', message: 'unknown' } }
      case 'cancelled':
        return { id, state, startedAtMs, endedAtMs }
      default:
        return state satisfies never
    }
  }

  async result(options: { readonly timeoutMs?: number } = {}): Promise<Output> {
    const { port, clock, waits } = this.#parts
    const { timeoutMs = Number.POSITIVE_INFINITY } = options
    const deadlineMs = clock.monotonicMs() + timeoutMs
    const changes = new Changes({ port, clock, channels: [flowChannel(this.id)], beatMs: RESULT_BEAT_MS })
    waits.add(changes)
    try {
      for (;;) {
        const status = await this.status()
        if (status.state === 'succeeded') return status.result
        if (status.state === 'cancelled') throw new SpindleError('task-cancelled', `wait for workflow ${this.id}`)
        if (status.state === 'failed') {
          const { error } = status
          const attempted = `wait for workflow ${this.id} (${error.name}: ${error.message})`
          throw new SpindleError('task-failed', attempted, { cause: rebuildError(error) })
        }
        const leftMs = deadlineMs - clock.monotonicMs()
        if (leftMs <= 0) throw new SpindleError('timeout', `wait ${timeoutMs} ms for workflow ${this.id}`)
        await changes.next(leftMs)
      }
    } finally {
      changes.end()
      waits.delete(changes)
    }
  }

  async cancel(): Promise<boolean> {
    const { port, clock } = this.#parts
    return this.#raced(async () => {
      const { record, stored } = await this.#read('cancel')
      if (record.state !== 'running') return false
      const value = encode({ ...record, state: 'cancelled', endedAtMs: clock.wallMs() })
      await port.transact([
        { kind: 'record', key: flowKey(this.id), value, expect: stored.version },
        { kind: 'record', key: partKey(this.id, 'x', ''), value: encode({}) },
      ])
      port.announce(FLOW_STOP_CHANNEL, Buffer.from(JSON.stringify({ id: this.id, path: '' })))
      port.announce(flowChannel(this.id), new Uint8Array(0))
      return true
    })
  }

  async retry(): Promise<boolean> {
    const { port } = this.#parts
    const goesOn = await this.#raced(async () => {
      const { record, stored } = await this.#read('retry')
      if (record.state === 'succeeded') return false
      const stops = await this.#all<StopRecord>('x')
      // A retry that was cut short has left something behind; otherwise what runs is left alone.
      if (record.state === 'running') return stops.length === 0
      const { endedAtMs: _ended, error: _error, ...rest } = record
      await port.transact([
        { kind: 'record', key: flowKey(this.id), value: encode({ ...rest, state: 'running' }), expect: stored.version },
        ...stops.flatMap(({ key, value }): Step[] => [
          { kind: 'record', key, value: null },
          ...this.#uncounted(value.counted),
        ]),
      ])
      return true
    })
    if (!goesOn) return false
    const holds = await this.#all<HeldRecord>('f')
    for (const hold of holds) await this.#startAnew(hold)
    return holds.length > 0
  }

  async restart(): Promise<FlowRun<Output>> {
    const { record } = await this.#read('restart')
    const node = record.root ?? (await this.#composite(''))
    if (node === undefined) throw new SpindleError('not-found', `restart workflow ${this.id}, whose parts are gone`)
    return new StoredFlowRun<Output>(this.#parts, await this.#parts.startAgain(node))
  }

  async remove(): Promise<boolean> {
    const { port } = this.#parts
    const stored = await port.read(flowKey(this.id))
    if (stored === undefined || decode<FlowRecord>(stored.value).state === 'running') return false
    await port.transact([{ kind: 'record', key: flowKey(this.id), value: null, expect: stored.version }])
    await removeParts(this.id, port)
    return true
  }

  async #read(verb: string): Promise<{ readonly record: FlowRecord; readonly stored: StoredRecord }> {
    const stored = await this.#parts.port.read(flowKey(this.id))
    if (stored === undefined) throw new SpindleError('not-found', `${verb} workflow ${this.id}`)
    return { stored, record: decode<FlowRecord>(stored.value) }
  }

  /** Once more while somebody else changes it at the same moment. */
  async #raced(change: () => Promise<boolean>): Promise<boolean> {
    for (let turn = 0; ; turn++) {
      try {
        return await change()
      } catch (fault) {
        if (!isFault(fault, 'aborted') || turn === TURNS_MAX) throw fault
      }
    }
  }

  async #all<T>(kind: 'x' | 'f'): Promise<{ readonly key: string; readonly value: T; readonly version: number }[]> {
    const prefix = partKey(this.id, kind, '')
    const all: { key: string; value: T; version: number }[] = []
    for (;;) {
      const after = all.at(-1)?.key
      const page = await this.#parts.port.scan(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const { key, value, version } of page) all.push({ key, version, value: decode<T>(value) })
      if (page.length < PAGE) return all
    }
  }

  #uncounted(group: string | undefined): Step[] {
    if (group === undefined) return []
    const key = partKey(this.id, 'c', group)
    return [{ kind: 'count', key, by: -1, at: Number.MAX_SAFE_INTEGER, whenReached: [] }]
  }

  /** One held-up step, in a unit of its own: a retry that is cut short goes on with the next one. */
  async #startAnew(hold: {
    readonly key: string
    readonly value: HeldRecord
    readonly version: number
  }): Promise<void> {
    const { key, value, version } = hold
    const steps = await this.#stepsOf(value, key.slice(partKey(this.id, 'f', '').length))
    await this.#parts.port.transact([
      { kind: 'record', key, value: null, expect: version },
      ...this.#uncounted(value.counted),
      ...steps,
    ])
  }

  async #stepsOf(value: HeldRecord, path: string): Promise<Step[]> {
    switch (value.kind) {
      case 'message':
        return [{ kind: 'append', queue: value.queue, message: newMessage(value.message) }]
      case 'start':
        return this.#parts.progression.start(
          { id: this.id, path },
          value.node,
          'input' in value ? { input: value.input } : {},
        )
      case 'dead': {
        const delivery = await this.#takeDead(value.id)
        // Somebody retried that one by hand.
        if (delivery === undefined) return []
        const { id, receipt, content, priority, groupId, history } = delivery
        const message = { id, content, priority, history, ...(groupId === undefined ? {} : { groupId }) }
        const settle: SimpleStep = { kind: 'settle', receipt, how: { kind: 'ack' }, id }
        return [settle, { kind: 'append', queue: value.queue, message }]
      }
      default:
        return value satisfies never
    }
  }

  /** In its own queue it is held as dead; in a dead-letter queue it waits like any other. */
  async #takeDead(id: MessageId): Promise<Delivery | undefined> {
    const { port } = this.#parts
    const view = await port.find(id)
    if (view === undefined || view.state === 'leased' || view.state === 'done') return undefined
    const from = view.state === 'dead' ? ({ kind: 'dead', ids: [id] } as const) : ({ kind: 'ids', ids: [id] } as const)
    const lease = { kind: 'clock', leaseMs: LEASE_MS } as const
    const [delivery] = await port.receive({ queue: view.queue, max: 1, lease, from })
    return delivery
  }

  /** The parts as they were declared, put together again. */
  async #composite(path: string): Promise<FlowNode | undefined> {
    const { port } = this.#parts
    const stored = await port.read(partKey(this.id, 'n', path))
    if (stored === undefined) return undefined
    const record = decode<CompositeRecord>(stored.value)
    const nodes: FlowNode[] = []
    for (let after: string | undefined; nodes.length < record.count; ) {
      const prefix = `${partKey(this.id, 'p', path)}/`
      const pages = await port.scan(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      if (pages.length === 0) return undefined
      for (const page of pages) nodes.push(...decode<FlowNode[]>(page.value))
      after = pages.at(-1)?.key
    }
    if (record.kind === 'chain') return { kind: 'chain', nodes }
    const { failure, concurrency } = record
    return { kind: 'group', nodes, failure, concurrency }
  }
}
