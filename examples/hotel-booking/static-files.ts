/** The page's own files: three, known by name, so that no path of a request ever reaches the disk. */
import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { HttpError } from './requests.ts'

const files: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '': ['index.html', 'text/html; charset=utf-8'],
  'style.css': ['style.css', 'text/css; charset=utf-8'],
  'app.js': ['app.js', 'text/javascript; charset=utf-8'],
  'favicon.svg': ['favicon.svg', 'image/svg+xml'],
}

export async function sendStatic(response: ServerResponse, name: string): Promise<void> {
  const found = files[name]
  if (found === undefined) throw new HttpError(404, 'There is nothing here.')
  const [file, type] = found
  const content = await readFile(new URL(`./public/${file}`, import.meta.url))
  response.writeHead(200, { 'content-type': type, 'content-length': content.byteLength }).end(content)
}
