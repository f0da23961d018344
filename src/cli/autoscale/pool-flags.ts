/** `--queue mail=2..10@1s reports`: which pools there are, each with its own bounds and target. */
import type { PoolSettings } from '../../autoscale/policy.ts'
import { duration } from '../options.ts'
import { UsageError } from '../usage.ts'

export interface PoolChoice {
  readonly queue: string
  readonly settings: PoolSettings
}

const WORKERS_MAX = 10_000

/**
 * `known`: the queues of the files, undefined where the names are taken as they stand. A flag that is the name of a known queue is that
 * name, whatever is in it. Throws `UsageError`.
 */
export function choosePools(
  flags: readonly string[] | undefined,
  known: readonly string[] | undefined,
  defaults: PoolSettings,
): PoolChoice[] {
  const pools = new Map<string, PoolChoice>()
  for (const flag of flags ?? known ?? []) {
    const pool = known?.includes(flag) === true ? { queue: flag, settings: defaults } : parse(flag, defaults)
    const { queue, settings } = pool
    if (known !== undefined && !known.includes(queue)) {
      throw new UsageError(`no task goes through queue '${queue}'; the files have ${known.join(', ')}`)
    }
    if (pools.has(queue)) throw new UsageError(`queue '${queue}' is named twice`)
    check(queue, settings)
    pools.set(queue, pool)
  }
  return [...pools.values()]
}

function parse(flag: string, defaults: PoolSettings): PoolChoice {
  const [, queue = flag, min, max, latency] = /^(.+?)(?:=(\d*)\.\.(\d*))?(?:@([\d.]+[a-z]+))?$/s.exec(flag) ?? []
  const settings = {
    ...defaults,
    ...(min === undefined || min === '' ? {} : { min: Number(min) }),
    ...(max === undefined || max === '' ? {} : { max: Number(max) }),
    ...(latency === undefined ? {} : { targetLatencyMs: latencyOf(queue, latency) }),
  }
  return { queue, settings }
}

function latencyOf(queue: string, text: string): number {
  try {
    return duration(text)
  } catch {
    throw new UsageError(
      `the target latency of queue '${queue}' is '${text}' but must be a time such as 500ms, 5s or 2m`,
    )
  }
}

function check(queue: string, { min, max }: PoolSettings): void {
  if (max < 1 || max > WORKERS_MAX) {
    throw new UsageError(`the maximum of queue '${queue}' is ${max} but must be 1 to ${WORKERS_MAX} workers`)
  }
  if (min > max) throw new UsageError(`the minimum of queue '${queue}', ${min}, is over its maximum, ${max}`)
}
