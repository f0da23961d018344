/** Where a webhook may go: loopback and public addresses, so that nobody's input makes the worker knock on doors of its own network. */
import { SpindleError } from '../model/errors.ts'

const LOOPBACK_NAMES = /^(localhost|.+\.localhost)\.?$/
const IPV4 = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/
/** Global unicast (2000::/3) without Teredo, documentation and 6to4, which can name any IPv4 address. */
const IPV6_PUBLIC = /^(?!2001:0?:|2001:db8:|2002:)[23][0-9a-f]{3}:/

/** The parsed URL. Throws `invalid-argument` for other schemes, credentials, and addresses that are neither loopback nor public. */
export function checkWebhookUrl(webhook: string): URL {
  const refuse = (why: string): never => {
    throw new SpindleError('invalid-argument', `use a webhook URL (${why})`)
  }
  const url = URL.canParse(webhook) ? new URL(webhook) : refuse('it is no absolute URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    refuse(`its scheme is ${url.protocol} but must be http: or https:`)
  if (url.username !== '' || url.password !== '') refuse('it holds credentials, which would be stored and logged')
  const address = addressOf(url)
  if (address !== undefined && !isReachable(address)) refuse(`${address} is neither loopback nor public`)
  return url
}

/** The host's address when the URL spells one out; undefined for names. */
export function addressOf({ hostname }: URL): string | undefined {
  if (hostname.startsWith('[')) return hostname.slice(1, -1)
  return IPV4.test(hostname) ? hostname : undefined
}

export function isLoopbackName({ hostname }: URL): boolean {
  return LOOPBACK_NAMES.test(hostname)
}

/** Loopback or public; `address` as the URL parser and the resolver normalize it. */
export function isReachable(address: string): boolean {
  const octets = IPV4.exec(address)?.slice(1).map(Number)
  if (octets !== undefined) return isReachableIpv4(octets[0] ?? 0, octets[1] ?? 0, octets[2] ?? 0)
  return address === '::1' || IPV6_PUBLIC.test(address)
}

function isReachableIpv4(a: number, b: number, c: number): boolean {
  if (a === 127) return true
  const special =
    a === 0 || // this network
    a === 10 || // private
    (a === 100 && b >= 64 && b < 128) || // carrier-grade NAT
    (a === 169 && b === 254) || // link-local, cloud metadata
    (a === 172 && b >= 16 && b < 32) || // private
    (a === 192 && b === 168) || // private
    (a === 192 && b === 0 && (c === 0 || c === 2)) || // protocol assignments, documentation
    (a === 198 && (b === 18 || b === 19)) || // benchmarking
    a >= 224 // multicast, reserved, broadcast
  return !special
}
