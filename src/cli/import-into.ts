/** What every import of the command line does around its own: opens the store, stops at a signal, shows how far it is. */
import process from 'node:process'
import type { Spindle } from '../spindle.ts'
import { tell } from './admin-command.ts'
import { warningLog } from './console-log.ts'
import { progressBar } from './progress-bar.ts'

/** Of body and head together; a message of SQS's size may have attributes besides. As `spindle serve` has it. */
const MESSAGE_BYTES_MAX = 16 * 1_048_576
const SIGNALS = ['SIGINT', 'SIGTERM'] as const
const EXIT_CODES: Partial<Record<NodeJS.Signals, number>> = { SIGINT: 130, SIGTERM: 143 }

interface Importing {
  readonly store: Spindle
  /** Aborted by a first SIGINT or SIGTERM; a second one ends the process. */
  readonly signal: AbortSignal
  readonly progress: (count: number) => void
}

interface Imported {
  readonly imported: number
  readonly left: readonly string[]
}

/** Prints what came over and what did not. `verb`: as in 'copied'. */
export async function importInto(
  to: { readonly data?: string; readonly queue: string; readonly verb: string; readonly json?: boolean },
  run: (importing: Importing) => Promise<Imported>,
): Promise<void> {
  // Not before it is needed: `--help` must not open an engine.
  const { open } = await import('../index.ts')
  const store = await open(`file:${to.data ?? process.env['SPINDLE_DATA'] ?? './data'}`, {
    log: warningLog,
    limits: { messageBytesMax: MESSAGE_BYTES_MAX },
  })
  const stop = new AbortController()
  let stoppedBy: NodeJS.Signals | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stoppedBy !== undefined) process.exit(EXIT_CODES[signal])
    stoppedBy = signal
    stop.abort()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  try {
    const bar = progressBar(to.verb)
    const progress = (count: number): void => bar.show(count, undefined)
    const { imported, left } = await run({ store, signal: stop.signal, progress }).finally(() => bar.end())
    const stopped = stoppedBy !== undefined
    const told = `${to.verb} ${imported} messages into '${to.queue}'${stopped ? ', then stopped' : ''}`
    tell(to, { queue: to.queue, imported, left, stopped }, told)
    if (left.length > 0 && to.json !== true) process.stdout.write(`not taken over: ${left.join(', ')}\n`)
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
    await store.close()
  }
  if (stoppedBy !== undefined) process.exitCode = EXIT_CODES[stoppedBy]
}
