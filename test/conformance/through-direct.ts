import type { AppendOp, Engine, Op, SettleOp } from '../../src/engine/engine.ts'
import type { Delivery } from '../../src/model/message.ts'

/** The engine, with every commit of one append or settle, and every lease, made by way of `direct`. */
export function throughDirect(engine: Engine): Engine {
  const { direct } = engine
  if (direct === undefined) throw new Error('this engine has no direct verbs')
  const commit: Engine['commit'] = async (units, options) => {
    const [unit] = units
    const [op] = unit?.ops ?? []
    const single = units.length === 1 && unit?.ops.length === 1 && unit.relaxed === undefined && options === undefined
    if (!single || !isDirect(op)) return engine.commit(units, options)
    const outcome = op.kind === 'append' ? direct.append(op) : direct.settle({ receipt: op.receipt }, op.how)
    return outcome === undefined ? engine.commit(units) : direct.kept([[outcome]])
  }
  const lease: Engine['lease'] = async (request) => direct.kept(direct.lease(request).map(told))
  return new Proxy(engine, {
    get(target, name) {
      if (name === 'commit') return commit
      if (name === 'lease') return lease
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function isDirect(op: Op | undefined): op is AppendOp | SettleOp {
  return op?.kind === 'append' || op?.kind === 'settle'
}

/** Everything a delivery says, as plain data. */
function told(delivery: Delivery): Delivery {
  const { id, receipt, state, kept, endedAtMs } = delivery
  const { queue, content, priority, sequence, groupId, dedupId, attempts, deliveries } = delivery
  const { enqueuedAtMs, dueAtMs, expiresAtMs, history, note, firstLeasedAtMs } = delivery
  return {
    ...{
      id,
      receipt,
      state,
      kept,
      endedAtMs,
      queue,
      content,
      priority,
      sequence,
      groupId,
      dedupId,
      attempts,
      deliveries,
    },
    ...{ enqueuedAtMs, dueAtMs, expiresAtMs, history, note, firstLeasedAtMs },
  }
}
