/** Which service, protocol and action a request means, and its parameters. */
import { isUtf8 } from 'node:buffer'
import { AwsError, malformedQuery } from '../../wire/aws/error.ts'
import { type FormField, readForm } from '../../wire/aws/form.ts'
import { readJson } from '../../wire/aws/json.ts'
import { readQuery } from '../../wire/aws/query.ts'
import type { ActionShape, Params } from '../../wire/aws/shape.ts'
import type { AwsService, Protocol } from './call.ts'
import type { CredentialScope } from './credential-scope.ts'

export interface RoutedRequest {
  readonly method: string
  readonly path: string
  /** Behind the `?`; empty when there is none. */
  readonly query: string
  readonly target: string | undefined
  readonly contentType: string
  readonly body: Buffer
  readonly scope: CredentialScope | undefined
}

export interface Route {
  readonly service: AwsService
  readonly protocol: Protocol
  readonly action: string
  readonly shape: ActionShape
  /** Parses only when called: after the caller is known to be allowed in. */
  params(): Params
}

/** The protocol in which this request must be answered, whatever else is wrong with it. */
export function protocolOf(target: string | undefined, contentType: string): Protocol {
  return target !== undefined || contentType.startsWith('application/x-amz-json') ? 'json' : 'query'
}

/** Throws `AwsError`: `UnknownOperationException`, `InvalidAction`, `MissingAction`, `MalformedQueryString`. */
export function routeRequest(request: RoutedRequest, services: readonly AwsService[]): Route {
  const { target, contentType } = request
  return protocolOf(target, contentType) === 'json' ? jsonRoute(request, services) : queryRoute(request, services)
}

function jsonRoute({ target, body, method }: RoutedRequest, services: readonly AwsService[]): Route {
  const dot = target === undefined ? -1 : target.lastIndexOf('.')
  const service = services.find(({ targetPrefix }) => target?.slice(0, dot) === targetPrefix)
  const action = target?.slice(dot + 1) ?? ''
  const shape = service === undefined ? undefined : shapeOf(service, action)
  if (method !== 'POST' || service === undefined || shape === undefined) {
    throw new AwsError({ type: 'UnknownOperationException', message: 'The requested operation is not known.' })
  }
  return { service, protocol: 'json', action, shape, params: () => readJson(body, shape.input) }
}

function queryRoute(request: RoutedRequest, services: readonly AwsService[]): Route {
  const { method, path, query, body } = request
  const fields: FormField[] = query === '' ? [] : readForm(query)
  if (method === 'POST') {
    if (!isUtf8(body)) throw malformedQuery('The request body is not valid UTF-8.')
    fields.push(...readForm(body.toString('utf8')))
  }
  const action = fieldNamed(fields, 'Action')
  if (action === undefined || action === '') throw noAction(method)
  const service = chosen({ fields, path, action, scope: request.scope }, services)
  const shape = service === undefined ? undefined : shapeOf(service, action)
  if (service === undefined || shape === undefined) {
    throw new AwsError({
      type: 'InvalidAction',
      message: `The action ${shown(action)} is not valid for this endpoint.`,
    })
  }
  return { service, protocol: 'query', action, shape, params: () => readQuery(fields, shape.input) }
}

/** The version says it; then the signature's scope; then which service has the action. */
function chosen(
  asked: {
    readonly fields: readonly FormField[]
    readonly path: string
    readonly action: string
    readonly scope: CredentialScope | undefined
  },
  services: readonly AwsService[],
): AwsService | undefined {
  const version = fieldNamed(asked.fields, 'Version')
  return (
    services.find((service) => service.version === version) ??
    services.find(({ name }) => name === asked.scope?.service) ??
    services.find((service) => shapeOf(service, asked.action) !== undefined)
  )
}

/** Own ones only: `constructor` is no action. */
function shapeOf({ actions }: AwsService, action: string): ActionShape | undefined {
  return Object.hasOwn(actions, action) ? actions[action] : undefined
}

function fieldNamed(fields: readonly FormField[], name: string): string | undefined {
  return fields.find(([field]) => field === name)?.[1]
}

function noAction(method: string): AwsError {
  if (method === 'POST') {
    return new AwsError({ type: 'MissingAction', message: 'The request must contain the parameter Action.' })
  }
  return new AwsError({
    type: 'UnknownOperationException',
    status: 404,
    message: 'The requested operation is not known.',
  })
}

function shown(action: string): string {
  return action.slice(0, 80)
}
