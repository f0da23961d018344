/** `spindle exchange …` and `spindle topic …`: where messages go that are sent to no queue. A topic is a fanout exchange. */
import process from 'node:process'
import { text as streamText } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import {
  type AdminAccess,
  bindingId,
  type ExchangeInfo,
  type Page,
  type PublishAnswer,
} from '../../server/admin-access.ts'
import { type AdminFlags, adminCommand, commandGroup, pathTo, printJson, tell, withAdmin } from '../admin-command.ts'
import { printTable } from '../table.ts'
import { UsageError } from '../usage.ts'

const EXCHANGE_EXAMPLES = `
Examples:
  spindle exchange declare orders --kind topic
  spindle exchange bind orders eu-orders --key 'order.eu.#'
  spindle exchange publish orders '{"id": 7}' --key order.eu.new --json-body`

const TOPIC_EXAMPLES = `
Examples:
  spindle topic declare news
  spindle topic bind news mailer
  spindle topic bind news audit --filter '{"kind": ["order"]}'
  spindle topic publish news hello`

const KINDS = ['direct', 'fanout', 'topic', 'headers']

interface BindFlags extends AdminFlags {
  readonly key?: string
  readonly filter?: string
  readonly toExchange?: boolean
}

interface PublishFlags extends AdminFlags {
  readonly key?: string
  readonly jsonBody?: boolean
  readonly type?: string
  readonly header?: readonly string[]
}

export function exchangeCommand(): Command {
  return commandGroup('exchange', 'declare exchanges, bind queues to them, publish', [
    list('list exchanges and their bindings', () => true),
    adminCommand('declare <name>', 'create an exchange')
      .addOption(new Option('--kind <kind>', 'which part of a message decides').choices(KINDS).default('direct'))
      .action((name: string, flags: AdminFlags & { kind: string }) => declare(name, flags)),
    remove('delete an exchange with its bindings'),
    adminCommand('bind <exchange> <target>', 'let a queue take messages of an exchange')
      .option('--key <pattern>', 'routing key, or pattern of a topic exchange')
      .option('--filter <json>', 'only messages whose headers pass, as SNS filters them')
      .option('--to-exchange', 'the target is an exchange')
      .action(bind),
    adminCommand('unbind <exchange> <target>', 'take the binding away')
      .option('--key <pattern>', 'that it was made with')
      .option('--to-exchange', 'the target is an exchange')
      .action(unbind),
    publishCommand('publish <exchange> [body]').option('--key <key>', 'routing key'),
  ]).addHelpText('after', EXCHANGE_EXAMPLES)
}

export function topicCommand(): Command {
  return commandGroup('topic', 'declare topics, subscribe queues to them, publish', [
    list('list topics and the queues that get what is published', ({ settings }) => settings.kind === 'fanout'),
    adminCommand('declare <name>', 'create a topic').action((name: string, flags: AdminFlags) =>
      declare(name, { ...flags, kind: 'fanout' }),
    ),
    remove('delete a topic with its bindings'),
    adminCommand('bind <topic> <queue>', 'let a queue get what is published')
      .option('--filter <json>', 'only messages whose headers pass')
      .action(bind),
    adminCommand('unbind <topic> <queue>', 'take the binding away').action(unbind),
    publishCommand('publish <topic> [body]'),
  ]).addHelpText('after', TOPIC_EXAMPLES)
}

function list(summary: string, wanted: (exchange: ExchangeInfo) => boolean): Command {
  return adminCommand('list', summary).action((flags: AdminFlags) =>
    withAdmin(flags, async (admin) => {
      const { items } = (await admin.call('GET', '/exchanges')) as Page<ExchangeInfo>
      const shown = items.filter(wanted)
      if (flags.json === true) printJson(shown)
      else {
        printTable(
          shown.flatMap(({ name, settings, bindings }) =>
            (bindings.length === 0 ? [undefined] : bindings).map((binding) => ({ name, kind: settings.kind, binding })),
          ),
          [
            { title: 'NAME', of: ({ name }) => name },
            { title: 'KIND', of: ({ kind }) => kind },
            {
              title: 'TO',
              of: ({ binding }) => (binding === undefined ? null : `${binding.target.kind} ${binding.target.name}`),
            },
            { title: 'KEY', of: ({ binding }) => binding?.key ?? null },
            {
              title: 'FILTER',
              of: ({ binding }) => (binding?.filter === undefined ? null : JSON.stringify(binding.filter.policy)),
            },
          ],
        )
      }
    }),
  )
}

