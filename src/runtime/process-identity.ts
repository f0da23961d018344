/** Names one process for good, as far as the system tells: a pid alone is somebody else's after a while. */
import { readFile } from 'node:fs/promises'

/** `pid boot/start` where /proc shows them, else the pid alone, which proves nothing. */
export async function processIdentity(pid: number): Promise<string> {
  try {
    const [boot, status] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ])
    // The second field is the program's name in parentheses and may hold spaces; state is the third, start time the 22nd.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
    const [state, started] = [fields[0], fields[19]]
    // A zombie has closed everything and only waits for its parent.
    if (started === undefined || state === 'Z' || state === 'X') return String(pid)
    return `${pid} ${boot.trim()}/${started}`
  } catch {
    return String(pid)
  }
}
