/** Where a webhook may go: loopback and public addresses, so that nobody's input makes the worker knock on doors of its own network. */
import { SpindleError } from '../model/errors.ts'
import { isLocalOrPublicAddress } from '../runtime/public-address.ts'

const IPV4 = /^\d+(\.\d+){3}$/

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
  if (address !== undefined && !isLocalOrPublicAddress(address)) refuse(`${address} is neither loopback nor public`)
  return url
}

/** The host's address when the URL spells one out; undefined for names. */
function addressOf({ hostname }: URL): string | undefined {
  if (hostname.startsWith('[')) return hostname.slice(1, -1)
  return IPV4.test(hostname) ? hostname : undefined
}
