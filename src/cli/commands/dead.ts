/** `spindle dead …`: what died, and bringing it back. */
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { type Command, InvalidArgumentError } from 'commander'
import type { AdminAccess, Page, QueueInfo, RedriveInfo, RedriveOrder } from '../../server/admin-access.ts'
import { type AdminFlags, adminCommand, commandGroup, pathTo, printJson, withAdmin } from '../admin-command.ts'
import { wholeNumber } from '../options.ts'
import { progressBar } from '../progress-bar.ts'
import { printTable } from '../table.ts'
import { browseMessages } from './message.ts'

export function deadCommand(): Command {
  const list = adminCommand('list [queue]', 'list queues that hold dead messages, or the dead of one queue')
    .option('--limit <n>', 'messages at most', wholeNumber(1), 20)
    .action((queue: string | undefined, flags: AdminFlags & { limit: number }) =>
      withAdmin(flags, (admin) =>
        queue === undefined ? deadQueues(admin, flags) : browseMessages(admin, queue, { ...flags, state: 'dead' }),
      ),
    )
  const redrive = adminCommand('redrive <queue>', 'move dead letters back to where they came from')
    .option('--to <queue>', 'to this queue instead')
    .option('--from <ready|dead>', "what waits in a dead-letter queue, or the queue's own dead", fromOption)
    .option('--rate <n>', 'messages a second at most', wholeNumber(1))
    .option('--no-wait', 'start it and return; a server or another process on the folder goes on with it')
    .action((queue: string, flags: RedriveFlags) => withAdmin(flags, (admin) => redriveQueue(admin, queue, flags)))
  return commandGroup('dead', 'list dead messages and redrive them', [list, redrive])
}

interface RedriveFlags extends AdminFlags {
  readonly to?: string
  readonly from?: 'ready' | 'dead'
  readonly rate?: number
  readonly wait: boolean
}

const LOOK_EVERY_MS = 100

function fromOption(value: string): string {
  if (value === 'ready' || value === 'dead') return value
  throw new InvalidArgumentError('It must be ready or dead.')
}

async function deadQueues(admin: AdminAccess, flags: AdminFlags): Promise<void> {
  const dead: QueueInfo[] = []
  let after: string | undefined
  do {
    const page = (await admin.call('GET', '/queues', { query: { limit: 1_000, after } })) as Page<QueueInfo>
    dead.push(...page.items.filter((queue) => queue.dead > 0))
    after = page.next ?? undefined
  } while (after !== undefined)
  if (flags.json === true) printJson(dead)
  else {
    printTable(dead, [
      { title: 'QUEUE', of: ({ name }) => name },
      { title: 'DEAD', of: (queue) => queue.dead },
    ])
  }
}

async function redriveQueue(admin: AdminAccess, queue: string, flags: RedriveFlags): Promise<void> {
  const { to, from, rate } = flags
  const body: RedriveOrder = {
    ...(to === undefined ? {} : { target: to }),
    ...(from === undefined ? {} : { from }),
    ...(rate === undefined ? {} : { ratePerSecond: rate }),
  }
  let redrive = (await admin.call('POST', pathTo('queues', queue, 'redrive'), { body })) as RedriveInfo
  const bar = progressBar(flags.json === true ? 'off' : 'moved')
  while (flags.wait && redrive.state === 'running') {
    bar.show(redrive.moved, undefined)
    await pause(LOOK_EVERY_MS)
    const { items } = (await admin.call('GET', '/redrives', { query: { source: queue } })) as Page<RedriveInfo>
    redrive = items.find(({ id }) => id === redrive.id) ?? { ...redrive, state: 'completed' }
  }
  bar.end()
  if (flags.json === true) printJson(redrive)
  else {
    const { state, moved, failed, reason } = redrive
    process.stdout.write(
      `${state}: moved ${moved}${failed > 0 ? `, ${failed} stayed` : ''}${reason === null ? '' : ` (${reason})`}\n`,
    )
  }
  if (redrive.state === 'failed' || redrive.failed > 0) process.exitCode = 1
}
