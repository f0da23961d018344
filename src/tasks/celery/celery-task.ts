import type { StandardSchemaV1 } from '@standard-schema/spec'
import { SpindleError } from '../../model/errors.ts'
import { defaultLimits } from '../../model/limits.ts'
import type { CeleryTask, CeleryTaskOptions } from './types.ts'

/** Defines a task that Python workers run: `spindle.callCelery` sends it. Throws `invalid-argument`. */
export function celeryTask<Schema extends StandardSchemaV1, Output = unknown>(
  name: string,
  options: CeleryTaskOptions<Schema, Output>,
): CeleryTask<Schema, Output> {
  const refuse = (why: string): never => {
    throw new SpindleError('invalid-argument', `define Celery task '${name}' (${why})`)
  }
  if (name === '' || Buffer.byteLength(name) > defaultLimits.nameBytesMax) {
    refuse(`its name must be 1 to ${defaultLimits.nameBytesMax} bytes of UTF-8`)
  }
  if (typeof options.input?.['~standard']?.validate !== 'function') {
    refuse('input must be a Standard Schema validator, such as z.object({ … })')
  }
  const { transport = 'amqp' } = options
  if (transport !== 'amqp' && transport !== 'sqs') refuse("transport must be 'amqp' or 'sqs'")
  return { name, options }
}
