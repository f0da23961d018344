import process from 'node:process'
import type { Worker } from './types.ts'

/** Exit codes of a process that a signal ended, as shells count them. */
export const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
export type StopSignal = keyof typeof EXIT_CODES

/** The first SIGTERM or SIGINT stops the worker; the next one exits at once. Both are let go when it has stopped. */
export function stopOnSignals(worker: Worker, first: (signal: StopSignal) => void = () => {}): void {
  let stopping = false
  const listeners = (['SIGINT', 'SIGTERM'] as const).map((signal) => {
    const heard = (): void => {
      if (stopping) process.exit(EXIT_CODES[signal])
      stopping = true
      first(signal)
      // A failed store is told through `stopped`.
      worker.stop().catch(() => {})
    }
    process.on(signal, heard)
    return { signal, heard }
  })
  const letGo = (): void => {
    for (const { signal, heard } of listeners) process.off(signal, heard)
  }
  worker.stopped.then(letGo, letGo)
}

/** SIGTSTP quiets the worker, SIGCONT ends that. The process itself is not stopped. */
export function quietOnSignals(worker: Worker, told: (state: 'quiet' | 'working') => void): void {
  const quiet = (): void => {
    worker.quiet()
    told('quiet')
  }
  const resume = (): void => {
    worker.resume()
    told('working')
  }
  process.on('SIGTSTP', quiet)
  process.on('SIGCONT', resume)
  const letGo = (): void => {
    process.off('SIGTSTP', quiet)
    process.off('SIGCONT', resume)
  }
  worker.stopped.then(letGo, letGo)
}
