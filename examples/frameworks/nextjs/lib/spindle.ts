/** One store a process: in development Next.js evaluates modules anew after each change, and `next build` evaluates them too. */
import process from 'node:process'
import { open, type Spindle } from 'spindle-mq'

const kept = globalThis as { spindleOfThisProcess?: Promise<Spindle> }

/** Opens it at the first call. */
export function spindle(): Promise<Spindle> {
  kept.spindleOfThisProcess ??= open(process.env['SPINDLE_URL'] ?? 'file:./data')
  return kept.spindleOfThisProcess
}
