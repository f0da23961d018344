/** `spindle queue …`: what queues there are, and their policies. */
import type { Command } from 'commander'
import type { AdminAccess, Page, QueueInfo } from '../../server/admin-access.ts'
import { type AdminFlags, adminCommand, commandGroup, pathTo, printJson, tell, withAdmin } from '../admin-command.ts'
import { wholeNumber } from '../options.ts'
import { age, printTable } from '../table.ts'
import { UsageError } from '../usage.ts'

export function queueCommand(): Command {
  const list = adminCommand('list', 'list queues with their counts')
    .option('--prefix <text>', 'only queues whose name starts so')
    .action((flags: AdminFlags & { prefix?: string }) => withAdmin(flags, (admin) => listQueues(admin, flags)))
  const declare = adminCommand('declare <name>', 'create a queue, or change its policy')
    .option('--policy <json>', 'fields of its policy, as JSON')
    .option('--lease-ms <ms>', 'how long a delivery hides its message', wholeNumber(1))
    .option('--attempts <n>', 'deliveries before a message is dead', wholeNumber(1))
    .option('--dead-letter <queue>', 'where the dead go')
    .action((name: string, flags: DeclareFlags) =>
      withAdmin(flags, (admin) => declareQueue(admin, name, flags), { create: true }),
    )
  const remove = adminCommand('delete <name>', 'delete a queue with its messages')
    .option('--if-empty', 'only when nothing waits or runs in it')
    .action((name: string, flags: AdminFlags & { ifEmpty?: boolean }) =>
      withAdmin(flags, async (admin) => {
        await admin.call('DELETE', pathTo('queues', name), { query: { ifEmpty: flags.ifEmpty ? 'true' : undefined } })
        tell(flags, { deleted: name }, `deleted ${name}`)
      }),
    )
  const purge = adminCommand('purge <name>', 'remove the messages that wait in a queue').action(
    (name: string, flags: AdminFlags) =>
      withAdmin(flags, async (admin) => {
        const answer = (await admin.call('POST', pathTo('queues', name, 'purge'))) as { purged: number }
        tell(flags, answer, `purged ${answer.purged} from ${name}`)
      }),
  )
  const measure = adminCommand('measure <name>', 'show the figures and the policy of one queue').action(
    (name: string, flags: AdminFlags) =>
      withAdmin(flags, async (admin) => show(flags, (await admin.call('GET', pathTo('queues', name))) as QueueInfo)),
  )
  return commandGroup('queue', 'list, declare, measure, purge and delete queues', [
    list,
    declare,
    remove,
    purge,
    measure,
  ])
}

interface DeclareFlags extends AdminFlags {
  readonly policy?: string
  readonly leaseMs?: number
  readonly attempts?: number
  readonly deadLetter?: string
}

const PAGE = 1_000

async function listQueues(admin: AdminAccess, flags: AdminFlags & { readonly prefix?: string }): Promise<void> {
  const queues: QueueInfo[] = []
  let after: string | undefined
  do {
    const query = { limit: PAGE, prefix: flags.prefix, after }
    const page = (await admin.call('GET', '/queues', { query })) as Page<QueueInfo>
    queues.push(...page.items)
    after = page.next ?? undefined
  } while (after !== undefined)
  if (flags.json === true) printJson(queues)
  else {
    printTable(queues, [
      { title: 'QUEUE', of: ({ name }) => name },
      { title: 'READY', of: ({ ready }) => ready },
      { title: 'LEASED', of: ({ leased }) => leased },
      { title: 'DELAYED', of: ({ delayed }) => delayed },
      { title: 'DEAD', of: ({ dead }) => dead },
      { title: 'BYTES', of: ({ bytes }) => bytes },
      { title: 'OLDEST', of: ({ oldestReadyAtMs }) => age(oldestReadyAtMs) },
    ])
  }
}

async function declareQueue(admin: AdminAccess, name: string, flags: DeclareFlags): Promise<void> {
  const { leaseMs, attempts, deadLetter } = flags
  const policy = {
    ...policyOf(flags.policy),
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(attempts === undefined ? {} : { attemptsMax: attempts }),
    ...(deadLetter === undefined ? {} : { onDeath: { kind: 'deadLetter', queue: deadLetter } }),
  }
  const queue = (await admin.call('PUT', pathTo('queues', name), { body: { policy } })) as QueueInfo
  tell(flags, queue, `declared ${name}`)
}

function policyOf(text: string | undefined): object {
  if (text === undefined) return {}
  try {
    return JSON.parse(text) as object
  } catch {
    throw new UsageError(`--policy must be JSON, such as '{"leaseMs": 60000}'`)
  }
}

function show(flags: AdminFlags, queue: QueueInfo): void {
  if (flags.json === true) {
    printJson(queue)
    return
  }
  const { policy, lifetime, totals, ...figures } = queue
  const rows = Object.entries({ ...figures, ...totals, lifetime, ...policy })
  printTable(rows, [
    { title: 'FIELD', of: ([field]) => field },
    { title: 'VALUE', of: ([, value]) => (typeof value === 'string' ? value : JSON.stringify(value)) },
  ])
}
