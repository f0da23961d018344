/** What an isolate runs: it loads the task files, then one handler at a time, and tells its worker how each ended. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { connectHost, type IsolateHost } from '../../runtime/isolate.ts'
import { loadModule } from '../../runtime/load-module.ts'
import { exportedTasks } from '../exported-tasks.ts'
import { controlOf, describeError, TaskInterrupted } from '../task-error.ts'
import type { AnyTask, EnqueueOptions, TaskContext, TaskDefinition } from '../types.ts'
import { assertValid, check } from '../validation.ts'
import type { FromIsolate, IsolateData, ToIsolate } from './protocol.ts'

type RunMessage = Extract<ToIsolate, { kind: 'run' }>

let running: AbortController | undefined
const host: IsolateHost = await connectHost((value) => heard(value as ToIsolate))
const tasks = new Map<string, AnyTask>()
for (const file of (host.data as IsolateData).files) {
  for (const task of exportedTasks(await loadModule(file))) tasks.set(task.name, task)
}
tell({ kind: 'ready' })

function heard(message: ToIsolate): void {
  if (message.kind === 'abort') running?.abort(new TaskInterrupted(message.why))
  else void run(message)
}

function tell(message: FromIsolate): void {
  host.post(message)
}

async function run(message: RunMessage): Promise<void> {
  const controller = new AbortController()
  running = controller
  const pending: Promise<void>[] = []
  try {
    const task = tasks.get(message.task)
    if (task === undefined) throw new Error(`none of the worker's files exports task '${message.task}'`)
    const checked = await check(task.options.input, message.input)
    assertValid(checked, `run task '${task.name}'`)
    const input = 'value' in checked ? checked.value : undefined
    const result = await task.options.run(input, contextOf(message, controller.signal, pending))
    await Promise.all(pending)
    tell({ kind: 'returned', json: JSON.stringify(result) as string | undefined })
  } catch (thrown) {
    tell({ kind: 'thrown', error: describeError(thrown), control: controlOf(thrown) })
  } finally {
    running = undefined
  }
}

function contextOf(message: RunMessage, signal: AbortSignal, pending: Promise<void>[]): TaskContext {
  const { id, task, attempt, headers } = message
  return {
    id,
    task,
    attempt,
    signal,
    headers,
    flow: undefined,
    progress: async (fraction, data) => tell({ kind: 'progress', fraction, dataJson: jsonOf(data) }),
    log: (text) => tell({ kind: 'log', message: text }),
    enqueue: (next, input, options) => {
      const checked = check(next.options.input, input)
      if (checked instanceof Promise) pending.push(checked.then((ready) => followUp(next, ready, input, options)))
      else followUp(next, checked, input, options)
    },
  }
}

function followUp<N extends string, S extends StandardSchemaV1, O>(
  task: TaskDefinition<N, S, O>,
  checked: StandardSchemaV1.Result<unknown>,
  input: unknown,
  enqueue: EnqueueOptions | undefined,
): void {
  assertValid(checked, `enqueue task '${task.name}'`)
  const { input: _schema, ...options } = task.options
  // What is no plain data (functions) does not reach the queue either.
  const plain = JSON.parse(JSON.stringify(options)) as Record<string, unknown>
  tell({ kind: 'enqueue', followUp: { task: task.name, options: plain, input, enqueue } })
}

/** Progress never fails a task: data that JSON cannot carry is left out. */
function jsonOf(data: unknown): string | undefined {
  try {
    return JSON.stringify(data) as string | undefined
  } catch {
    return undefined
  }
}
