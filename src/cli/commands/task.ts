/** `spindle task …`: what became of a task, by the id that enqueueing it gave. */
import process from 'node:process'
import type { Command } from 'commander'
import { type AdminFlags, commandGroup, printJson, storeCommand, tell, withStore } from '../admin-command.ts'
import { duration } from '../options.ts'
import { printTable } from '../table.ts'

const EXAMPLES = `
Examples:
  spindle task status 01JF3Z…
  spindle task result 01JF3Z… --timeout 1m
  spindle task watch 01JF3Z… --json | jq .state
  spindle task cancel 01JF3Z…`

export function taskCommand(): Command {
  const status = storeCommand('status <id>', 'show where a task stands').action((id: string, flags: AdminFlags) =>
    withStore(flags, async (store) => {
      const found = await store.job(id).status()
      if (flags.json === true) printJson(found)
      else {
        const texts = Object.entries(found).map(
          ([field, value]) => [field, typeof value === 'string' ? value : JSON.stringify(value)] as const,
        )
        printTable(texts, [
          { title: 'FIELD', of: ([field]) => field },
          { title: 'VALUE', of: ([, value]) => value ?? null },
        ])
      }
    }),
  )
  const result = storeCommand('result <id>', 'wait for the end and print the result as JSON')
    .option('--timeout <time>', 'how long to wait, such as 30s (default: for ever)', duration)
    .action((id: string, flags: AdminFlags & { timeout?: number }) =>
      withStore(flags, async (store) => {
        const options = flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }
        printJson((await store.job(id).result(options)) ?? null)
      }),
    )
  const watch = storeCommand('watch <id>', 'print each change until the end').action((id: string, flags: AdminFlags) =>
    withStore(flags, async (store) => {
      for await (const change of store.job(id).watch()) {
        if (flags.json === true) process.stdout.write(`${JSON.stringify(change)}\n`)
        else {
          const progress = change.state === 'running' ? ` ${JSON.stringify(change.progress ?? '')}` : ''
          tell(flags, change, `${new Date().toISOString()} ${change.state}${progress}`)
        }
      }
    }),
  )
  const cancel = storeCommand('cancel <id>', 'cancel a task; a running one is told to stop').action(
    (id: string, flags: AdminFlags) =>
      withStore(flags, async (store) => {
        const done = await store.job(id).cancel()
        tell(flags, { id, cancelled: done }, done ? `cancelled ${id}` : `${id} had ended already`)
      }),
  )
  const retry = storeCommand('retry <id>', 'send a failed task back to its queue, its attempts reset').action(
    (id: string, flags: AdminFlags) =>
      withStore(flags, async (store) => {
        const done = await store.job(id).retry()
        tell(flags, { id, retried: done }, done ? `${id} is queued again` : `${id} has not failed`)
        if (!done) process.exitCode = 1
      }),
  )
  return commandGroup('task', 'status, result, watch, cancel and retry of a task', [
    status,
    result,
    watch,
    cancel,
    retry,
  ]).addHelpText('after', EXAMPLES)
}
