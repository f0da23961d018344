/** The same tasks with one worker and with many, each in a store of its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'spindle-mq'
import { call } from './tasks.ts'

export interface Measured {
  readonly workers: number
  readonly tasks: number
  readonly seconds: number
  readonly perSecond: number
}

/** `workers`: each runs one task at a time. Everything is enqueued before the first one starts; the clock runs until the last has ended. */
export async function measure(how: {
  readonly workers: number
  readonly tasks: number
  readonly ms: number
}): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-speed-up-'))
  const spindle = await open(`file:${folder}`)
  try {
    const items = Array.from({ length: how.tasks }, () => ({ input: { ms: how.ms } }))
    await spindle.enqueueMany(call, items)
    let ended = 0
    let allEnded = (): void => {}
    const done = new Promise<void>((resolve) => {
      allEnded = resolve
    })
    const startedMs = performance.now()
    const workers = await Promise.all(
      Array.from({ length: how.workers }, () =>
        spindle.work([call], {
          concurrency: 1,
          ended: ({ outcome }) => {
            if (outcome !== 'succeeded') throw new Error(`a task ${outcome}`)
            if (++ended === how.tasks) allEnded()
          },
        }),
      ),
    )
    await done
    const seconds = (performance.now() - startedMs) / 1_000
    await Promise.all(workers.map((worker) => worker.stop()))
    return { workers: how.workers, tasks: how.tasks, seconds, perSecond: how.tasks / seconds }
  } finally {
    await spindle.close()
    await rm(folder, { recursive: true })
  }
}