function declare(name: string, flags: AdminFlags & { readonly kind: string }): Promise<void> {
  const run = async (admin: AdminAccess): Promise<void> => {
    const exchange = await admin.call('PUT', pathTo('exchanges', name), { body: { kind: flags.kind } })
    tell(flags, exchange ?? { declared: name }, `declared ${name}`)
  }
  return withAdmin(flags, run, { create: true })
}

function remove(summary: string): Command {
  return adminCommand('delete <name>', summary)
    .option('--if-unused', 'only when nothing is bound to it')
    .action((name: string, flags: AdminFlags & { ifUnused?: boolean }) =>
      withAdmin(flags, async (admin) => {
        const query = { ifUnused: flags.ifUnused ? 'true' : undefined }
        await admin.call('DELETE', pathTo('exchanges', name), { query })
        tell(flags, { deleted: name }, `deleted ${name}`)
      }),
    )
}

function bind(exchange: string, name: string, flags: BindFlags): Promise<void> {
  return withAdmin(flags, async (admin) => {
    const { target, key, path } = bindingOf(exchange, name, flags)
    const filter =
      flags.filter === undefined ? {} : { filter: { scope: 'headers', policy: jsonOf('--filter', flags.filter) } }
    await admin.call('PUT', path, { body: { target, key, ...filter } })
    tell(flags, { bound: name, to: exchange }, `bound ${name} to ${exchange}`)
  })
}

function unbind(exchange: string, name: string, flags: BindFlags): Promise<void> {
  return withAdmin(flags, async (admin) => {
    await admin.call('DELETE', bindingOf(exchange, name, flags).path)
    tell(flags, { unbound: name, from: exchange }, `unbound ${name} from ${exchange}`)
  })
}

function bindingOf(exchange: string, name: string, { key = '', toExchange }: BindFlags) {
  const target = { kind: toExchange === true ? ('exchange' as const) : ('queue' as const), name }
  return { target, key, path: pathTo('exchanges', exchange, 'bindings', bindingId({ target, key })) }
}

function publishCommand(usage: string): Command {
  return adminCommand(usage, 'publish a message')
    .option('--json-body', 'the body is JSON')
    .option('--type <type>', 'what kind of message it is')
    .option('--header <name=value...>', 'headers')
    .addHelpText('after', '\nWithout a body, or with -, it is read from standard input.')
    .action(publish)
}

function publish(exchange: string, text: string | undefined, flags: PublishFlags): Promise<void> {
  return withAdmin(flags, async (admin) => {
    const body = text === undefined || text === '-' ? await streamText(process.stdin) : text
    if (flags.jsonBody === true) jsonOf('the body', body)
    const message = {
      body,
      encoding: flags.jsonBody === true ? 'json' : 'text',
      ...(flags.type === undefined ? {} : { type: flags.type }),
      ...(flags.key === undefined ? {} : { key: flags.key }),
      ...(flags.header === undefined ? {} : { headers: headersOf(flags.header) }),
    }
    const answer = await admin.call('POST', pathTo('exchanges', exchange, 'messages'), {
      body: { messages: [message] },
    })
    const [outcomes = []] = (answer as PublishAnswer).outcomes
    const taken = outcomes.filter(({ kind }) => kind === 'stored').length
    tell(flags, { outcomes }, `published to ${taken} ${taken === 1 ? 'queue' : 'queues'}`)
    if (taken < outcomes.length) process.exitCode = 1
  })
}

function headersOf(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((pair) => {
      const equals = pair.indexOf('=')
      if (equals < 1) throw new UsageError(`--header ${pair} must be NAME=VALUE`)
      return [pair.slice(0, equals), pair.slice(equals + 1)]
    }),
  )
}

function jsonOf(what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`${what} must be JSON`)
  }
}
