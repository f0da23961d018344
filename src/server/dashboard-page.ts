/** The dashboard under `/dashboard/` of the HTTP port: its files, and the admin API beneath it, so that it may live at any path. */

import { isKnownHost } from '../frontends/admin/guard.ts'
import { fileAnswer } from '../frontends/dashboard/files.ts'
import { dashboardFiles } from './dashboard-files.ts'
import { pathOf } from './http-entry.ts'
import type { HttpHandler } from './http-listener.ts'

const BASE = '/dashboard'

export function dashboardPage({
  admin,
  allowedHosts,
}: {
  readonly admin: HttpHandler
  readonly allowedHosts: readonly string[]
}): HttpHandler {
  return (request, response) => {
    const { url = '/', method = 'GET', headers } = request
    const path = pathOf(url)
    if (path.startsWith(`${BASE}/api/`)) {
      request.url = url.slice(BASE.length)
      admin(request, response)
      return
    }
    const answer = fileAnswer({
      files: dashboardFiles(),
      method,
      path: path.startsWith(`${BASE}/`) ? path.slice(BASE.length) : undefined,
      base: BASE,
      known: isKnownHost(headers.host, allowedHosts),
      header: (name) => {
        const value = headers[name]
        return typeof value === 'string' ? value : undefined
      },
    })
    response.writeHead(answer.status, answer.headers)
    response.end(method === 'HEAD' ? undefined : answer.body)
  }
}
