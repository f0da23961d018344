/** Runs one scenario in a process of its own: nothing that ran before has warmed, filled or fragmented it. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Job } from './jobs.ts'

/** `killed`: ended by SIGKILL as soon as it has answered, with its store still open. */
export type Ending = 'well' | 'killed'

const LIMIT_MS = 10 * 60_000

export function inFreshProcess<J extends Job>(job: J, ending: Ending = 'well'): Promise<Answer<J>> {
  return forked<Answer<J>>('child.ts', job, ending)
}

/**
 * Runs `script` (beside this file) with `job` as JSON in its first argument; resolves to the one message it sends. `node`: another Node,
 * which reads TypeScript by itself.
 */
export function forked<T>(script: string, job: object, ending: Ending = 'well', node?: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL(script, import.meta.url)), [JSON.stringify(job)], {
      ...(node === undefined ? { execArgv: ['--import', 'tsx'] } : { execPath: node, execArgv: [] }),
      timeout: LIMIT_MS,
    })
    let answer: T | undefined
    child.on('message', (message) => {
      answer = message as T // the scripts are ours and send nothing else
      if (ending === 'killed') child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (answer !== undefined) resolve(answer)
      else reject(new Error(`${script} ended with ${signal ?? `code ${code}`} and no answer: ${JSON.stringify(job)}`))
    })
  })
}
