/** The hotel as a process: signals, a second start, and what waits on the data folder. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HotelProcess, makeFolder, removeFolder, START_LIMIT_MS, StartRun, stepOf, until } from './hotel-process.ts'

const TEST_LIMIT_MS = 2 * START_LIMIT_MS
let folder: string
let hotel: HotelProcess

beforeAll(async () => {
  folder = await makeFolder()
  hotel = await HotelProcess.start({ folder })
}, START_LIMIT_MS)

afterAll(async () => {
  await hotel?.stop('SIGKILL')
  await removeFolder(folder)
}, START_LIMIT_MS)

/** Until its services have been refused once: work is left to do, for a later attempt. */
async function bookWithWorkLeft(): Promise<string> {
  await hotel.post('/switches/shuttle-answers', { statuses: Array(20).fill(503) })
  const { answer } = await hotel.book()
  await hotel.untilView(
    'the services were tried and the mail sent',
    answer.booking.id,
    (view) => stepOf(view, 'services').incidents.length > 0 && stepOf(view, 'mail').state === 'succeeded',
  )
  return answer.booking.id
}

describe('the hotel', { timeout: TEST_LIMIT_MS }, () => {
  it('says so when its port or its folder is taken, and goes on', async () => {
    const port = Number(new URL(hotel.url).port)
    const other = await makeFolder()
    const samePort = new StartRun({ folder: other, port })
    const sameFolder = new StartRun({ folder })

    expect(await samePort.exited).toBe(1)
    expect(samePort.output).toContain(`Port ${port} is taken.`)
    expect(await sameFolder.exited).toBe(1)
    expect(sameFolder.output).toContain('belongs to a hotel that is open')

    expect((await hotel.book()).response.status).toBe(202)
    await removeFolder(other)
  })

  it('refuses a port that is none', async () => {
    const run = new StartRun({ folder, port: 70_000 })
    expect(await run.exited).toBe(2)
    expect(run.output).toContain("PORT is '70000' but must be a number from 0 to 65535")
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGKILL', 'SIGKILL'],
  ] as const)(
    'takes its children with it on %s, and goes on with its bookings when it opens again',
    async (signal, exit) => {
      const id = await bookWithWorkLeft()
      const { worker, promises } = (await hotel.snapshot()).processes

      const stopped = hotel.stop(signal)
      hotel.run.process.kill(signal) // npm and tsx pass on what the terminal has sent already
      expect(await stopped).toBe(exit)
      if (signal === 'SIGTERM') expect(existsSync(join(folder, 'hotel.pid'))).toBe(false)
      for (const { pid } of [worker, promises]) {
        await until(`process ${pid} is gone`, () => pid !== undefined && !isAlive(pid))
      }

      hotel = await HotelProcess.start({ folder })
      const done = await hotel.untilSucceeded(id)
      expect(stepOf(done, 'voucher').attempts).toBe(1)
      expect(stepOf(done, 'mail').attempts).toBe(1)
      expect(stepOf(done, 'services').attempts).toBeGreaterThan(1)
    },
  )
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
