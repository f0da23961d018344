import { readlink } from 'node:fs/promises'
import process from 'node:process'
import { processIdentity } from './process-identity.ts'

/** Which processes of this machine still run. */
export interface Processes {
  /** Names this process for `isAlive`, here and in other processes. */
  self(): Promise<string>
  /** undefined: that cannot be told from here: it is of another machine, boot or container, or the system shows no /proc. */
  isAlive(name: string): Promise<boolean | undefined>
}

/** Names are `NAMESPACE PID BOOT/START`. */
export const systemProcesses: Processes = {
  async self() {
    return `${await pidNamespace()} ${await processIdentity(process.pid)}`
  },
  async isAlive(name) {
    const [namespace, pid = '', start = ''] = name.split(' ')
    const boot = start.split('/')[0]
    // A pid means nothing in another container, nor to another machine.
    const [here, , ownStart = ''] = (await systemProcesses.self()).split(' ')
    if (boot === '' || namespace === 'unknown' || namespace !== here || ownStart.split('/')[0] !== boot)
      return undefined
    return (await processIdentity(Number(pid))) === `${pid} ${start}`
  },
}

async function pidNamespace(): Promise<string> {
  try {
    return await readlink('/proc/self/ns/pid')
  } catch {
    return 'unknown'
  }
}
