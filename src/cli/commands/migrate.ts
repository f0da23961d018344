/** `spindle migrate`: makes or upgrades the schema of a PostgreSQL store. */
import process from 'node:process'
import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { systemRandom } from '../../runtime/random.ts'
import { tell } from '../admin-command.ts'
import { UsageError } from '../usage.ts'

interface MigrateFlags {
  readonly engine?: string
  readonly schema?: string
  readonly json?: boolean
}

const EXPLAINED = `
Brokers do this by themselves where their role may create a schema. Run it with the owner of the schema before brokers of a new
version start, where theirs may not: docs/concepts/postgres.md lists what they need. Several runs at once are harmless.

Examples:
  spindle migrate --engine postgres://owner@db/app
  DATABASE_URL=postgres://owner@db/app spindle migrate --schema jobs`

export function migrateCommand(): Command {
  return new Command('migrate')
    .summary('make or upgrade the schema of a PostgreSQL store')
    .description('Brings the schema of a PostgreSQL store to the version of this Spindle.')
    .option('--engine <url>', 'postgres://… (default: SPINDLE_ENGINE, then DATABASE_URL)')
    .option('--schema <name>', "the store's schema (default: that of the URL, else spindle)")
    .option('--json', 'print JSON')
    .addHelpText('after', EXPLAINED)
    .action(migrate)
}

async function migrate(flags: MigrateFlags): Promise<void> {
  const { engine, schema } = flags
  const url = [engine, process.env['SPINDLE_ENGINE'], process.env['DATABASE_URL']].find((given) =>
    given?.includes('://'),
  )
  if (url === undefined) throw new UsageError('migrate needs a URL: --engine postgres://…, or DATABASE_URL')
  const { migrateStore } = await import('../../server/migrate.ts')
  const { from, to } = await migrateStore(url, {
    clock: systemClock,
    random: systemRandom,
    ...(schema === undefined ? {} : { schema }),
  })
  const told =
    from === to ? `the schema has version ${to} already` : `the schema was brought from version ${from} to ${to}`
  tell(flags, { from, to }, told)
}
