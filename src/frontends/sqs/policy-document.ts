/**
 * The access policy of a queue, as IAM writes them: read, and judged for one request. An explicit Deny wins, an Allow that
 * names the caller and the action lets in, and what nobody mentions is left to the caller's own rights.
 */
import { type Judgement, judgeConditions, type RequestFacts } from '../aws/policy-conditions.ts'
import { matchesWildcard } from '../aws/wildcard.ts'
import { invalidAttribute } from './errors.ts'

/** AWS allows 8 KiB for a queue's policy. */
const POLICY_CHARACTERS_MAX = 8_192

export type Verdict = 'allow' | 'deny' | 'silent'

export interface PolicyStatement {
  readonly Sid?: string
  readonly Effect?: unknown
  readonly Principal?: unknown
  readonly NotPrincipal?: unknown
  readonly Action?: unknown
  readonly NotAction?: unknown
  readonly Resource?: unknown
  readonly NotResource?: unknown
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

export interface AskedOfPolicy {
  /** The names of the caller; or the service that acts, with `*` as its only other name. */
  readonly principals: readonly string[] | { readonly service: string }
  /** `SendMessage`; a batch needs what its single action needs. */
  readonly action: string
  readonly arn: string
  /** Whose actions these are. Default `sqs`. */
  readonly service?: 'sqs' | 'sns'
  readonly facts: RequestFacts
}

/**
 * Where a condition cannot be judged, a Deny counts and an Allow does not: the answer must not be more than the policy's. The same
 * holds for a statement whose form is not known.
 */
export function judge({ Statement }: PolicyDocument, asked: AskedOfPolicy): Verdict {
  let verdict: Verdict = 'silent'
  for (const statement of Statement) {
    const isDeny = statement.Effect === 'Deny'
    const holds = judgeStatement(statement, asked)
    if (holds === false || (holds === 'unknown' && !isDeny)) continue
    if (isDeny) return 'deny'
    if (statement.Effect === 'Allow') verdict = 'allow'
  }
  return verdict
}

function judgeStatement(statement: PolicyStatement, asked: AskedOfPolicy): Judgement {
  const { Principal, NotPrincipal, Action, NotAction, Resource, NotResource, Condition } = statement
  const prefix = `${asked.service ?? 'sqs'}:`
  const isNamed = (principal: unknown) => namesPrincipal(principal, asked.principals)
  const isAction = (action: unknown) => texts(action).some((pattern) => matchesAction(pattern, prefix, asked.action))
  const isResource = (resource: unknown) => texts(resource).some((pattern) => matchesWildcard(pattern, asked.arn))
  const isMeant =
    (NotPrincipal === undefined ? isNamed(Principal) : !isNamed(NotPrincipal)) &&
    (NotAction === undefined ? isAction(Action) : !isAction(NotAction)) &&
    (NotResource === undefined ? Resource === undefined || isResource(Resource) : !isResource(NotResource))
  return isMeant && judgeConditions(Condition, asked.facts)
}

function namesPrincipal(principal: unknown, principals: AskedOfPolicy['principals']): boolean {
  if (principal === '*') return true
  if (!isObject(principal)) return false
  if (texts(principal['AWS']).includes('*')) return true
  if ('service' in principals) return texts(principal['Service']).includes(principals.service)
  return texts(principal['AWS']).some((name) => principals.includes(name))
}

function matchesAction(pattern: string, prefix: string, action: string): boolean {
  const lower = pattern.toLowerCase()
  const bare = lower.startsWith(prefix) ? lower.slice(prefix.length) : lower === '*' ? '*' : undefined
  return bare !== undefined && matchesWildcard(bare, action.toLowerCase())
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
