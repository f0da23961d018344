/** The words that the routes of the management API share. */
import type { Audit } from '../../broker/audit.ts'
import type { Port } from '../../broker/port.ts'
import type { Users } from '../../broker/users.ts'
import type { AccessVerb, Identity } from '../../model/access.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { storeName } from '../amqp/names.ts'
import type { PolicyBook } from '../amqp/policies/policy-book.ts'
import type { Registry } from '../amqp/registry.ts'
import { vhostExists } from '../amqp/vhosts.ts'
import { badRequest, notAuthorised, notFound } from './fault.ts'
import { isA } from './sign-in.ts'

export interface ManagementParts {
  readonly port: Port
  readonly users: Users
  readonly audit: Audit
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly policies: PolicyBook
  /** The connections of this process; undefined: it serves no AMQP. */
  readonly registry: Registry | undefined
  readonly version: string
  /** Where AMQP is listened on. */
  readonly listeners: () => readonly Listener[]
}

export interface Listener {
  readonly protocol: string
  readonly host: string
  readonly port: number
}

export interface ManagementCall {
  /** What stands in the place of `:name` in the route's path. */
  readonly name: (of: string) => string
  readonly query: URLSearchParams
  readonly header: (name: string) => string | undefined
  /** The body, parsed: an object without a meaning of its own for `__proto__`; {} where there is none. */
  readonly body: Readonly<Record<string, unknown>>
  readonly identity: Identity
}

/** What is answered; `created` with a Location when there is one. */
export type ManagementAnswer =
  | { readonly kind: 'json'; readonly value: unknown }
  /** Of a collection, which may be asked for in pages, sorted and with some columns only. */
  | { readonly kind: 'list'; readonly items: readonly object[] }
  | { readonly kind: 'created'; readonly location?: string }
  | { readonly kind: 'done' }

export interface ManagementRoute {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly path: string
  /** Only for users with the tag `administrator`, or `policymaker`, where it says so. Default: whoever may log in. */
  readonly only?: 'administrator' | 'policymaker' | 'monitoring'
  readonly answer: (call: ManagementCall, parts: ManagementParts) => Promise<ManagementAnswer>
}

export const DONE: ManagementAnswer = { kind: 'done' }
export const CREATED: ManagementAnswer = { kind: 'created' }

export function json(value: unknown): ManagementAnswer {
  return { kind: 'json', value }
}

export function list(items: readonly object[]): ManagementAnswer {
  return { kind: 'list', items }
}

/** Throws 401, in the words of the protocol. `stored`: the name in the store. */
export function need({ identity }: ManagementCall, verb: AccessVerb, stored: string): void {
  if (!identity.may(verb, stored))
    throw notAuthorised(`ACCESS_REFUSED - ${verb} '${stored}' refused for user '${identity.name}'`)
}

/** Who monitors sees everything in lists, others what they may do one of the three with. */
export function sees(identity: Identity, stored: string): boolean {
  return (
    isA(identity, 'monitoring') ||
    identity.may('read', stored) ||
    identity.may('write', stored) ||
    identity.may('configure', stored)
  )
}

/** The virtual host of the path. Throws 404 when there is none. */
export async function vhostOf(call: ManagementCall, { port }: ManagementParts): Promise<string> {
  const vhost = call.name('vhost')
  if (!(await vhostExists(port, vhost))) throw notFound()
  return vhost
}

/** The name in the store of what the path names. Throws 404 for a missing virtual host. */
export async function storedOf(call: ManagementCall, parts: ManagementParts, part = 'name'): Promise<string> {
  return storeName(await vhostOf(call, parts), call.name(part))
}

export const NODE = 'spindle@localhost'

export function textField(body: Readonly<Record<string, unknown>>, name: string, fallback?: string): string {
  const value = body[name] ?? fallback
  if (typeof value !== 'string') throw badRequest(`${name} should be a string`)
  return value
}

export function flagField(body: Readonly<Record<string, unknown>>, name: string, fallback: boolean): boolean {
  const value = body[name] ?? fallback
  if (value === 'true' || value === 'false') return value === 'true'
  if (typeof value !== 'boolean') throw badRequest(`${name} should be a boolean`)
  return value
}

export function numberField(
  body: Readonly<Record<string, unknown>>,
  name: string,
  { fallback, min, max }: { readonly fallback?: number; readonly min: number; readonly max: number },
): number {
  const value = body[name] ?? fallback
  const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max) {
    throw badRequest(`${name} should be a whole number from ${min} to ${max}`)
  }
  return number
}

export function objectField(body: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, unknown>> {
  const value = body[name] ?? {}
  // PHP writes an empty object as an empty list.
  if (Array.isArray(value) && value.length === 0) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest(`${name} should be an object`)
  return value as Readonly<Record<string, unknown>>
}
