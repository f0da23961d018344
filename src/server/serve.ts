/**
 * One broker process: a store, its users, and the listeners of every front end.
 *
 *   opening -> declaring -> listening -> draining -> stopped
 *
 * Draining: nothing new is accepted, waits are answered empty, requests under way finish (up to `drainMs`), then the store closes.
 */
import { StoredAudit } from '../broker/audit.ts'
import type { Port } from '../broker/port.ts'
import { StoredUsers, type Users } from '../broker/users.ts'
import { ALL_GRANTED } from '../model/access.ts'
import type { SpindleError } from '../model/errors.ts'
import { open } from '../open.ts'
import { DiskMeter } from '../runtime/measured-disk.ts'
import { Certificates } from './certificates.ts'
import { declare } from './declare.ts'
import { drainingPort } from './draining-port.ts'
import { type ExposureVerdict, isLoopback, judgeExposure } from './exposure.ts'
import { frontEnds, type Listening } from './front-ends.ts'
import { type ServeParts, type ServeSettings, storeUrl } from './settings.ts'
import { watchStore } from './store-watch.ts'
import { taskDesk } from './task-desk.ts'

export interface Server {
  readonly port: Port
  readonly users: Users
  /** In the order of the settings: HTTP ports, then AMQP, then management. */
  readonly listening: readonly Listening[]
  readonly exposure: ExposureVerdict
  /** The token of the user made by `initAdmin`; told once. */
  readonly adminToken: string | undefined
  /** Resolves when the store can promise nothing any more; `stop` then. */
  readonly failed: Promise<SpindleError>
  /** Looks at the certificate's files now; they are looked at every ten seconds anyway. Never rejects. */
  renewCertificates(): Promise<void>
  /** Drains and stops. Idempotent. */
  stop(drainMs: number): Promise<void>
}

/** Rejects with what is wrong: `exposed`, `listen-failed`, `invalid-argument`, or what the store says. Nothing is left open then. */
export async function startServer(settings: ServeSettings, parts: ServeParts): Promise<Server> {
  const { clock, random, log } = parts
  const diskMeter = new DiskMeter(clock)
  const url = storeUrl(settings.data)
  const store = await open(url, { ...parts, limits: settings.limits, diskMeter })
  const opened: (() => Promise<void> | void)[] = [() => store.close()]
  try {
    const users = await StoredUsers.open({ port: store.port, clock, random, log })
    opened.push(() => users.close())
    const audit = new StoredAudit({ port: store.port, clock, log })
    await declare(settings.declarations, { port: store.port, users })
    const { host, tls, insecure } = settings
    const makesAdmin = settings.initAdmin && !users.configured()
    const exposure = judgeExposure({ host, users: users.configured() || makesAdmin, tls: tls !== undefined, insecure })
    if (makesAdmin || (exposure.kind === 'closed' && !isLoopback(host))) users.neverOpen()
    const { port, endWaits } = drainingPort(store.port)
    const certificates = tls && new Certificates(tls, parts)
    const fronts = await frontEnds(settings, {
      ...parts,
      port,
      users,
      audit,
      diskMeter,
      desk: taskDesk(store),
      ...(certificates && { tls: certificates }),
    })
    opened.push(() => fronts.close(0))
    certificates?.watch()
    // Last, when nothing can fail any more: a token that nobody was told would lock everybody out.
    const adminToken = makesAdmin ? await makeAdmin(users) : undefined
    let endWatch = (): void => {}
    const failed = new Promise<SpindleError>((resolve) => {
      endWatch = watchStore({ port: store.port, clock, failed: resolve })
    })
    let stopping: Promise<void> | undefined
    const stop = async (drainMs: number): Promise<void> => {
      endWatch()
      certificates?.close()
      const drained = fronts.close(drainMs)
      endWaits()
      await drained
      users.close()
      await store.close()
    }
    return {
      port: store.port,
      users,
      listening: fronts.listening,
      exposure,
      adminToken,
      failed,
      async renewCertificates() {
        await certificates?.reload()
      },
      stop(drainMs) {
        stopping ??= stop(drainMs)
        return stopping
      },
    }
  } catch (fault) {
    for (const close of opened.reverse()) await close()
    throw fault
  }
}

async function makeAdmin(users: Users): Promise<string> {
  await users.put('admin', { grants: ALL_GRANTED, tags: ['administrator'] })
  return users.addToken('admin')
}
