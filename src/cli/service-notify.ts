/**
 * Tells systemd how far a service is (`Type=notify`, sd_notify(3)). Node has no datagrams over Unix sockets, so systemd's own command
 * sends them, which is there wherever NOTIFY_SOCKET is set; the unit says `NotifyAccess=all`, since the word comes from a child.
 */
import { execFile } from 'node:child_process'
import process from 'node:process'
import type { Log } from '../runtime/log.ts'

const PATIENCE_MS = 5_000

/** `READY=1`, `STOPPING=1`, `STATUS=…`. Resolves in any case; nothing happens where no service manager listens. */
export function notifyService(words: readonly string[], log: Log): Promise<void> {
  if ((process.env['NOTIFY_SOCKET'] ?? '') === '') return Promise.resolve()
  return new Promise((resolve) => {
    execFile('systemd-notify', [...words], { timeout: PATIENCE_MS }, (fault) => {
      if (fault !== null) log.warn('the service manager could not be told', { words: words.join(' '), fault })
      resolve()
    })
  })
}
