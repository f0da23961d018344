/** Puts every front end on its socket. */
import type { Server as TlsServer } from 'node:tls'
import type { Audit } from '../broker/audit.ts'
import type { Port } from '../broker/port.ts'
import type { Users } from '../broker/users.ts'
import { REMOTE_PATH } from '../client/remote/network-port.ts'
import { adminFrontend } from '../frontends/admin/admin-frontend.ts'
import type { TaskDesk } from '../frontends/admin/admin-parts.ts'
import type { ConnectionInfo } from '../frontends/admin/api.ts'
import { listenAmqp } from '../frontends/amqp/listen.ts'
import type { ConnectionView, Registry } from '../frontends/amqp/registry.ts'
import { audited } from '../frontends/aws/audited.ts'
import { awsFrontend, BODY_BYTES_MAX } from '../frontends/aws/aws-frontend.ts'
import { verifySignatures } from '../frontends/aws/verify-signature.ts'
import { managementFrontend } from '../frontends/management/management-frontend.ts'
import { type SnsService, snsService } from '../frontends/sns/sns-service.ts'
import { openSqs } from '../frontends/sqs/sqs-service.ts'
import { defaultLimits } from '../model/limits.ts'
import type { DiskMeter } from '../runtime/measured-disk.ts'
import { outboundHttp } from '../runtime/outbound-http.ts'
import type { Certificates } from './certificates.ts'
import { dashboardPage } from './dashboard-page.ts'
import { forPrograms } from './for-programs.ts'
import { httpEntry } from './http-entry.ts'
import { type HttpHandler, type ListenOptions, listenFault, listenHttp, urlOf } from './http-listener.ts'
import { processFigures } from './process-figures.ts'
import { Readiness } from './readiness.ts'
import { RemoteClients } from './remote-clients.ts'
import { serverFigures } from './server-figures.ts'
import { type ServeParts, type ServeSettings, storeUrl } from './settings.ts'

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
  readonly desk: TaskDesk
  readonly port: Port
  readonly users: Users
  readonly audit: Audit
  readonly diskMeter: DiskMeter
  /** Absent: in the clear. */
  readonly tls?: Certificates
}

interface Opened extends Listening {
  connections(): number
  close(drainMs: number): Promise<void>
}

/** All of them listen, or it rejects and none does. */
export async function frontEnds(settings: ServeSettings, parts: FrontEndParts): Promise<FrontEnds> {
  const { allowedHosts, allowedOrigins, ports, amqpPort, managementPort } = settings
  const { port, clock, version } = parts
  const readiness = new Readiness({ port, clock })
  const opened: Opened[] = []
  const figures = serverFigures({ url: storeUrl(settings.data), clock, diskMeter: parts.diskMeter })
  let registry: Registry | undefined
  const admin = adminFrontend({
    ...parts,
    allowedHosts,
    processFigures: () => processFigures(version),
    serverFigures: () => figures.read(opened),
    connections: () => (registry?.connections() ?? []).map(connectionInfo),
    readOnly: settings.dashboard === 'readOnly',
  })
  const page = settings.dashboard === 'off' ? undefined : dashboardPage({ admin: admin.handle, allowedHosts })
  const aws = await awsServices(settings, parts)
  const rest = forPrograms(aws.handler, allowedHosts)
  const handler = httpEntry({ version, readiness, admin: admin.handle, rest, ...(page && { page }) })
  const remote = await RemoteClients.open({ ...parts, allowedHosts, allowedOrigins })
  const upgrade = { path: REMOTE_PATH, handler: remote.upgrade.bind(remote) }
  const close = async (drainMs: number): Promise<void> => {
    readiness.drain()
    admin.close()
    figures.close()
    // At once: whoever waits is to ask the next server rather than be told that there is nothing.
    const drained = remote.drain(drainMs)
    await Promise.all(opened.map((one) => one.close(drainMs)))
    await drained
    await aws.sns.stop()
  }
  try {
    for (const wanted of ports) opened.push(await http(wanted, { handler, upgrade, settings, parts }))
    if (amqpPort !== null) {
      const listener = await amqp(amqpPort, { settings, parts })
      registry = listener.registry
      opened.push(listener)
    }
    if (managementPort !== null) {
      opened.push(await management(managementPort, { settings, parts, registry, opened }))
    }
    await aws.sns.start()
  } catch (fault) {
    await close(0)
    throw fault
  }
  return { listening: opened.map(({ kind, url }) => ({ kind, url })), close }
}

