/** `--queue critical=6 default`: which queues, and how often each is first. */
import { queueOf } from '../../tasks/task-queue.ts'
import type { AnyTask, QueueOrder } from '../../tasks/types.ts'
import { UsageError } from '../usage.ts'

export interface QueueChoice {
  /** Those of the queues chosen, in the order of the flags. */
  readonly tasks: readonly AnyTask[]
  readonly order: QueueOrder
}

/** `flags`: NAME or NAME=WEIGHT; undefined: all queues. A queue may itself be named `a=b`; a weight is what follows the last `=`. */
export function chooseQueues(
  tasks: readonly AnyTask[],
  flags: readonly string[] | undefined,
  strict: boolean,
): QueueChoice {
  const known = new Set(tasks.map(queueOf))
  const chosen = flags?.map((flag) => parse(flag, known))
  const weights = chosen?.filter(({ weight }) => weight !== undefined) ?? []
  if (strict && weights.length > 0) throw new UsageError('--strict and weights exclude each other')
  const order: QueueOrder = strict
    ? 'strict'
    : weights.length === 0
      ? 'turns'
      : Object.fromEntries(weights.map(({ queue, weight = 1 }) => [queue, weight]))
  const ofQueue = (queue: string): readonly AnyTask[] => tasks.filter((task) => queueOf(task) === queue)
  const queues = chosen === undefined ? [...known] : [...new Set(chosen.map(({ queue }) => queue))]
  return { tasks: queues.flatMap(ofQueue), order }
}

function parse(flag: string, known: ReadonlySet<string>): { readonly queue: string; readonly weight?: number } {
  if (known.has(flag)) return { queue: flag }
  const at = flag.lastIndexOf('=')
  const queue = at < 0 ? flag : flag.slice(0, at)
  if (!known.has(queue)) {
    throw new UsageError(`no task goes through queue '${queue}'; the files have ${[...known].join(', ')}`)
  }
  const weight = Number(flag.slice(at + 1))
  if (!(weight > 0 && weight <= 1_000_000)) {
    throw new UsageError(`the weight of queue '${queue}' is '${flag.slice(at + 1)}' but must be a number over 0`)
  }
  return { queue, weight }
}
