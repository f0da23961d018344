/** Puts every front end on its socket. */
import type { Port } from '../broker/port.ts'
import type { Users } from '../broker/users.ts'
import { adminFrontend } from '../frontends/admin/admin-frontend.ts'
import { awsFrontend } from '../frontends/aws/aws-frontend.ts'
import { verifySignatures } from '../frontends/aws/verify-signature.ts'
import { openSqs } from '../frontends/sqs/sqs-service.ts'
import { forPrograms } from './for-programs.ts'
import { httpEntry } from './http-entry.ts'
import { type HttpListener, listenHttp } from './http-listener.ts'
import { processFigures } from './process-figures.ts'
import { Readiness } from './readiness.ts'
import type { ServeParts, ServeSettings } from './settings.ts'

export interface Listening {
  readonly kind: 'http' | 'amqp' | 'management'
  readonly url: string
}

export interface FrontEnds {
  readonly listening: readonly Listening[]
  /** Accepts nothing new, lets what is under way finish up to `drainMs`. */
  close(drainMs: number): Promise<void>
}

interface FrontEndParts extends ServeParts {
  readonly port: Port
  readonly users: Users
}

/** All of them listen, or it rejects and none does. */
export async function frontEnds(settings: ServeSettings, parts: FrontEndParts): Promise<FrontEnds> {
  const { host, tls, connectionsMax, allowedHosts } = settings
  const { port, clock, log, version } = parts
  const readiness = new Readiness({ port, clock })
  const admin = adminFrontend({ ...parts, allowedHosts, processFigures: () => processFigures(version) })
  const rest = forPrograms(await aws(settings, parts), allowedHosts)
  const handler = httpEntry({ version, readiness, admin: admin.handle, rest })
  const opened: { readonly kind: Listening['kind']; readonly listener: HttpListener }[] = []
  const close = async (drainMs: number): Promise<void> => {
    readiness.drain()
    admin.close()
    await Promise.all(opened.map(({ listener }) => listener.close(drainMs)))
  }
  try {
    for (const wanted of settings.ports) {
      const options = { host, port: wanted, handler, connectionsMax, log, ...(tls === undefined ? {} : { tls }) }
      opened.push({ kind: 'http', listener: await listenHttp(options) })
    }
  } catch (fault) {
    await close(0)
    throw fault
  }
  return { listening: opened.map(({ kind, listener }) => ({ kind, url: listener.url })), close }
}

async function aws({ aws: { region, account, limits, sixtySecondRules } }: ServeSettings, parts: FrontEndParts) {
  const { port, clock, random, log, users } = parts
  const sqs = await openSqs({ port, clock, random, region, account, awsLimits: limits, sixtySecondRules })
  const authorize = verifySignatures({ keys: users, clock })
  return awsFrontend({ services: [sqs], random, log, authorize, region, account })
}
