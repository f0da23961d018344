/** `spindle stats`: the store at one look. */
import process from 'node:process'
import type { Command } from 'commander'
import type { Stats } from '../../server/admin-access.ts'
import { type AdminFlags, adminCommand, printJson, withAdmin } from '../admin-command.ts'

export function statsCommand(): Command {
  return adminCommand('stats', 'show the figures of the whole store').action((flags: AdminFlags) =>
    withAdmin(flags, async (admin) => {
      const stats = (await admin.call('GET', '/stats')) as Stats
      if (flags.json === true) printJson(stats)
      else print(stats)
    }),
  )
}

function print({ queueCount, sums, totals }: Stats): void {
  const line = (name: string, figures: Readonly<Record<string, number>>): void => {
    const texts = Object.entries(figures).map(([field, value]) => `${field} ${value}`)
    process.stdout.write(`${name}: ${texts.join(', ')}\n`)
  }
  line('queues', { number: queueCount })
  line('messages', sums)
  line('since the store was opened', totals)
}
