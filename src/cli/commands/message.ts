/** `spindle message …`: send, take and look at messages. */
import process from 'node:process'
import { text as streamText } from 'node:stream/consumers'
import type { Command } from 'commander'
import type {
  AdminAccess,
  DeliveredMessage,
  MessageInfo,
  MessageToSend,
  Page,
  SendAnswer,
} from '../../server/admin-access.ts'
import { type AdminFlags, adminCommand, commandGroup, pathTo, printJson, withAdmin } from '../admin-command.ts'
import { wholeNumber } from '../options.ts'
import { age, printBody, printTable } from '../table.ts'
import { UsageError } from '../usage.ts'

export function messageCommand(): Command {
  const send = adminCommand('send <queue> [body]', 'send a message')
    .option('--json-body', 'the body is JSON')
    .option('--lines', 'each line of the input is a message')
    .option('--type <type>', 'what kind of message it is')
    .option('--header <name=value...>', 'headers')
    .option('--delay-ms <ms>', 'hold it back at first', wholeNumber(0))
    .option('--priority <n>', '0 to 255, higher first', wholeNumber(0))
    .option('--group <id>', 'whose order it shares')
    .option('--dedup-id <id>', 'send once')
    .addHelpText('after', '\nWithout a body, or with -, it is read from standard input.')
    .action((queue: string, body: string | undefined, flags: SendFlags) =>
      withAdmin(flags, (admin) => sendMessages(admin, { queue, body, flags })),
    )
  const receive = adminCommand('receive <queue>', 'take messages, print their bodies, and give them back or ack them')
    .option('--max <n>', 'messages at most', wholeNumber(1), 1)
    .option('--wait <seconds>', 'for the first one, up to 30', wholeNumber(0), 0)
    .option('--ack', 'ack them once they are printed; otherwise they are given back unspent')
    .action((queue: string, flags: ReceiveFlags) => withAdmin(flags, (admin) => receiveMessages(admin, queue, flags)))
  const browse = adminCommand('browse <queue>', 'look at messages without touching them')
    .option('--state <states>', 'ready, delayed, leased, dead, done; several with commas', 'ready')
    .option('--limit <n>', 'messages at most', wholeNumber(1), 20)
    .action((queue: string, flags: BrowseFlags) => withAdmin(flags, (admin) => browseMessages(admin, queue, flags)))
  return commandGroup('message', 'send, receive and browse messages', [send, receive, browse])
}

interface SendFlags extends AdminFlags {
  readonly jsonBody?: boolean
  readonly lines?: boolean
  readonly type?: string
  readonly header?: readonly string[]
  readonly delayMs?: number
  readonly priority?: number
  readonly group?: string
  readonly dedupId?: string
}

interface ReceiveFlags extends AdminFlags {
  readonly max: number
  readonly wait: number
  readonly ack?: boolean
}

export interface BrowseFlags extends AdminFlags {
  readonly state: string
  readonly limit: number
}

/** Messages of one call. */
const BATCH = 1_000

async function sendMessages(
  admin: AdminAccess,
  { queue, body, flags }: { readonly queue: string; readonly body: string | undefined; readonly flags: SendFlags },
): Promise<void> {
  const given = body === undefined || body === '-' ? await streamText(process.stdin) : body
  const bodies = flags.lines === true ? given.split('\n').filter((line) => line !== '') : [given]
  const { type, delayMs, priority, group, dedupId } = flags
  const headers = headersOf(flags.header)
  const fields = {
    ...(flags.jsonBody === true ? { encoding: 'json' as const } : {}),
    ...(type === undefined ? {} : { type }),
    ...(headers === undefined ? {} : { headers }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(priority === undefined ? {} : { priority }),
    ...(group === undefined ? {} : { groupId: group }),
    ...(dedupId === undefined ? {} : { dedupId }),
  }
  const outcomes: SendAnswer['outcomes'][number][] = []
  for (let from = 0; from < bodies.length; from += BATCH) {
    const messages = bodies.slice(from, from + BATCH).map((text): MessageToSend => ({ body: text, ...fields }))
    const answer = (await admin.call('POST', pathTo('queues', queue, 'messages'), { body: { messages } })) as SendAnswer
    outcomes.push(...answer.outcomes)
  }
  if (flags.json === true) printJson({ outcomes })
  else for (const outcome of outcomes) process.stdout.write(`${wordsOf(outcome)}\n`)
  if (outcomes.some(({ kind }) => kind === 'refused')) process.exitCode = 1
}

function wordsOf(outcome: SendAnswer['outcomes'][number]): string {
  switch (outcome.kind) {
    case 'stored':
      return outcome.id
    case 'duplicate':
      return `duplicate of ${outcome.of}`
    case 'refused':
      return `refused: ${outcome.reason}`
    default:
      return outcome satisfies never
  }
}

function headersOf(pairs: readonly string[] | undefined): Record<string, string> | undefined {
  if (pairs === undefined) return undefined
  const headers = Object.create(null) as Record<string, string>
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    if (equals < 1) throw new UsageError(`--header '${pair}' must be NAME=VALUE`)
    headers[pair.slice(0, equals)] = pair.slice(equals + 1)
  }
  return headers
}

async function receiveMessages(admin: AdminAccess, queue: string, flags: ReceiveFlags): Promise<void> {
  const body = { max: flags.max, waitMs: flags.wait * 1_000 }
  const answer = await admin.call('POST', pathTo('queues', queue, 'receive'), { body })
  const { items } = answer as { readonly items: readonly DeliveredMessage[] }
  if (flags.json === true) printJson(items)
  else for (const message of items) printBody(message.body)
  const how = flags.ack === true ? { how: 'ack' } : { how: 'release', spend: false }
  const settlements = items.map(({ receipt, id }) => ({ receipt, id, ...how }))
  if (items.length > 0) await admin.call('POST', pathTo('queues', queue, 'settle'), { body: { settlements } })
}

export async function browseMessages(admin: AdminAccess, queue: string, flags: BrowseFlags): Promise<void> {
  const messages: MessageInfo[] = []
  let cursor: string | undefined
  do {
    const limit = Math.min(BATCH, flags.limit - messages.length)
    const query = { state: flags.state, limit, cursor }
    const page = (await admin.call('GET', pathTo('queues', queue, 'messages'), { query })) as Page<MessageInfo>
    messages.push(...page.items)
    cursor = page.next ?? undefined
  } while (cursor !== undefined && messages.length < flags.limit)
  if (flags.json === true) {
    printJson(messages)
    return
  }
  printTable(messages, [
    { title: 'ID', of: ({ id }) => id },
    { title: 'STATE', of: ({ state }) => state },
    { title: 'ATTEMPTS', of: ({ attempts }) => attempts },
    { title: 'AGE', of: ({ enqueuedAtMs }) => age(enqueuedAtMs) },
    { title: 'REASON', of: ({ history }) => history.at(-1)?.reason ?? null },
    { title: 'BODY', of: ({ body, truncated }) => `${body.slice(0, 80)}${truncated || body.length > 80 ? '…' : ''}` },
  ])
}
