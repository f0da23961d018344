/**
 * Platform applications and their endpoints, as records. Nothing is pushed to a phone: what is published to an endpoint lands in the
 * outbox. Credentials of platforms are kept only as a hash, since nothing here uses them.
 *
 *   spindle/sns/app/ARN                  one application
 *   spindle/sns/endpoint/ARN-OF-APP|TOKEN-HASH      one endpoint; the hash makes its ARN, so that a token registers once
 */
import { createHash } from 'node:crypto'
import type { Port } from '../../broker/port.ts'
import { type Texts, texts } from './params.ts'
import { decodeRecord, encodeRecord, RECORD_PREFIX } from './record-codec.ts'

export interface Application {
  readonly arn: string
  readonly platform: string
  readonly attributes: Texts
}

export interface Endpoint {
  readonly arn: string
  /** The application's ARN. */
  readonly application: string
  readonly attributes: Texts
}

const APPLICATIONS = `${RECORD_PREFIX}app/`
const ENDPOINTS = `${RECORD_PREFIX}endpoint/`
const PAGE = 500

export async function findApplication(port: Port, arn: string): Promise<Application | undefined> {
  const record = await port.read(APPLICATIONS + arn)
  return record === undefined ? undefined : readable(decodeRecord<Application>(record.value))
}

export async function putApplication(port: Port, application: Application): Promise<void> {
  await port.transact([{ kind: 'record', key: APPLICATIONS + application.arn, value: encodeRecord(application) }])
}

/** Its endpoints go with it. */
export async function removeApplication(port: Port, arn: string): Promise<void> {
  const prefix = endpointsOf(arn)
  for (;;) {
    const page = await port.scan(prefix, { limit: PAGE })
    if (page.length > 0) {
      await port.transact(page.map(({ key }) => ({ kind: 'record', key, value: null }) as const))
    }
    if (page.length < PAGE) break
  }
  await port.transact([{ kind: 'record', key: APPLICATIONS + arn, value: null }])
}

/** Behind the ARN `after`, whose region and account they share. */
export async function applicationsPage(
  port: Port,
  realm: string,
  options: { readonly after: string | undefined; readonly limit: number },
): Promise<Application[]> {
  const { after, limit } = options
  const page = await port.scan(APPLICATIONS + realm, {
    limit,
    ...(after === undefined ? {} : { after: APPLICATIONS + after }),
  })
  return page.map(({ value }) => readable(decodeRecord<Application>(value)))
}

/** `arn:…:endpoint/PLATFORM/NAME/UUID`; the UUID follows from the token. */
export function endpointArn(application: string, token: string): string {
  const hex = createHash('sha256').update(`${application}\n${token}`).digest('hex')
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  return `${application.replace(':app/', ':endpoint/')}/${id}`
}

export async function findEndpoint(port: Port, arn: string): Promise<Endpoint | undefined> {
  const key = keyOfEndpoint(arn)
  const record = key === undefined ? undefined : await port.read(key)
  return record === undefined ? undefined : readable(decodeRecord<Endpoint>(record.value))
}

export async function endpointExists(port: Port, arn: string): Promise<boolean> {
  return (await findEndpoint(port, arn)) !== undefined
}

export async function putEndpoint(port: Port, endpoint: Endpoint): Promise<void> {
  const key = keyOfEndpoint(endpoint.arn)
  if (key === undefined) throw new Error(`'${endpoint.arn}' is not the ARN of an endpoint`)
  await port.transact([{ kind: 'record', key, value: encodeRecord(endpoint) }])
}

export async function removeEndpoint(port: Port, arn: string): Promise<void> {
  const key = keyOfEndpoint(arn)
  if (key !== undefined) await port.transact([{ kind: 'record', key, value: null }])
}

export async function endpointsPage(
  port: Port,
  application: string,
  options: { readonly after: string | undefined; readonly limit: number },
): Promise<Endpoint[]> {
  const { after, limit } = options
  const cursor = after === undefined ? undefined : keyOfEndpoint(after)
  const page = await port.scan(endpointsOf(application), {
    limit,
    ...(cursor === undefined ? {} : { after: cursor }),
  })
  return page.map(({ value }) => readable(decodeRecord<Endpoint>(value)))
}

function endpointsOf(application: string): string {
  return `${ENDPOINTS}${application}|`
}

function keyOfEndpoint(arn: string): string | undefined {
  const parts = /^(arn:[^|]+):endpoint\/([A-Z_]+\/[A-Za-z0-9_.-]+)\/([0-9a-f-]{36})$/.exec(arn)
  return parts === null ? undefined : `${endpointsOf(`${parts[1]}:app/${parts[2]}`)}${parts[3]}`
}

function readable<T extends { readonly attributes: Texts }>(stored: T): T {
  return { ...stored, attributes: texts(Object.entries(stored.attributes)) }
}
