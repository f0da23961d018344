/**
 * The admin API for programs on this side: of a server, by its URL, or of a data folder, which is opened or joined for as long as it
 * takes. Both answer the same calls with the same JSON.
 */
import { existsSync } from 'node:fs'
import { StoredAudit } from '../broker/audit.ts'
import { StoredUsers } from '../broker/users.ts'
import { adminService } from '../frontends/admin/admin-service.ts'
import { HttpFault } from '../frontends/admin/problem.ts'
import { type ErrorCode, errorCatalogue, SpindleError } from '../model/errors.ts'
import { open } from '../open.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { AdminRefusal } from './admin-refusal.ts'
import { processFigures } from './process-figures.ts'
import { taskDesk } from './task-desk.ts'

export { bindingId } from '../broker/port.ts'
export type * from '../frontends/admin/api.ts'

export interface AdminAccess {
  /** `path` after `/api/v1`. Resolves to the answer's JSON; undefined: it had none. Rejects `SpindleError` or `AdminRefusal`. */
  call(method: string, path: string, options?: CallOptions): Promise<unknown>
  close(): Promise<void>
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
}

interface AccessParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly version: string
}

/** Rejects `AdminRefusal` when the folder is missing (and `create` is not true), or with what the store says. */
export async function openFolderAdmin(
  folder: string,
  { create, ...parts }: AccessParts & { readonly create: boolean },
): Promise<AdminAccess> {
  const { clock, random, log, version } = parts
  if (!create && !existsSync(folder)) throw new AdminRefusal(`there is no data folder ${folder}`)
  const store = await open(`file:${folder}`, { clock, random, log })
  const { port } = store
  const users = await StoredUsers.open({ port, clock, random, log })
  const audit = new StoredAudit({ port, clock, log: { ...log, info() {} } })
  const service = adminService(
    { port, users, audit, clock, processFigures: () => processFigures(version), desk: taskDesk(store) },
    log,
  )
  return {
    async call(method, path, { query, body } = {}) {
      try {
        return (await service.answer({ method, path, query: new URLSearchParams(queryOf(query)), body, from: null }))
          .body
      } catch (fault) {
        if (fault instanceof HttpFault) throw new AdminRefusal(fault.message, { cause: fault })
        throw fault
      }
    },
    async close() {
      service.close()
      users.close()
      await store.close()
    },
  }
}

/** `token`: of a user of that server, where it has users. */
export function serverAdmin(url: string, token: string | undefined): AdminAccess {
  const base = `${url.replace(/\/+$/, '')}/api/v1`
  return {
    async call(method, path, { query, body } = {}) {
      const asked = queryOf(query)
      const response = await answerOf(`${base}${path}${asked === '' ? '' : `?${asked}`}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (!response.ok) throw refusalOf(text, `${method} ${base}${path} was answered with ${response.status}`)
      return text === '' ? undefined : (JSON.parse(text) as unknown)
    },
    close: () => Promise.resolve(),
  }
}

async function answerOf(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause)
    throw new AdminRefusal(`no server answers at ${new URL(url).origin} (${reason})`, { cause })
  }
}

function refusalOf(text: string, otherwise: string): Error {
  try {
    const { code, title, detail } = JSON.parse(text) as { code?: string; title?: string; detail?: string }
    if (code !== undefined && Object.hasOwn(errorCatalogue, code)) {
      return new SpindleError(code as ErrorCode, detail ?? otherwise)
    }
    return new AdminRefusal(title ?? otherwise)
  } catch {
    return new AdminRefusal(otherwise)
  }
}

function queryOf(query: CallOptions['query'] = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString()
}
