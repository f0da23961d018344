/**
 * The access policy of a queue, as IAM writes them: read, and judged for one request. An explicit Deny wins, an Allow that
 * names the caller and the action lets in, and what nobody mentions is left to the caller's own rights.
 */
import { invalidAttribute } from './errors.ts'

/** AWS allows 8 KiB for a queue's policy. */
const POLICY_CHARACTERS_MAX = 8_192

export type Verdict = 'allow' | 'deny' | 'silent'

export interface PolicyStatement {
  readonly Sid?: string
  readonly Effect?: unknown
  readonly Principal?: unknown
  readonly Action?: unknown
  readonly Resource?: unknown
  readonly Condition?: unknown
}

export interface PolicyDocument {
  readonly Version: string
  readonly Id?: string
  readonly Statement: readonly PolicyStatement[]
}

/** Throws `InvalidAttributeValue` for what is no policy. */
export function checkPolicyDocument(text: string): void {
  readPolicyDocument(text)
}

export function readPolicyDocument(text: string): PolicyDocument {
  const parsed = text.length > POLICY_CHARACTERS_MAX ? undefined : parseObject(text)
  const statements = parsed?.['Statement']
  const list = Array.isArray(statements) ? (statements as unknown[]) : statements === undefined ? [] : [statements]
  if (parsed === undefined || statements === undefined || !list.every(isObject)) throw invalidAttribute('Policy')
  if (list.some(({ Effect }) => Effect !== 'Allow' && Effect !== 'Deny')) throw invalidAttribute('Policy')
  const { Version, Id } = parsed
  return {
    Version: typeof Version === 'string' ? Version : '2008-10-17',
    ...(typeof Id === 'string' ? { Id } : {}),
    Statement: list as PolicyStatement[],
  }
}

/**
 * `action`: `SendMessage`; a batch needs what its single action needs. A Deny counts also when it has conditions, an Allow
 * with conditions never does: none of them is evaluated here, and the answer must not be more than the policy's.
 */
export function judge(
  { Statement }: PolicyDocument,
  asked: {
    readonly principals: readonly string[]
    readonly action: string
    readonly arn: string
    /** Whose actions these are. Default `sqs`. */
    readonly service?: 'sqs' | 'sns'
  },
): Verdict {
  const prefix = `${asked.service ?? 'sqs'}:`
  let verdict: Verdict = 'silent'
  for (const { Effect, Principal, Action, Resource, Condition } of Statement) {
    const isMeant =
      namesPrincipal(Principal, asked.principals) &&
      texts(Action).some((pattern) => matchesAction(pattern, prefix, asked.action)) &&
      (Resource === undefined || texts(Resource).some((pattern) => matches(pattern, asked.arn)))
    if (!isMeant) continue
    if (Effect === 'Deny') return 'deny'
    if (Condition === undefined) verdict = 'allow'
  }
  return verdict
}

function namesPrincipal(principal: unknown, principals: readonly string[]): boolean {
  if (principal === '*') return true
  const named = isObject(principal) ? texts(principal['AWS']) : []
  return named.some((name) => name === '*' || principals.includes(name))
}

function matchesAction(pattern: string, prefix: string, action: string): boolean {
  const lower = pattern.toLowerCase()
  const bare = lower.startsWith(prefix) ? lower.slice(prefix.length) : lower === '*' ? '*' : undefined
  return bare !== undefined && matches(bare, action.toLowerCase())
}

/** `*` and `?` as in IAM. Linear in both lengths but for restarts at the last star, so no pattern is slow at 8 KiB. */
function matches(pattern: string, text: string): boolean {
  let at = 0
  let next = 0
  let star = -1
  let resume = 0
  while (next < text.length) {
    const expected = pattern[at]
    if (expected === '*') {
      star = at++
      resume = next
    } else if (expected !== undefined && (expected === '?' || expected === text[next])) {
      at++
      next++
    } else if (star >= 0) {
      at = star + 1
      next = ++resume
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

function texts(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return isObject(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}
