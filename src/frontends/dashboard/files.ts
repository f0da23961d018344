/** The files of the dashboard as answers of HTTP, whatever carries them. Nothing of another origin is loaded, nothing inline runs. */

export interface DashboardFile {
  readonly type: string
  readonly bytes: Uint8Array
  /** Present where it is smaller. */
  readonly gzip: Uint8Array | undefined
  readonly etag: string
}

/** By path below the folder: `index.html`, `assets/index-abc.js`. */
export type DashboardFiles = ReadonlyMap<string, DashboardFile>

export interface FileQuestion {
  readonly files: DashboardFiles
  readonly method: string
  /** Below the base: `/assets/x.js`. undefined: the base was asked for without its slash, or from above. */
  readonly path: string | undefined
  readonly base: string
  /** Is the name by which it was called one of this server? */
  readonly known: boolean
  /** By its name in lower case. */
  readonly header: (name: string) => string | undefined
}

export interface FileAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array<ArrayBuffer> | string
}

/** `style-src 'self'` lets scripts set single styles of elements, but no text of a message can become one. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

export const SAFE_HEADERS = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
} as const

export function fileAnswer({ files, method, path, base, known, header }: FileQuestion): FileAnswer {
  if (!known) return words(403, 'The dashboard is called by an address or a local name, or one of allowedHosts.')
  if (method !== 'GET' && method !== 'HEAD') return words(405, 'The dashboard is for GET.', { Allow: 'GET, HEAD' })
  if (path === undefined) return { status: 302, headers: { ...SAFE_HEADERS, Location: `${base}/` }, body: '' }
  if (files.size === 0) return words(503, 'The dashboard was not built: run `npm run build`.')
  const file = files.get(path === '/' ? 'index.html' : path.slice(1))
  if (file === undefined) return words(404, 'The dashboard has no such file.')
  // Their names hold a digest of what they say.
  const forEver = path.startsWith('/assets/')
  const headers: Record<string, string> = {
    ...SAFE_HEADERS,
    'Content-Type': file.type,
    'Cache-Control': forEver ? 'public, max-age=31536000, immutable' : 'no-cache',
    ETag: file.etag,
    Vary: 'Accept-Encoding',
  }
  if (header('if-none-match') === file.etag) return { status: 304, headers, body: '' }
  const zipped = file.gzip !== undefined && /\bgzip\b/.test(header('accept-encoding') ?? '')
  const body = new Uint8Array(zipped && file.gzip !== undefined ? file.gzip : file.bytes)
  if (zipped) headers['Content-Encoding'] = 'gzip'
  headers['Content-Length'] = String(body.length)
  return { status: 200, headers, body }
}

function words(status: number, text: string, more: Readonly<Record<string, string>> = {}): FileAnswer {
  return {
    status,
    headers: { ...SAFE_HEADERS, 'Content-Type': 'text/plain; charset=utf-8', ...more },
    body: `${text}\n`,
  }
}
