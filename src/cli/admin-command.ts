/** What the commands have in common that look into a store: where it is, and how its answers are shown. */
import { existsSync } from 'node:fs'
import process from 'node:process'
import { Command, Option } from 'commander'
import { systemClock } from '../runtime/clock.ts'
import { systemRandom } from '../runtime/random.ts'
import type { AdminAccess } from '../server/admin-access.ts'
import { AdminRefusal } from '../server/admin-refusal.ts'
import { packageVersion } from '../server/version.ts'
import type { Spindle } from '../spindle.ts'
import { warningLog } from './console-log.ts'
import { printable } from './table.ts'
import { UsageError } from './usage.ts'

export interface AdminFlags {
  readonly data?: string
  readonly url?: string
  readonly token?: string
  readonly json?: boolean
}

/** `declare <name>`: the command, then its arguments. */
export function adminCommand(usage: string, summary: string): Command {
  const [name = '', ...parameters] = usage.split(' ')
  const command = new Command(name)
  for (const parameter of parameters) command.argument(parameter)
  return command
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
    .addOption(
      new Option('--data <dir>', 'data folder, opened or joined (SPINDLE_DATA; default: ./data)').conflicts('url'),
    )
    .option('--url <url>', 'a server instead, http://HOST:PORT (SPINDLE_URL)')
    .option('--token <token>', 'of a user of that server; better in SPINDLE_TOKEN, where other users cannot see it')
    .option('--json', 'print JSON')
}

/** A command that only holds others. */
export function commandGroup(name: string, summary: string, commands: readonly Command[]): Command {
  const group = new Command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
  for (const command of commands) group.addCommand(command)
  return group
}

/** Opens what the flags name, runs, and lets go of it. `create`: a folder that is missing is made. */
export async function withAdmin(
  flags: AdminFlags,
  run: (admin: AdminAccess) => Promise<void>,
  { create = false }: { readonly create?: boolean } = {},
): Promise<void> {
  // Not before it is needed: `--help` must not load the engines.
  const { openFolderAdmin, serverAdmin } = await import('../server/admin-access.ts')
  const place = placeOf(flags, process.env)
  const parts = { clock: systemClock, random: systemRandom, log: warningLog, version: packageVersion }
  const admin =
    place.kind === 'server'
      ? serverAdmin(place.url, flags.token ?? process.env['SPINDLE_TOKEN'])
      : await openFolderAdmin(place.folder, { create, ...parts })
  try {
    await run(admin)
  } finally {
    await admin.close()
  }
}

type Place = { readonly kind: 'server'; readonly url: string } | { readonly kind: 'folder'; readonly folder: string }

function placeOf({ data, url }: AdminFlags, environment: Readonly<Record<string, string | undefined>>): Place {
  if (data !== undefined) return { kind: 'folder', folder: data }
  const named = url ?? environment['SPINDLE_URL']
  if (named === undefined) return { kind: 'folder', folder: environment['SPINDLE_DATA'] ?? './data' }
  if (/^https?:\/\/[^/]/.test(named)) return { kind: 'server', url: named }
  if (named.startsWith('file:') && named.length > 5)
    return { kind: 'folder', folder: named.slice(5).replace(/^\/\//, '') }
  throw new UsageError(`--url ${named} must be http://HOST:PORT or file:PATH`)
}

/** For what the admin API does not have: a command on the store itself, wherever that is. */
export function storeCommand(usage: string, summary: string): Command {
  return adminCommand(usage, summary)
}

/** As `withAdmin`, over the client that applications use. */
export async function withStore(flags: AdminFlags, run: (store: Spindle) => Promise<void>): Promise<void> {
  const { open } = await import('../open.ts')
  const place = placeOf(flags, process.env)
  if (place.kind === 'folder' && !existsSync(place.folder))
    throw new AdminRefusal(`there is no data folder ${place.folder}`)
  const token = flags.token ?? process.env['SPINDLE_TOKEN']
  const url = place.kind === 'server' ? place.url : `file:${place.folder}`
  const auth = place.kind === 'server' && token !== undefined ? { auth: { token } } : {}
  const store = await open(url, { log: warningLog, ...auth })
  try {
    await run(store)
  } finally {
    await store.close()
  }
}

/** What was done: JSON for programs, words for people. */
export function tell(flags: { readonly json?: boolean }, value: unknown, words: string): void {
  if (flags.json === true) printJson(value)
  else process.stdout.write(`${printable(words)}\n`)
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** `/queues/${name}/…`, whatever the name holds. */
export function pathTo(...segments: readonly string[]): string {
  return `/${segments.map(encodeURIComponent).join('/')}`
}
