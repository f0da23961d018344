/** `spindle audit`: who changed what, the latest first. */
import type { Command } from 'commander'
import type { AuditInfo, Page } from '../../server/admin-access.ts'
import { type AdminFlags, adminCommand, printJson, withAdmin } from '../admin-command.ts'
import { wholeNumber } from '../options.ts'
import { printTable } from '../table.ts'

const EXAMPLES = `
The latest 10,000 administrative acts are kept with the store, whichever way they came: dashboard, commands, SQS, SNS, AMQP.

Examples:
  spindle audit
  spindle audit --by ada --limit 20
  spindle audit --text users --json`

export function auditCommand(): Command {
  return adminCommand('audit', 'show who changed what, the latest first')
    .option('--limit <n>', 'acts to show (default: 50)', wholeNumber(1))
    .option('--by <user>', 'only acts of this user')
    .option('--text <words>', 'only acts that hold these words')
    .addHelpText('after', EXAMPLES)
    .action((flags: AuditFlags) =>
      withAdmin(flags, async (admin) => {
        const { limit = 50, by, text } = flags
        const { items } = (await admin.call('GET', '/audit', { query: { limit, by, text } })) as Page<AuditInfo>
        if (flags.json === true) printJson(items)
        else {
          printTable(items, [
            { title: 'WHEN', of: ({ atMs }) => new Date(atMs).toISOString() },
            { title: 'BY', of: ({ by: user }) => user },
            { title: 'FROM', of: ({ from }) => from },
            { title: 'VIA', of: ({ via }) => via },
            { title: 'OUTCOME', of: ({ outcome }) => outcome },
            { title: 'ACT', of: ({ act }) => act },
          ])
        }
      }),
    )
}

type AuditFlags = AdminFlags & { readonly limit?: number; readonly by?: string; readonly text?: string }
