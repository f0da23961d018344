/** `spindle backup` and `spindle restore`: a consistent copy of a data folder while it is in use, and the way back. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { Command } from 'commander'
import { consoleLog } from '../console-log.ts'
import { duration, wholeNumber } from '../options.ts'
import { progressBar } from '../progress-bar.ts'
import { UsageError } from '../usage.ts'

const BACKUP_EXAMPLES = `
The folder may be in use: whoever works on it notices nothing, and everything that was acknowledged before the backup began is in it. With
--into, backups of one folder share what did not change (hard links), so that one a minute costs
what a minute brought, and each is a moment to go back to.

Examples:
  spindle backup /backups/monday
  spindle backup --into /backups --every 1m --keep 120
  spindle restore /backups/2026-11-28T17-30-00Z --data ./data`

interface BackupFlags {
  readonly data?: string
  readonly into?: string
  readonly every?: number
  readonly keep?: number
  readonly json?: boolean
}

export function backupCommand(): Command {
  return new Command('backup')
    .summary('copy a data folder while it is in use')
    .description('Copies a data folder, consistently, while it is in use.')
    .argument('[folder]', 'where the backup goes; must not exist')
    .option('--data <dir>', 'data folder (SPINDLE_DATA; default: ./data)')
    .option('--into <dir>', 'make a backup named by the time in here, sharing with the one before')
    .option('--every <time>', 'with --into: again and again, such as 1m', duration)
    .option('--keep <n>', 'with --into: the latest n; older ones are removed', wholeNumber(1))
    .option('--json', 'print JSON')
    .addHelpText('after', BACKUP_EXAMPLES)
    .action(backup)
}

export function restoreCommand(): Command {
  return new Command('restore')
    .summary('make a data folder from a backup')
    .description('Makes a data folder from a backup. The backup stays as it is.')
    .argument('<backup>', 'a folder that spindle backup made')
    .option('--data <dir>', 'data folder to make; must not exist (SPINDLE_DATA; default: ./data)')
    .option('--json', 'print JSON')
    .action(async (from: string, flags: BackupFlags) => {
      const { restore } = await import('../../server/backup.ts')
      const to = resolve(flags.data ?? process.env['SPINDLE_DATA'] ?? './data')
      await measured('restored', { ...flags, to }, (progress) => restore({ from: resolve(from), to, progress }))
    })
}

async function backup(folder: string | undefined, flags: BackupFlags): Promise<void> {
  const from = resolve(flags.data ?? process.env['SPINDLE_DATA'] ?? './data')
  if ((folder === undefined) === (flags.into === undefined)) throw new UsageError('say where: a folder, or --into')
  const { backUp } = await import('../../server/backup.ts')
  if (folder !== undefined) {
    const to = resolve(folder)
    await measured('backed up', { ...flags, to }, (progress) => backUp({ from, to, progress }))
    return
  }
  const into = resolve(flags.into ?? '')
  await mkdir(into, { recursive: true, mode: 0o700 })
  for (;;) {
    const base = (await backupsIn(into)).at(-1)
    const to = join(into, new Date().toISOString().replaceAll(':', '-').replace(/\.\d+/, ''))
    await measured('backed up', { ...flags, to }, (progress) =>
      backUp({ from, to, progress, ...(base === undefined ? {} : { base: join(into, base) }) }),
    )
    if (flags.keep !== undefined) {
      for (const old of (await backupsIn(into)).slice(0, -flags.keep)) await rm(join(into, old), { recursive: true })
    }
    if (flags.every === undefined) return
    await pause(flags.every)
  }
}

const NAMED_BY_TIME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/

async function backupsIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => NAMED_BY_TIME.test(name)).sort()
}

async function measured(
  verb: string,
  { json, to }: { readonly json?: boolean; readonly to: string },
  run: (
    progress: (progress: { readonly copiedBytes: number; readonly totalBytes: number }) => void,
  ) => Promise<{ readonly segments: number; readonly linked: number; readonly copiedBytes: number }>,
): Promise<void> {
  const bar = progressBar(json === true ? 'off' : verb)
  const startedMs = performance.now()
  const report = await run(({ copiedBytes, totalBytes }) => bar.show(copiedBytes, totalBytes))
  bar.end()
  const tookMs = Math.round(performance.now() - startedMs)
  if (json === true) process.stdout.write(`${JSON.stringify({ ...report, to, tookMs })}\n`)
  else {
    const shared = report.linked === 0 ? '' : `, ${report.linked} of them shared`
    consoleLog.info(
      `${verb} ${to}: ${report.segments} segments${shared}, ${(report.copiedBytes / 1e6).toFixed(1)} MB read in ${tookMs} ms`,
    )
  }
}
