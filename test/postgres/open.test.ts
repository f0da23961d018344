/** The API over `postgres://`, in real time. */
import { open } from 'spindle-mq'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import type { Spindle } from '../../src/spindle.ts'
import { task } from '../../src/tasks/index.ts'
import { freshDatabase } from './database.ts'
import { whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()

async function opened(url: string): Promise<Spindle> {
  const spindle = await open(url)
  onTestFinished(() => spindle.close())
  return spindle
}

describe.skipIf(missing !== undefined)(`open postgres://${missing === undefined ? '' : ` (${missing})`}`, () => {
  it('sends, receives and settles', async () => {
    const spindle = await opened(await freshDatabase())
    const mail = await spindle.queue<{ to: string }>('mail')
    await mail.send({ to: 'ada' })
    const [message] = await mail.receive({ waitMs: 10_000 })
    expect(message?.body).toEqual({ to: 'ada' })
    await message?.ack()
    expect(await mail.measure()).toMatchObject({ ready: 0, leased: 0 })
  })

  it('runs a task to its result', async () => {
    const spindle = await opened(await freshDatabase())
    const double = task('double', { input: z.number(), run: async (n: number) => n * 2 })
    const job = await spindle.enqueue(double, 21)
    const worker = await spindle.work([double])
    expect(await job.result({ timeoutMs: 20_000 })).toBe(42)
    await worker.stop()
  })

  it('hides the password of its URL', async () => {
    const url = new URL(await freshDatabase())
    url.password = 'secret'
    const spindle = await opened(url.href)
    expect(spindle.url).not.toContain('secret')
  })
})
