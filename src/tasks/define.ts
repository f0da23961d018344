import type { StandardSchemaV1 } from '@standard-schema/spec'
import { SpindleError } from '../model/errors.ts'
import { DURATION_MS_MAX, defaultLimits, PRIORITY_MAX } from '../model/limits.ts'
import type { BatchItem, BatchPolicy, BatchResults, TaskDefinition, TaskOptions } from './types.ts'

/**
 * Defines a task: a name, a validator of its input and what to run. The name is stored with every message, so renaming
 * a task orphans the ones that wait. Throws `invalid-argument`.
 */
export function task<const Name extends string, Schema extends StandardSchemaV1, Output>(
  name: Name,
  options: TaskOptions<Schema, Output>,
): TaskDefinition<Name, Schema, Output> {
  const refuse = (why: string): never => {
    throw new SpindleError('invalid-argument', `define task '${name}' (${why})`)
  }
  const positive = (field: string, value: number | undefined): void => {
    if (value !== undefined && !(value > 0 && value <= DURATION_MS_MAX)) {
      refuse(`${field} is ${value} but must be over 0 and at most ${DURATION_MS_MAX}`)
    }
  }
  if (name === '' || Buffer.byteLength(name) > defaultLimits.nameBytesMax) {
    refuse(`its name must be 1 to ${defaultLimits.nameBytesMax} bytes of UTF-8`)
  }
  if (typeof options.input?.['~standard']?.validate !== 'function') {
    refuse('input must be a Standard Schema validator, such as z.object({ … })')
  }
  if (typeof options.run !== 'function') refuse('run must be a function')
  const { attempts = 1 } = options.retry ?? {}
  if (!Number.isInteger(attempts) || attempts < 1) refuse(`retry.attempts is ${attempts} but must be 1 or more`)
  positive('leaseMs', options.leaseMs)
  positive('timeoutMs', options.timeoutMs)
  const { isolate, memoryMbMax, killsMax = 1, batch } = options
  if (killsMax !== null && (!Number.isInteger(killsMax) || killsMax < 1)) {
    refuse(`killsMax is ${killsMax} but must be a whole number, 1 or more, or null`)
  }
  if (batch !== undefined) {
    if (isolate !== undefined) refuse('a batch has no isolate')
    if (!Number.isInteger(batch.max) || batch.max < 1) refuse(`batch.max is ${batch.max} but must be 1 or more`)
    if (!(batch.waitMs >= 0 && batch.waitMs <= DURATION_MS_MAX)) {
      refuse(`batch.waitMs is ${batch.waitMs} but must be 0 to ${DURATION_MS_MAX}`)
    }
  }
  if (isolate !== undefined && isolate !== 'thread' && isolate !== 'process') {
    refuse("isolate must be 'thread' or 'process'")
  }
  if (memoryMbMax !== undefined && (isolate === undefined || !Number.isInteger(memoryMbMax) || memoryMbMax < 8)) {
    refuse(`memoryMbMax is ${memoryMbMax} but must be a whole number, 8 or more, of a task with isolate`)
  }
  const { parameters = [] } = options.celery ?? {}
  if (!Array.isArray(parameters) || parameters.some((name) => typeof name !== 'string' || name === '')) {
    refuse('celery.parameters must be the names of the positional arguments')
  }
  if (new Set(parameters).size < parameters.length) refuse('celery.parameters names one of them twice')
  const { retainMs = 0, retainMax } = options.result ?? {}
  if (!(retainMs >= 0 && retainMs <= DURATION_MS_MAX))
    refuse(`result.retainMs is ${retainMs} but must be 0 to ${DURATION_MS_MAX}`)
  if (retainMax !== undefined && !(Number.isInteger(retainMax) && retainMax >= 0)) {
    refuse(`result.retainMax is ${retainMax} but must be a whole number, 0 or more`)
  }
  const { priority = 0 } = options
  if (!Number.isInteger(priority) || priority < 0 || priority > PRIORITY_MAX) {
    refuse(`priority is ${priority} but must be a whole number from 0 to ${PRIORITY_MAX}`)
  }
  return Object.freeze({ name, options })
}

/**
 * A task whose handler takes several inputs at once: as many as gather in a worker within `batch.waitMs` of the first, `batch.max` at
 * most. Each input is enqueued, retried and asked for as a task of its own. Throws `invalid-argument`.
 */
export function batchTask<const Name extends string, Schema extends StandardSchemaV1, Output>(
  name: Name,
  options: Omit<TaskOptions<Schema, Output>, 'run' | 'runBatch' | 'batch' | 'isolate'> & {
    readonly batch: BatchPolicy
    run(items: readonly BatchItem<StandardSchemaV1.InferOutput<Schema>>[]): BatchResults<Output>
  },
): TaskDefinition<Name, Schema, Output> {
  const { run: runBatch, ...rest } = options
  const run = (): never => {
    throw new Error(`'${name}' takes its inputs in batches`)
  }
  return task<Name, Schema, Output>(name, { ...rest, run, runBatch })
}

/** The brand of definitions is their shape: two copies of this package must understand each other's. */
export function isTask(value: unknown): value is TaskDefinition<string, StandardSchemaV1, unknown> {
  if (typeof value !== 'object' || value === null || !('name' in value) || !('options' in value)) return false
  const { name, options } = value
  if (typeof name !== 'string' || typeof options !== 'object' || options === null) return false
  return 'input' in options && 'run' in options && typeof options.run === 'function'
}
