/** Handlers of the isolation tests: run in threads and processes, so what they did is told through files. */
import { appendFileSync, writeFileSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import { PermanentFailure, task } from 'spindle-mq'
import { z } from 'zod'

const input = z.object({
  file: z.string().default('/dev/null'),
  ms: z.number().default(0),
  how: z.string().default(''),
})

function block(ms: number): void {
  const end = Date.now() + ms
  while (Date.now() < end);
}

const note = task('note', { input: z.object({ text: z.string() }), run: () => {} })

const handler = {
  input,
  retry: { attempts: 2, backoff: () => 0 },
  async run(
    { file, ms, how }: z.output<typeof input>,
    ctx: import('spindle-mq').TaskContext,
  ): Promise<{ where: string; pid: number; aborted?: string }> {
    if (how === 'block') writeFileSync(`${file}.pid`, String(process.pid))
    appendFileSync(file, `${ctx.attempt}\n`)
    const where = threadId === 0 ? 'main' : 'thread'
    if (how === 'exit') process.exit(7)
    switch (how) {
      case 'block':
        block(ms)
        break
      case 'memory': {
        const hoard: number[][] = []
        while (hoard.length >= 0) hoard.push(new Array<number>(100_000).fill(1.5))
        break
      }
      case 'uncaught':
        setTimeout(() => {
          throw new Error('nobody catches this')
        }, 1)
        await new Promise(() => setInterval(() => {}, 1_000))
        break
      case 'kill':
        process.kill(process.pid, 'SIGKILL')
        break
      case 'throw':
        throw Object.assign(new RangeError('too far'), { code: 'E_FAR' })
      case 'permanent':
        throw new PermanentFailure('never again')
      case 'bridge':
        await ctx.progress(0.5, { page: 3 })
        ctx.log('half way')
        ctx.enqueue(note, { text: 'after' }, { priority: 5 })
        break
      case 'follow-up of a wrong input':
        ctx.enqueue(note, { txt: 'after' } as never)
        break
      case 'wait':
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
        return { where, pid: process.pid, aborted: ctx.signal.reason.kind }
      default:
    }
    return { where, pid: process.pid }
  },
}

export const inThread = task('in-thread', { ...handler, isolate: 'thread', leaseMs: 400 })
export const inProcess = task('in-process', { ...handler, isolate: 'process', leaseMs: 400 })
export const smallThread = task('small-thread', { ...handler, isolate: 'thread', memoryMbMax: 32 })
export const smallProcess = task('small-process', { ...handler, isolate: 'process', memoryMbMax: 32 })
