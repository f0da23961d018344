#!/usr/bin/env node
/** The `spindle` command. Exit codes: 0 ok, 1 failure, 2 usage, 130 and 143 after SIGINT and SIGTERM. */
import process from 'node:process'
import { Command, CommanderError } from 'commander'
import { SpindleError } from '../model/errors.ts'
import { AdminRefusal } from '../server/admin-refusal.ts'
import { packageVersion } from '../server/version.ts'
import { auditCommand } from './commands/audit.ts'
import { autoscaleCommand } from './commands/autoscale.ts'
import { backupCommand, restoreCommand } from './commands/backup.ts'
import { completionCommand } from './commands/completion.ts'
import { deadCommand } from './commands/dead.ts'
import { devCommand } from './commands/dev.ts'
import { doctorCommand } from './commands/doctor.ts'
import { exchangeCommand, topicCommand } from './commands/exchange.ts'
import { healthCommand } from './commands/health.ts'
import { importCommand } from './commands/import.ts'
import { messageCommand } from './commands/message.ts'
import { migrateCommand } from './commands/migrate.ts'
import { moveCommand } from './commands/move.ts'
import { queueCommand } from './commands/queue.ts'
import { scheduleCommand } from './commands/schedule.ts'
import { serveCommand } from './commands/serve.ts'
import { statsCommand } from './commands/stats.ts'
import { taskCommand } from './commands/task.ts'
import { topCommand } from './commands/top.ts'
import { userCommand } from './commands/user.ts'
import { workCommand } from './commands/work.ts'
import { ModuleBroken } from './module-file.ts'
import { UsageError } from './usage.ts'

const USAGE = 2
const FAILURE = 1

const EXAMPLES = `
Begin with:
  spindle dev                              everything at once, to try things out
  spindle queue declare mail               a queue in ./data, which is made when it is missing
  spindle serve --data ./data              for SQS, SNS and AMQP clients
  spindle top --url http://127.0.0.1:4566  the queues, live`

const program = new Command('spindle')
  .description('A message queue that starts as an import and grows into a broker.')
  .version(packageVersion)
  .configureHelp({ sortSubcommands: true, showGlobalOptions: true })
  .showSuggestionAfterError(true)
  .showHelpAfterError('(add --help for the options)')
  .addHelpText('after', EXAMPLES)
  .addCommand(serveCommand())
  .addCommand(queueCommand())
  .addCommand(messageCommand())
  .addCommand(deadCommand())
  .addCommand(userCommand())
  .addCommand(statsCommand())
  .addCommand(auditCommand())
  .addCommand(workCommand())
  .addCommand(autoscaleCommand())
  .addCommand(importCommand())
  .addCommand(moveCommand())
  .addCommand(doctorCommand())
  .addCommand(migrateCommand())
  .addCommand(exchangeCommand())
  .addCommand(topicCommand())
  .addCommand(taskCommand())
  .addCommand(scheduleCommand())
  .addCommand(topCommand())
  .addCommand(backupCommand())
  .addCommand(restoreCommand())
  .addCommand(devCommand())
  .addCommand(healthCommand())
  .addCommand(completionCommand())

settle(program)

/** Every command, at whatever depth, ends and complains like the first. */
function settle(command: Command): void {
  command.exitOverride()
  command.copyInheritedSettings(program)
  for (const inner of command.commands) settle(inner)
}

try {
  await program.parseAsync(process.argv)
} catch (fault) {
  process.exitCode = exitCodeOf(fault)
  if (!(fault instanceof CommanderError)) console.error(messageOf(fault))
}

function exitCodeOf(fault: unknown): number {
  if (fault instanceof UsageError) return USAGE
  if (!(fault instanceof CommanderError)) return FAILURE
  return fault.exitCode === 0 ? 0 : USAGE
}

/** What a person can act on: of our own faults and of the system's the sentence, of a bug the stack. */
function messageOf(fault: unknown): string {
  if (
    fault instanceof UsageError ||
    fault instanceof SpindleError ||
    fault instanceof AdminRefusal ||
    fault instanceof ModuleBroken ||
    isSystemError(fault)
  ) {
    return `spindle: ${fault.message}`
  }
  return `spindle: ${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}`
}

/** Of a call of the system: the folder is a file, may not be written, or is not there. */
function isSystemError(fault: unknown): fault is Error {
  return fault instanceof Error && 'syscall' in fault && 'errno' in fault
}
