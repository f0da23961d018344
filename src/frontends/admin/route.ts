/** The words of the routes, and finding the one that is meant. */
import type { AccessVerb, Identity } from '../../model/access.ts'
import { SpindleError } from '../../model/errors.ts'
import type { AdminParts } from './admin-parts.ts'
import type { Bulks } from './bulk.ts'
import type { History } from './history.ts'
import { HttpFault } from './problem.ts'

/** What a route may use: the parts, and what the service keeps for all calls. */
export interface RouteParts extends AdminParts {
  readonly bulks: Bulks
  readonly history: History
}

export interface AdminCall {
  /** What stands in the place of `:name` in the route's path. */
  readonly name: (of: string) => string
  readonly query: URLSearchParams
  readonly body: unknown
  readonly signal: AbortSignal | undefined
  /** Throws `access-denied`. Whoever calls while there are no users may do everything. */
  readonly need: (verb: AccessVerb, resource: string) => void
  readonly may: (verb: AccessVerb, resource: string) => boolean
}

export interface AdminAnswer {
  readonly status: 200 | 201 | 202 | 204
  readonly body?: unknown
}

export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** `/queues/:queue/messages` */
  readonly path: string
  /** true: it changes nothing, though it is no GET (its question has a body). */
  readonly readsOnly?: true
  /** false: it moves messages as any client does. Default: what is not GET is an administrative act. */
  readonly audited?: false
  readonly answer: (call: AdminCall, parts: RouteParts) => Promise<AdminAnswer>
}

export function ok(body: unknown): AdminAnswer {
  return { status: 200, body }
}

export const NO_CONTENT: AdminAnswer = { status: 204 }

interface Node<R> {
  readonly literal: Map<string, Node<R>>
  parameter: { readonly name: string; readonly node: Node<R> } | undefined
  readonly routes: Map<string, R>
}

export interface Found<R> {
  readonly route: R
  readonly names: ReadonlyMap<string, string>
}

/** Throws `HttpFault` 400, 404 or 405. */
export function router<R extends { readonly method: string; readonly path: string }>(
  routes: readonly R[],
): (method: string, path: string) => Found<R> {
  const root = node<R>()
  for (const route of routes) {
    let at = root
    for (const segment of route.path.slice(1).split('/')) at = step(at, segment)
    at.routes.set(route.method, route)
  }
  return (method, path) => {
    let at: Node<R> | undefined = root
    const names = new Map<string, string>()
    for (const segment of path.slice(1).split('/')) {
      const next: Node<R> | undefined = at.literal.get(segment)
      if (next === undefined && at.parameter !== undefined) names.set(at.parameter.name, decoded(segment))
      at = next ?? at.parameter?.node
      if (at === undefined) throw new HttpFault(404, `There is no ${path.slice(0, 200)} in this API.`)
    }
    const route = at.routes.get(method)
    if (route !== undefined) return { route, names }
    if (at.routes.size === 0) throw new HttpFault(404, `There is no ${path.slice(0, 200)} in this API.`)
    const allow = [...at.routes.keys()].join(', ')
    throw new HttpFault(405, `Only ${allow} can be done here.`, { Allow: allow })
  }
}

function node<R>(): Node<R> {
  return { literal: new Map(), parameter: undefined, routes: new Map() }
}

function step<R>(at: Node<R>, segment: string): Node<R> {
  if (segment.startsWith(':')) {
    at.parameter ??= { name: segment.slice(1), node: node<R>() }
    return at.parameter.node
  }
  const next = at.literal.get(segment) ?? node<R>()
  at.literal.set(segment, next)
  return next
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new HttpFault(400, 'The path is not percent-encoded UTF-8.')
  }
}

export function accessOf(identity: Identity | undefined): Pick<AdminCall, 'need' | 'may'> {
  const may = (verb: AccessVerb, resource: string): boolean => identity === undefined || identity.may(verb, resource)
  return {
    may,
    need(verb, resource) {
      if (!may(verb, resource)) throw new SpindleError('access-denied', `${verb} '${resource}' as '${identity?.name}'`)
    },
  }
}
