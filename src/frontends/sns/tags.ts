/** Tags of a resource, checked as AWS checks them. */
import { invalidParameter, tagLimit } from './errors.ts'
import { TAG_KEY_CHARACTERS_MAX, TAG_VALUE_CHARACTERS_MAX, TAGS_MAX } from './limits.ts'
import { type Texts, texts } from './params.ts'

export interface Tag {
  readonly Key?: string
  readonly Value?: string
}

const TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** Throws `InvalidParameter`. */
export function readTags(tags: readonly Tag[]): Texts {
  const read = texts()
  for (const { Key = '', Value = '' } of tags) {
    if (Key === '' || Key.length > TAG_KEY_CHARACTERS_MAX || !TEXT.test(Key) || /^aws:/i.test(Key)) {
      throw invalidParameter('Tags Reason: a tag key is not valid')
    }
    if (Value.length > TAG_VALUE_CHARACTERS_MAX || !TEXT.test(Value)) {
      throw invalidParameter('Tags Reason: a tag value is not valid')
    }
    if (read[Key] !== undefined) throw invalidParameter('Duplicated keys are not allowed.')
    read[Key] = Value
  }
  return read
}

/** Throws `TagLimitExceeded`. */
export function mergedTags(before: Texts, more: Texts): Texts {
  const after = Object.assign(texts(), before, more)
  if (Object.keys(after).length > TAGS_MAX) throw tagLimit()
  return after
}
