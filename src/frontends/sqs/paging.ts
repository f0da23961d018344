/** Pages of names: the token is the last name of the page before. */

import type { Params } from '../../wire/aws/shape.ts'
import { invalidParameter, invalidValue } from './errors.ts'
import { LIST_MAX } from './limits.ts'

export interface Page {
  readonly names: readonly string[]
  readonly token: string | undefined
}

/** `names` in order. Without MaxResults all of them, up to 1,000, and no token: as SQS does. Throws `InvalidParameterValue`. */
export function pageOf(names: readonly string[], params: Params): Page {
  const max = params['MaxResults'] as number | undefined
  if (max !== undefined && (max < 1 || max > LIST_MAX)) {
    throw invalidValue(max, 'MaxResults', `MaxResults must be an integer between 1 and ${LIST_MAX}.`)
  }
  const after = readToken(params['NextToken'] as string | undefined)
  const from = after === undefined ? 0 : names.findIndex((name) => name > after)
  const page = from < 0 ? [] : names.slice(from, from + (max ?? LIST_MAX))
  const last = page.at(-1)
  const hasMore = last !== undefined && last !== names.at(-1)
  return {
    names: page,
    token: max !== undefined && hasMore ? Buffer.from(last, 'utf8').toString('base64url') : undefined,
  }
}

function readToken(token: string | undefined): string | undefined {
  if (token === undefined || token === '') return undefined
  const name = Buffer.from(token, 'base64url').toString('utf8')
  if (Buffer.from(name, 'utf8').toString('base64url') !== token)
    throw invalidParameter('Invalid or expired next token.')
  return name
}
