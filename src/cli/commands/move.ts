/** `spindle move --from URL --to URL`: a whole store into a new one. */
import process from 'node:process'
import { Command } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { tell } from '../admin-command.ts'
import { warningLog } from '../console-log.ts'
import { progressBar } from '../progress-bar.ts'

interface MoveFlags {
  readonly from: string
  readonly to: string
  readonly keep?: boolean
  readonly json?: boolean
}

/** Where there is no terminal for a bar. */
const TOLD_EVERY_MS = 5_000

const NOTES = `
Everything goes: queues with their policies, messages with ids, order, groups, attempts and history, kept results, schedules, workflows,
records, exchanges, bindings and users. Stop whatever uses the source first, and start nothing on the destination before the end.
A move that was ended, by whatever, goes on where it was when it is run again; nothing is lost or doubled. The source is emptied at
the end; --keep leaves it, and then only one of the two must be used.

Examples:
  spindle move --from file:./data --to postgres://spindle@db/app
  spindle move --from postgres://spindle@db/app --to file:./data-2`

export function moveCommand(): Command {
  return new Command('move')
    .summary('move a whole store into a new one')
    .description('Moves everything in a data folder or PostgreSQL into a new folder, schema or database.')
    .requiredOption('--from <url>', 'file:PATH or postgres://…')
    .requiredOption('--to <url>', 'a new one; or that of a move that was ended')
    .option('--keep', 'leave the source as it is')
    .option('--json', 'print JSON')
    .addHelpText('after', NOTES)
    .action((flags: MoveFlags) => move(flags))
}

async function move(flags: MoveFlags): Promise<void> {
  const { from, to, keep, json } = flags
  // Not before it is needed: `--help` must not load the engines.
  const [{ openMoveEnds }, { moveStore }] = await Promise.all([
    import('../../server/move/open-stores.ts'),
    import('../../server/move/move-store.ts'),
  ])
  const ends = await openMoveEnds({ from, to, log: warningLog })
  const bar = progressBar(json === true ? 'off' : 'moved')
  const startedMs = performance.now()
  let toldMs = startedMs
  try {
    const moved = await moveStore({
      source: ends.source.port,
      destination: ends.destination.port,
      clock: systemClock,
      keepSource: keep === true,
      told({ moved: so, total, queue }) {
        bar.show(so, total)
        if (process.stderr.isTTY || performance.now() - toldMs < TOLD_EVERY_MS) return
        toldMs = performance.now()
        process.stderr.write(`${so} of ${total} messages, now ${queue}\n`)
      },
    })
    bar.end()
    const [source, destination] = [ends.source.url, ends.destination.url]
    const tookMs = Math.round(performance.now() - startedMs)
    tell(
      flags,
      { moved, from: source, to: destination, tookMs },
      `moved ${moved} messages from ${source} to ${destination}`,
    )
  } finally {
    bar.end()
    await ends.close()
  }
}
