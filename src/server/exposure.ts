/** Who could reach an address, and what must be in place before it is listened on. */
import { isIP } from 'node:net'
import { SpindleError } from '../model/errors.ts'

export interface Exposure {
  readonly host: string
  readonly users: boolean
  readonly tls: boolean
  readonly insecure: boolean
}

export type ExposureVerdict =
  | { readonly kind: 'closed' }
  /** Loopback without users: said at start. */
  | { readonly kind: 'open'; readonly notice: string }
  /** Told to be reachable although something is missing: said in red at each start. */
  | { readonly kind: 'insecure'; readonly warning: string }

/** Throws `exposed`. */
export function judgeExposure({ host, users, tls, insecure }: Exposure): ExposureVerdict {
  if (isLoopback(host)) {
    if (users) return { kind: 'closed' }
    return {
      kind: 'open',
      notice: 'no users: everybody on this machine may do everything (spindle user add changes that)',
    }
  }
  const missing = [...(users ? [] : ['users']), ...(tls ? [] : ['TLS'])].join(' and ')
  if (missing === '') return { kind: 'closed' }
  if (!insecure) throw new SpindleError('exposed', `listen on ${host} without ${missing}`)
  const reach = users ? 'whoever listens on the network can read what is sent' : 'whoever reaches it may do everything'
  return { kind: 'insecure', warning: `INSECURE: listening on ${host} without ${missing}; ${reach}` }
}

export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return isIP(host) === 4 && host.startsWith('127.')
}
