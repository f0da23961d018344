/**
 * Every order calls three vendors: mail always answers, sms refuses one call in twenty, billing is down for a while, and a call to what
 * is down hangs for 8 s. The same orders go through one queue a vendor, and through one queue for all, with as many slots altogether.
 * Time is virtual: ten minutes take seconds.
 */
import { open, type Spindle, task } from 'spindle-mq'
import { VirtualClock } from 'spindle-mq/testing'
import { z } from 'zod'

export const VENDORS = ['mail', 'sms', 'billing'] as const
type Vendor = (typeof VENDORS)[number]

const SLOTS_A_VENDOR = 3
const CALL_MS = 100
const HANG_MS = 8_000
const EVERY_MS = 500
/** A call that ends later than this after its order is of no use to the customer. */
const IN_TIME_MS = 10_000

export interface Load {
  readonly seconds: number
  /** While billing is down. */
  readonly downFromS: number
  readonly downToS: number
}

/** Of each vendor: the share of its calls that succeeded in time, 0 to 1. */
export async function successRates(load: Load, layout: 'separate' | 'shared'): Promise<Record<Vendor, number>> {
  const clock = new VirtualClock()
  const spindle = await open('memory:', { clock })
  const startMs = clock.monotonicMs()
  const inTime: Record<Vendor, number> = { mail: 0, sms: 0, billing: 0 }
  let ended = 0
  const tasks = VENDORS.map((vendor) =>
    task(vendor, {
      queue: layout === 'shared' ? 'vendors' : vendor,
      input: z.object({ orderedMs: z.number() }),
      retry: { attempts: 1 }, // so that a rate is the vendor's, and not that of persistence
      async run({ orderedMs }) {
        await call(vendor)
        if (clock.monotonicMs() - orderedMs <= IN_TIME_MS) inTime[vendor]++
      },
    }),
  )
  let smsCalls = 0
  async function call(vendor: Vendor): Promise<void> {
    const atS = (clock.monotonicMs() - startMs) / 1_000
    const isDown = vendor === 'billing' && atS >= load.downFromS && atS < load.downToS
    await new Promise<void>((resolve) => clock.setTimer(isDown ? HANG_MS : CALL_MS, resolve))
    if (isDown) throw new Error('timed out')
    if (vendor === 'sms' && ++smsCalls % 20 === 0) throw new Error('refused')
  }

  const count = (): unknown => ended++
  const workers = await Promise.all(
    layout === 'shared'
      ? [spindle.work(tasks, { concurrency: SLOTS_A_VENDOR * VENDORS.length, ended: count })]
      : tasks.map((one) => spindle.work([one], { concurrency: SLOTS_A_VENDOR, ended: count })),
  )
  const orders = (load.seconds * 1_000) / EVERY_MS
  for (let order = 0; order < orders; order++) {
    for (const one of tasks) await spindle.enqueue(one, { orderedMs: clock.monotonicMs() })
    await clock.advance(EVERY_MS)
  }
  while (ended < orders * VENDORS.length) await clock.advance(10_000)
  await close(spindle, clock, workers)
  return { mail: inTime.mail / orders, sms: inTime.sms / orders, billing: inTime.billing / orders }
}

async function close(spindle: Spindle, clock: VirtualClock, workers: readonly { stop(): Promise<void> }[]) {
  const closing = Promise.all(workers.map((worker) => worker.stop())).then(() => spindle.close())
  await clock.advance(60_000)
  await closing
}
