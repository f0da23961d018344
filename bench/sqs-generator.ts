/** The generator of the SQS benches: sqs-load.ts in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { LoadFigures, LoadJob } from './sqs-load.ts'
import type { RunningServer } from './sqs-servers.ts'

export const CONNECTIONS = 16
export const BODY_BYTES = 256

/** One generator, kept for all rounds, so that both servers meet the same warm one. */
export class Load {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor({ endpoint }: RunningServer) {
    const script = fileURLToPath(new URL('./sqs-load.ts', import.meta.url))
    const args = ['--import', 'tsx', script, endpoint, String(CONNECTIONS), String(BODY_BYTES)]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  async ready(): Promise<void> {
    if ((await this.#line()) !== 'ready') throw new Error('the generator did not start')
  }

  async run(job: LoadJob): Promise<LoadFigures> {
    this.#child.stdin?.write(`${JSON.stringify(job)}\n`)
    const figures = JSON.parse(await this.#line()) as LoadFigures
    if (job.phase !== 'poll' && job.phase !== 'send' && figures.distinct < job.messages) {
      throw new Error(`${job.messages - figures.distinct} messages of ${job.messages} did not come out`)
    }
    return figures
  }

  stop(): void {
    this.#child.stdin?.end()
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('the generator ended')
    return value
  }
}
