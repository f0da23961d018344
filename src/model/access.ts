/**
 * Who may do what. A user has grants; each grant lets some verbs act on the names that some patterns match. What no grant
 * allows is denied. Resources are the names of queues and exchanges, as they stand in the store (`orders`,
 * `sqs:eu-west-1:123456789012/orders`, `vhost:shop/orders`): front ends share one namespace.
 */
import { SpindleError } from './errors.ts'
import { validateName } from './validate.ts'

/**
 * - `configure`: declare, change, bind and delete queues and exchanges
 * - `write`: send and publish
 * - `read`: receive, settle, browse, measure; and `watch`
 * - `watch`: counts of a queue, and what became of a message of it: state, progress and result, without its body. For pages.
 * - `admin`: all of these, and what only an operator does (users, redrives of others, connections)
 */
export type AccessVerb = 'configure' | 'write' | 'read' | 'watch' | 'admin'

export const ACCESS_VERBS: readonly AccessVerb[] = ['configure', 'write', 'read', 'watch', 'admin']

/** What people call them who do not come from AMQP. Taken in a grant; told back as the verb. */
const synonyms: ReadonlyMap<string, AccessVerb> = new Map([
  ['manage', 'configure'],
  ['send', 'write'],
  ['receive', 'read'],
])

export interface Grant {
  readonly verbs: readonly AccessVerb[]
  /** Names in which `*` stands for any run of characters, also an empty one; other characters for themselves. */
  readonly resources: readonly string[]
  /** Patterns of names that it does not reach, though `resources` do. Default none. */
  readonly except?: readonly string[]
}

/** Somebody who proved who they are. */
export interface Identity {
  readonly name: string
  /** Free words that front ends read; AMQP's management tags, say. */
  readonly tags: readonly string[]
  may(verb: AccessVerb, resource: string): boolean
}

/** What an operator gets: `admin` on everything. */
export const ALL_GRANTED: readonly Grant[] = [{ verbs: ['admin'], resources: ['*'] }]

const GRANTS_MAX = 100
const TAGS_MAX = 20

export function identityOf(user: { name: string; tags: readonly string[]; grants: readonly Grant[] }): Identity {
  const { name, tags, grants } = user
  return { name, tags, may: (verb, resource) => isGranted(grants, verb, resource) }
}

function isGranted(grants: readonly Grant[], verb: AccessVerb, resource: string): boolean {
  return grants.some(
    ({ verbs, resources, except = [] }) =>
      (verbs.includes(verb) || verbs.includes('admin') || (verb === 'watch' && verbs.includes('read'))) &&
      resources.some((pattern) => matchesGlob(pattern, resource)) &&
      !except.some((pattern) => matchesGlob(pattern, resource)),
  )
}

/** `*` is any run of characters. At most pattern x text steps: the latest star alone is ever tried again. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0
  let place = 0
  let star = -1
  let resume = 0
  while (at < text.length) {
    if (pattern[place] === '*') {
      star = place++
      resume = at
    } else if (pattern[place] === text[at]) {
      place++
      at++
    } else if (star >= 0) {
      place = star + 1
      at = ++resume
    } else return false
  }
  while (pattern[place] === '*') place++
  return place === pattern.length
}

/** `read,write:orders-*,mail`: verbs, a colon, patterns. Only the first colon divides. Throws `invalid-argument`. */
export function parseGrant(text: string): Grant {
  const colon = text.indexOf(':')
  if (colon < 0) throw invalid('grant', `'${text}' must be VERBS:PATTERNS, such as read,write:orders-*`)
  const verbs = text.slice(0, colon).split(',')
  const resources = text.slice(colon + 1).split(',')
  return validateGrants([{ verbs, resources }], 'grant')[0] as Grant
}

/** Throws `invalid-argument`, which names the field. */
export function validateGrants(value: unknown, field = 'grants'): readonly Grant[] {
  return list(value, field, GRANTS_MAX).map((grant, index) => {
    const place = `${field}[${index}]`
    if (typeof grant !== 'object' || grant === null) throw invalid(place, 'must be { verbs, resources }')
    const { verbs, resources, except } = grant as { verbs?: unknown; resources?: unknown; except?: unknown }
    return {
      verbs: list(verbs, `${place}.verbs`, ACCESS_VERBS.length).map((verb, at) => {
        const known = ACCESS_VERBS.find((one) => one === verb) ?? synonyms.get(verb as string)
        if (known !== undefined) return known
        throw invalid(`${place}.verbs[${at}]`, `must be one of ${ACCESS_VERBS.join(', ')}`)
      }),
      resources: patterns(resources, `${place}.resources`),
      ...(except === undefined ? {} : { except: patterns(except, `${place}.except`) }),
    }
  })
}

function patterns(value: unknown, field: string): readonly string[] {
  return list(value, field, GRANTS_MAX).map((pattern, at) => {
    validateName(`${field}[${at}]`, pattern)
    return pattern
  })
}

/** Throws `invalid-argument`. */
export function validateTags(value: unknown, field = 'tags'): readonly string[] {
  return list(value, field, TAGS_MAX).map((tag, index) => {
    validateName(`${field}[${index}]`, tag)
    return tag
  })
}

function list(value: unknown, field: string, max: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > max) throw invalid(field, `must be a list of at most ${max}`)
  return value
}

function invalid(field: string, must: string): SpindleError {
  return new SpindleError('invalid-argument', `${field} ${must}`)
}
