import { SpindleError } from '../model/errors.ts'

/** `file:./data`, `file:data` and `file:///var/data` alike; percent escapes only in the last form, as URLs have them. */
export function folderOf(url: string): string {
  if (url.startsWith('file://')) {
    const { pathname, host } = new URL(url)
    if (host !== '' && host !== 'localhost')
      throw new SpindleError('unknown-url', `open '${url}' (a folder of another host)`)
    return decodeURIComponent(pathname)
  }
  const path = url.slice('file:'.length)
  if (path === '') throw new SpindleError('unknown-url', "open 'file:' (no path; say file:./data)")
  return path
}
