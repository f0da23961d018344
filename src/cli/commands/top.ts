/** `spindle top`: the store, live, on a terminal: which queues hold most, how fast they are worked off, what dies. */
import process from 'node:process'
import { type Command, Option } from 'commander'
import type { Stats } from '../../server/admin-access.ts'
import { type AdminFlags, adminCommand, withAdmin } from '../admin-command.ts'
import { wholeNumber } from '../options.ts'
import { age } from '../table.ts'
import { drawTop, type TopOrder } from '../top-view.ts'
import { openScreen } from '../work/screen.ts'

const EXAMPLES = `
Keys: q ends it; o, r, i, d and n order by oldest, ready, in, dead and name.

Examples:
  spindle top
  spindle top --url http://127.0.0.1:4566 --order dead
  spindle top --once                             prints one look and ends, as it does where there is no terminal`

const KEYS: Readonly<Record<string, TopOrder>> = { o: 'oldest', r: 'ready', i: 'in', d: 'dead', n: 'name' }

interface TopFlags extends AdminFlags {
  readonly order: TopOrder
  readonly every: number
  readonly once?: boolean
}

export function topCommand(): Command {
  return adminCommand('top', 'watch the queues live')
    .addOption(new Option('--order <by>', 'which come first').choices(Object.values(KEYS)).default('oldest'))
    .option('--every <ms>', 'how often to look', wholeNumber(100), 1_000)
    .option('--once', 'print one look and end')
    .addHelpText('after', EXAMPLES)
    .action((flags: TopFlags) =>
      withAdmin(flags, async (admin) => {
        const look = async (): Promise<Stats> => (await admin.call('GET', '/stats')) as Stats
        if (flags.json === true || flags.once === true || !process.stdout.isTTY) {
          const stats = await look()
          const text =
            flags.json === true
              ? JSON.stringify(stats, null, 2)
              : draw(undefined, stats, flags.order, { columns: 200, rows: 1_000 }).join('\n')
          process.stdout.write(`${text}\n`)
          return
        }
        await live(look, flags)
      }),
    )
}

/** Until q, or a signal. */
async function live(look: () => Promise<Stats>, flags: TopFlags): Promise<void> {
  let order = flags.order
  let before: Stats | undefined
  let now = await look()
  const { stdin } = process
  const ended = deferred()
  const screen = openScreen((size) => draw(before, now, order, size))
  const timer = setInterval(() => {
    look().then(
      (stats) => {
        before = now
        now = stats
      },
      (fault: unknown) => ended.reject(fault),
    )
  }, flags.every)
  const pressed = (key: Buffer): void => {
    const text = key.toString()
    if (text === 'q' || text === '\u0003' || text === '\u001b') ended.resolve()
    order = KEYS[text] ?? order
  }
  stdin.setRawMode?.(true)
  stdin.on('data', pressed)
  const stop = (): void => ended.resolve()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  try {
    await ended.promise
  } finally {
    clearInterval(timer)
    screen.close()
    stdin.off('data', pressed)
    stdin.setRawMode?.(false)
    stdin.pause()
  }
}

function draw(
  before: Stats | undefined,
  now: Stats,
  order: TopOrder,
  size: { columns: number; rows: number },
): readonly string[] {
  return drawTop({
    before,
    now,
    order,
    ...size,
    colour: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
    age,
  })
}

function deferred() {
  let resolve: () => void = () => {}
  let reject: (fault: unknown) => void = () => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
