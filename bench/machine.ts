/** What a reader needs to judge the figures: the class of the machine, the date, the commit. No host name, no path. */
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import process from 'node:process'
import { diskFolder } from './store.ts'

export function describeRun(): string {
  const [cpu] = cpus()
  const gib = Math.round(totalmem() / 2 ** 30)
  const machine = `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${gib} GiB of memory`
  const date = new Date().toISOString().slice(0, 10)
  return [
    `- Machine: ${machine}, ${process.platform} ${process.arch}, Node ${process.version}`,
    `- Data folders: on a disk, in ${diskFolder().name}`,
    `- Date: ${date}; commit: ${commit()}`,
  ].join('\n')
}

function commit(): string {
  try {
    const hash = git('rev-parse', '--short=12', 'HEAD')
    return git('status', '--porcelain', '--', 'src') === '' ? hash : `${hash} and uncommitted changes in src/`
  } catch {
    return 'unknown'
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
}
