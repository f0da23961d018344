/**
 * The names of a queue: URL, ARN, and the name under which the store has it.
 *
 *   http://HOST/ACCOUNT/NAME                     default region
 *   http://HOST/queue/REGION/ACCOUNT/NAME        any region
 *   http://sqs.REGION.HOST/ACCOUNT/NAME, http://REGION.queue.HOST/ACCOUNT/NAME    understood, not given out
 *   NAME                                         region and account of the request
 */
import { type Address, addressIn, type HomeRealm, storeName } from '../aws/realm.ts'
import { invalidParameter, queueDoesNotExist } from './errors.ts'

export { type Address as QueueAddress, type HomeRealm, storeName }

/** Where an address came from says how sure its region is. */
export interface ParsedQueueUrl extends Address {
  /** The URL named the region itself. */
  readonly isRegionNamed: boolean
}

const NAME = /^[A-Za-z0-9_-]{1,80}$/
const FIFO_NAME = /^[A-Za-z0-9_-]{1,75}\.fifo$/
const REGION = /^[a-z0-9-]{1,32}$/
const ACCOUNT = /^[0-9]{12}$/
/** Only what looks like a region: `sqs.example.com` names none. */
const HOST_REGION =
  /^(?:sqs(?:-fips)?\.([a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2})\.|([a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2})\.queue\.)/

export function isQueueName(name: string): boolean {
  return NAME.test(name) || FIFO_NAME.test(name)
}

export function isFifoName(name: string): boolean {
  return name.endsWith('.fifo')
}

/** undefined: a queue of another protocol's namespace, or one whose name SQS cannot say. */
export function addressOfStoreName(store: string, home: HomeRealm): Address | undefined {
  const address = addressIn(store, home)
  return isQueueName(address.name) ? address : undefined
}

export function queueUrl({ region, account, name }: Address, baseUrl: string, home: HomeRealm): string {
  return region === home.region ? `${baseUrl}/${account}/${name}` : `${baseUrl}/queue/${region}/${account}/${name}`
}

export function queueArn({ region, account, name }: Address): string {
  return `arn:aws:sqs:${region}:${account}:${name}`
}

/** Throws `InvalidParameterValue` naming `parameter`. */
export function parseQueueArn(arn: string, parameter: string): Address {
  const parts = /^arn:[a-z-]+:sqs:([a-z0-9-]{1,32}):([0-9]{12}):([A-Za-z0-9_.-]+)$/.exec(arn)
  if (parts === null || !isQueueName(parts[3] as string)) {
    const format = 'arn:<partition>:<service>:<region>:<account-id>:<resource-id>'
    throw invalidParameter(`You must use this format to specify the ${parameter}: ${format}`)
  }
  return { region: parts[1] as string, account: parts[2] as string, name: parts[3] as string }
}

/** Any scheme, host and port; throws `QueueDoesNotExist` for what cannot name a queue. `here`: region and account of the request. */
export function parseQueueUrl(url: string, here: HomeRealm): ParsedQueueUrl {
  if (url.length > 2_048) throw queueDoesNotExist()
  const scheme = url.indexOf('://')
  const slash = scheme < 0 ? (url.startsWith('/') ? 0 : -1) : url.indexOf('/', scheme + 3)
  const isUrl = scheme >= 0 || slash === 0
  const path = isUrl ? (slash < 0 ? '' : url.slice(slash + 1)) : url
  const parts = path.split('/').filter((part) => part !== '')
  const name = parts.at(-1) ?? ''
  if (!isQueueName(name)) throw queueDoesNotExist()
  if (!isUrl && parts.length === 1) return { ...here, name, isRegionNamed: true }
  const account = parts.at(-2) ?? here.account
  const hostRegion = scheme < 0 ? undefined : regionOfHost(url.slice(scheme + 3, slash < 0 ? undefined : slash))
  const region = parts.length === 4 && parts[0] === 'queue' ? parts[1] : hostRegion
  if (!ACCOUNT.test(account) || (region !== undefined && !REGION.test(region)) || parts.length > 4) {
    throw queueDoesNotExist()
  }
  return { region: region ?? here.region, account, name, isRegionNamed: region !== undefined }
}

function regionOfHost(host: string): string | undefined {
  const found = HOST_REGION.exec(host)
  return found === null ? undefined : (found[1] ?? found[2])
}
