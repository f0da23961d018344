/** A user as a record: JSON under `spindle/user/NAME`. Secrets of access keys stand in it as they are (SigV4 needs them); the folder is its owner's alone. */
import { type Grant, validateGrants, validateTags } from '../model/access.ts'
import { SpindleError } from '../model/errors.ts'
import { PASSWORD_BYTES_MAX, type PasswordHash } from './password.ts'

export const USER_PREFIX = 'spindle/user/'

export interface AccessKey {
  readonly id: string
  readonly secret: string
}

export interface StoredUser {
  readonly name: string
  readonly tags: readonly string[]
  readonly grants: readonly Grant[]
  readonly password: PasswordHash | null
  readonly accessKeys: readonly AccessKey[]
  /** SHA-256 of each token, hex: tokens are long and random, so nothing slower is needed. */
  readonly tokenHashes: readonly string[]
}

const KEY_ID = /^[A-Za-z0-9._-]{3,128}$/
const SECRET_MAX = 256
const TOKEN_MIN = 16
/** Access keys of a user; tokens, too. */
export const KEYS_MAX = 20

export function encodeUser({ name: _, ...rest }: StoredUser): Uint8Array {
  return Buffer.from(JSON.stringify(rest), 'utf8')
}

export function decodeUser(key: string, value: Uint8Array): StoredUser {
  const name = key.slice(USER_PREFIX.length)
  try {
    const fields = JSON.parse(new TextDecoder().decode(value)) as Omit<StoredUser, 'name'>
    const { tags, grants, password, accessKeys, tokenHashes } = fields
    return {
      name,
      tags: validateTags(tags),
      grants: validateGrants(grants),
      password: password ?? null,
      accessKeys: validateAccessKeys(accessKeys),
      tokenHashes: tokenHashes.map(String),
    }
  } catch (cause) {
    throw new SpindleError('corrupt', `read user '${name}'`, { cause })
  }
}

export function validatePassword(password: unknown, field = 'password'): string {
  const fits = typeof password === 'string' && password !== '' && Buffer.byteLength(password) <= PASSWORD_BYTES_MAX
  if (!fits) throw invalid(`${field} must be 1 to ${PASSWORD_BYTES_MAX} bytes of text`)
  return password
}

export function validateAccessKeys(value: unknown, field = 'accessKeys'): readonly AccessKey[] {
  return listOf(value, field).map((key, index) => {
    const { id, secret } = (typeof key === 'object' && key !== null ? key : {}) as { id?: unknown; secret?: unknown }
    if (typeof id !== 'string' || !KEY_ID.test(id)) {
      throw invalid(`${field}[${index}].id must be 3 to 128 letters, digits, dots, dashes or underscores`)
    }
    if (typeof secret !== 'string' || secret === '' || secret.length > SECRET_MAX) {
      throw invalid(`${field}[${index}].secret must be 1 to ${SECRET_MAX} characters`)
    }
    return { id, secret }
  })
}

export function validateTokens(value: unknown, field = 'tokens'): readonly string[] {
  return listOf(value, field).map((token, index) => {
    if (typeof token === 'string' && token.length >= TOKEN_MIN && token.length <= SECRET_MAX) return token
    throw invalid(`${field}[${index}] must be ${TOKEN_MIN} to ${SECRET_MAX} characters`)
  })
}

function listOf(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length > KEYS_MAX) throw invalid(`${field} must be a list of at most ${KEYS_MAX}`)
  return value
}

/** Never shows the value: it may be a secret. */
function invalid(what: string): SpindleError {
  return new SpindleError('invalid-argument', what)
}