async function http(
  wanted: number,
  how: {
    readonly handler: HttpHandler
    readonly upgrade?: ListenOptions['upgrade']
    readonly settings: ServeSettings
    readonly parts: FrontEndParts
  },
): Promise<Opened> {
  const { handler, upgrade, settings, parts } = how
  const { host, connectionsMax } = settings
  const { log, tls } = parts
  const options = { host, port: wanted, handler, connectionsMax, log, ...(tls === undefined ? {} : { tls }) }
  const listener = await listenHttp(upgrade === undefined ? options : { ...options, upgrade })
  return {
    kind: 'http',
    url: listener.url,
    connections: listener.connections,
    close: (drainMs) => listener.close(drainMs),
  }
}

async function amqp(
  wanted: number,
  { settings, parts }: { settings: ServeSettings; parts: FrontEndParts },
): Promise<Opened & { readonly registry: Registry }> {
  const { host, insecure, limits } = settings
  const { tls, ...rest } = parts
  const secure =
    tls === undefined ? {} : { tls: tls.options(), secured: (server: TlsServer): void => tls.attach(server) }
  try {
    const listener = await listenAmqp({
      ...rest,
      limits: { ...defaultLimits, ...limits },
      host,
      listenPort: wanted,
      insecure,
      ...secure,
    })
    const { address, registry } = listener
    const url = urlOf(tls === undefined ? 'amqp' : 'amqps', { address: address.host, port: address.port })
    return {
      kind: 'amqp',
      url,
      registry,
      connections: () => registry.size,
      close: (drainMs) => listener.close({ drainMs }),
    }
  } catch (cause) {
    throw listenFault(cause, `${host}:${wanted}`)
  }
}

async function management(
  wanted: number,
  {
    settings,
    parts,
    registry,
    opened,
  }: {
    readonly settings: ServeSettings
    readonly parts: FrontEndParts
    readonly registry: Registry | undefined
    readonly opened: readonly Listening[]
  },
): Promise<Opened> {
  const { insecure, allowedHosts } = settings
  const listeners = () =>
    opened.map(({ kind, url }) => {
      const { hostname, port } = new URL(url)
      return { protocol: kind === 'management' ? 'http' : kind, host: hostname, port: Number(port) }
    })
  const front = managementFrontend({ ...parts, registry, insecure, listeners })
  const handler = forPrograms(front.handle, allowedHosts)
  const { url, connections, close } = await http(wanted, { handler, settings, parts })
  return {
    kind: 'management',
    url,
    connections,
    async close(drainMs) {
      await close(drainMs)
      front.close()
    },
  }
}

async function awsServices(
  { aws }: ServeSettings,
  parts: FrontEndParts,
): Promise<{ readonly handler: HttpHandler; readonly sns: SnsService }> {
  const { port, clock, random, log, users, audit } = parts
  const { region, account, limits: awsLimits, messageBytesMax, sixtySecondRules, httpSubscriptions } = aws
  const rules = { messageBytesMax, awsLimits, sixtySecondRules }
  const sqs = await openSqs({ port, clock, random, region, account, ...rules })
  const sns = snsService({
    port,
    clock,
    random,
    log,
    home: { region, account },
    ...(httpSubscriptions === 'off' ? {} : { outbound: outboundHttp({ reach: httpSubscriptions }) }),
  })
  const authorize = verifySignatures({ keys: users, clock })
  return {
    handler: awsFrontend({
      services: [audited(sqs, audit), audited(sns, audit)],
      clock,
      random,
      log,
      authorize,
      region,
      account,
      bodyBytesMax: Math.max(BODY_BYTES_MAX, 8 * messageBytesMax),
    }),
    sns,
  }
}

function connectionInfo(view: ConnectionView): ConnectionInfo {
  const { name, user, peer, state, connectedAtMs, clientProperties, channels } = view
  const client = [clientProperties['product'], clientProperties['version']].filter((one) => one !== undefined).join(' ')
  return {
    name,
    protocol: 'amqp',
    user,
    peer: `${peer.host}:${peer.port}`,
    state,
    connectedAtMs,
    client: clientProperties['connection_name'] ?? (client === '' ? null : client),
    channels: channels.length,
    leases: channels.reduce((sum, { unacknowledged }) => sum + unacknowledged, 0),
    consumers: channels.flatMap(({ consumers }) =>
      consumers.map(({ tag, queue, prefetch }) => ({ tag, queue, prefetch })),
    ),
  }
}
