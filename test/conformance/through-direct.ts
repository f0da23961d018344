import type { AppendOp, Engine, Op, SettleOp } from '../../src/engine/engine.ts'

/** The engine, with every commit of one append or settle, and every lease, made by way of `direct`. */
export function throughDirect(engine: Engine): Engine {
  const { direct } = engine
  if (direct === undefined) throw new Error('this engine has no direct verbs')
  const commit: Engine['commit'] = async (units, options) => {
    const [unit] = units
    const [op] = unit?.ops ?? []
    const single = units.length === 1 && unit?.ops.length === 1 && unit.relaxed === undefined && options === undefined
    if (!single || !isDirect(op)) return engine.commit(units, options)
    const outcome = direct.apply(op)
    return outcome === undefined ? engine.commit(units) : direct.kept([[outcome]])
  }
  const lease: Engine['lease'] = async (request) => direct.kept(direct.lease(request))
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
