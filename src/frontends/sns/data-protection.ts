/** Data protection policies are checked for form, stored and given back. Nothing inspects messages by them; docs/compat/sns.md says so. */
import { invalidParameter } from './errors.ts'
import { DATA_PROTECTION_BYTES_MAX } from './limits.ts'

/** Throws `InvalidParameter`. */
export function checkDataProtection(text: string): void {
  const reject = (why: string): never => {
    throw invalidParameter(`DataProtectionPolicy Reason: ${why}`)
  }
  if (Buffer.byteLength(text) > DATA_PROTECTION_BYTES_MAX) reject('it is too long')
  let policy: unknown
  try {
    policy = JSON.parse(text)
  } catch {
    reject('it is not valid JSON')
  }
  if (typeof policy !== 'object' || policy === null || Array.isArray(policy)) reject('it must be a JSON object')
  const { Name, Version, Statement } = policy as Record<string, unknown>
  if (typeof Name !== 'string' || Name === '') reject('Name is missing')
  if (Version !== '2021-06-01') reject('Version must be 2021-06-01')
  if (!Array.isArray(Statement) || Statement.length === 0) reject('Statement must be a list of statements')
}
