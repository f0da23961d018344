/**
 * A guard before front ends that programs call. A browser that was led here by a name which an attacker points at loopback (DNS
 * rebinding) sends that name as its host; programs may use any name, as AWS's own and those of containers.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isKnownHost } from '../frontends/admin/guard.ts'
import type { HttpHandler } from './http-listener.ts'

export function forPrograms(handler: HttpHandler, allowedHosts: readonly string[]): HttpHandler {
  return (request, response) => {
    const { headers } = request
    if (!isFromBrowser(headers) || isKnownHost(headers.host, allowedHosts)) {
      handler(request, response)
      return
    }
    request.resume()
    const text = JSON.stringify({ title: 'Pages may call this by an address or a local name only.', status: 403 })
    response.writeHead(403, { 'Content-Type': 'application/problem+json', 'Content-Length': Buffer.byteLength(text) })
    response.end(text)
  }
}

/** Every browser sends one of these with whatever a page asks of it. */
function isFromBrowser(headers: IncomingHttpHeaders): boolean {
  return (
    headers.origin !== undefined ||
    headers['sec-fetch-site'] !== undefined ||
    headers['accept-language'] !== undefined ||
    headers['user-agent']?.startsWith('Mozilla/') === true
  )
}
