/** One store, measured in this process, which does nothing else: `tsx bench/store-child.ts JOB`. */
import process from 'node:process'
import { withFolder } from './store.ts'
import { candidates } from './stores/candidates.ts'

export interface StoreJob {
  readonly candidate: string
  readonly build: string
  readonly peers: string
  readonly messages: number
  readonly bodyBytes: number
  readonly group: number
}

export interface StoreRates {
  readonly putPerSecond: number
  readonly takePerSecond: number | undefined
}

async function measure(job: StoreJob): Promise<StoreRates> {
  const candidate = candidates(job.build).find(({ name }) => name === job.candidate)
  if (candidate === undefined) throw new Error(`no store is called '${job.candidate}'`)
  const bodies = Array.from({ length: job.group }, () => Buffer.alloc(job.bodyBytes, 'a'))
  return withFolder(async (folder) => {
    const store = await candidate.open(folder, job.peers)
    const rateOf = async (work: () => Promise<void>): Promise<number> => {
      const startedMs = performance.now()
      await work()
      return job.messages / ((performance.now() - startedMs) / 1000)
    }
    const putPerSecond = await rateOf(async () => {
      for (let done = 0; done < job.messages; done += job.group) await store.put(bodies)
    })
    const { take } = store
    const takePerSecond =
      take &&
      (await rateOf(async () => {
        let taken = 0
        for (let got = 1; got > 0; taken += got) got = await take(job.group)
        if (taken !== job.messages) throw new Error(`${job.messages} put, ${taken} taken`)
      }))
    await store.close()
    return { putPerSecond, takePerSecond }
  })
}

process.send?.(await measure(JSON.parse(process.argv[2] ?? '') as StoreJob), () => process.disconnect())
