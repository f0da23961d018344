/** Tags of a queue: at most 50, keys of 1 to 128 characters, values of up to 256. */
import { invalidParameter } from './errors.ts'
import { TAGS_MAX } from './limits.ts'

/** `tags`: all that the queue would have. Throws `InvalidParameterValue`. */
export function checkTags(tags: Readonly<Record<string, string>>): void {
  const entries = Object.entries(tags)
  if (entries.length > TAGS_MAX)
    throw invalidParameter(`Too many tags added for queue. At most ${TAGS_MAX} are allowed.`)
  for (const [key, value] of entries) {
    if (key.length < 1 || key.length > 128)
      throw invalidParameter('Tag keys must be between 1 and 128 characters in length.')
    if (value.length > 256) throw invalidParameter('Tag values must be between 0 and 256 characters in length.')
    if (key.toLowerCase().startsWith('aws:')) throw invalidParameter("Tag keys cannot start with 'aws:'.")
  }
}
