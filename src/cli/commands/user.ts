/** `spindle user …`: who may use a server. */
import process from 'node:process'
import { text as streamText } from 'node:stream/consumers'
import type { Command } from 'commander'
import { ALL_GRANTED, type Grant, parseGrant } from '../../model/access.ts'
import { SpindleError } from '../../model/errors.ts'
import type { AdminAccess, Page, PutUserAnswer, UserInfo, UserToPut } from '../../server/admin-access.ts'
import { type AdminFlags, adminCommand, commandGroup, pathTo, printJson, withAdmin } from '../admin-command.ts'
import { printable, printTable } from '../table.ts'
import { UsageError } from '../usage.ts'

const GRANTS = `
A grant is VERBS:NAMES. Verbs are configure, write, read and admin (all of them); names of queues and exchanges may hold *.

Examples:
  spindle user add ops --admin --new-token
  spindle user add shop --grant write:orders-* read,write:mail --access-key
  printf %s "$PASSWORD" | spindle user add celery --grant configure,write,read:* --password-stdin

From the first user on, a server asks everybody who they are.`

export function userCommand(): Command {
  const add = adminCommand('add <name>', 'create a user, or change the fields given')
    .option('--grant <verbs:names...>', 'what the user may do; nothing without one')
    .option('--admin', 'the user may do everything')
    .option('--tag <word...>', 'tags that AMQP tools read, such as administrator')
    .option('--password-stdin', 'read a password from standard input (AMQP)')
    .option('--access-key', 'make an access key (SQS, SNS) and print it once')
    .option('--new-token', 'make a token (admin API) and print it once')
    .addHelpText('after', GRANTS)
    .action((name: string, flags: AddFlags) =>
      withAdmin(flags, (admin) => addUser(admin, name, flags), { create: true }),
    )
  const remove = adminCommand('remove <name>', 'remove a user').action((name: string, flags: AdminFlags) =>
    withAdmin(flags, async (admin) => {
      await admin.call('DELETE', pathTo('users', name))
      if (flags.json === true) printJson({ removed: name })
      else process.stdout.write(`removed ${printable(name)}\n`)
    }),
  )
  const list = adminCommand('list', 'list users').action((flags: AdminFlags) =>
    withAdmin(flags, (admin) => listUsers(admin, flags)),
  )
  return commandGroup('user', 'add, remove and list users', [add, remove, list])
}

type AddFlags = AdminFlags & {
  readonly grant?: readonly string[]
  readonly admin?: boolean
  readonly tag?: readonly string[]
  readonly passwordStdin?: boolean
  readonly accessKey?: boolean
  readonly newToken?: boolean
}

async function addUser(admin: AdminAccess, name: string, flags: AddFlags): Promise<void> {
  const grants = flags.admin === true ? ALL_GRANTED : flags.grant?.map(grantOf)
  const password = flags.passwordStdin === true ? (await streamText(process.stdin)).replace(/\r?\n$/, '') : undefined
  const body: UserToPut = {
    ...(grants === undefined ? {} : { grants }),
    ...(flags.tag === undefined ? {} : { tags: flags.tag }),
    ...(password === undefined ? {} : { password }),
    newToken: flags.newToken === true,
    newAccessKey: flags.accessKey === true,
  }
  const { token, accessKey, ...user } = (await admin.call('PUT', pathTo('users', name), { body })) as PutUserAnswer
  if (flags.json === true) {
    printJson({ ...user, token, accessKey })
    return
  }
  process.stdout.write(`user ${printable(name)}: ${grantsText(user.grants)}\n`)
  if (token !== undefined) process.stdout.write(`token, shown once: ${token}\n`)
  if (accessKey === undefined) return
  process.stdout.write(`access key id: ${accessKey.id}\nsecret access key, shown once: ${accessKey.secret}\n`)
}

function grantOf(text: string): Grant {
  try {
    return parseGrant(text)
  } catch (fault) {
    if (fault instanceof SpindleError) throw new UsageError(fault.attempted)
    throw fault
  }
}

async function listUsers(admin: AdminAccess, flags: AdminFlags): Promise<void> {
  const { items } = (await admin.call('GET', '/users')) as Page<UserInfo>
  if (flags.json === true) {
    printJson(items)
    return
  }
  printTable(items, [
    { title: 'USER', of: ({ name }) => name },
    { title: 'MAY', of: ({ grants }) => grantsText(grants) },
    { title: 'PASSWORD', of: ({ hasPassword }) => (hasPassword ? 'yes' : 'no') },
    { title: 'TOKENS', of: ({ tokens }) => tokens },
    { title: 'ACCESS KEYS', of: ({ accessKeyIds }) => accessKeyIds.join(' ') },
    { title: 'TAGS', of: ({ tags }) => tags.join(' ') },
  ])
}

function grantsText(grants: readonly Grant[]): string {
  if (grants.length === 0) return 'nothing yet'
  return grants.map(({ verbs, resources }) => `${verbs.join(',')}:${resources.join(',')}`).join(' ')
}
