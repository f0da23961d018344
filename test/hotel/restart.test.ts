/** The hotel as a process: signals, a second start, and what waits on the data folder. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  HotelProcess,
  type HotelSettings,
  makeFolder,
  removeFolder,
  START_LIMIT_MS,
  StartRun,
  stepOf,
  until,
} from './hotel-process.ts'

const TEST_LIMIT_MS = 3 * START_LIMIT_MS
let folder: string
const started: HotelProcess[] = []

beforeEach(async () => {
  folder = await makeFolder()
})

afterEach(async () => {
  for (const hotel of started.splice(0)) await hotel.stop('SIGKILL')
  await removeFolder(folder)
}, START_LIMIT_MS)

async function start(settings: HotelSettings = {}): Promise<HotelProcess> {
  const hotel = await HotelProcess.start({ folder, ...settings })
  started.push(hotel)
  return hotel
}

/** Until its services have been refused once: work is left to do, for a later attempt. */
async function bookWithWorkLeft(hotel: HotelProcess): Promise<string> {
  await hotel.post('/switches/shuttle-answers', { statuses: [503, 503, 503, 503] })
  const { answer } = await hotel.book()
  const tried = await hotel.untilView(
    'the services were tried',
    answer.booking.id,
    (view) => stepOf(view, 'services').incidents.length > 0,
  )
  expect(stepOf(tried, 'mail').attempts).toBeLessThan(2)
  return answer.booking.id
}

describe('the hotel', { timeout: TEST_LIMIT_MS }, () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGKILL', 'SIGKILL'],
  ] as const)('goes on with its bookings after %s and a new start', async (signal, exit) => {
    const first = await start()
    const id = await bookWithWorkLeft(first)
    expect(await first.stop(signal)).toBe(exit)

    const second = await start()
    const done = await second.untilSucceeded(id)
    expect(stepOf(done, 'voucher').attempts).toBe(1)
    expect(stepOf(done, 'services').attempts).toBeGreaterThan(1)
  })

  it('takes its children with it, also when it is killed', async () => {
    const hotel = await start()
    const { worker, promises } = (await hotel.snapshot()).processes
    await hotel.stop('SIGKILL')
    for (const pid of [worker.pid, promises.pid]) {
      await until(`process ${pid} is gone`, () => pid !== undefined && !isAlive(pid))
    }
  })

  it('says so when its port or its folder is taken', async () => {
    const hotel = await start()
    const port = Number(new URL(hotel.url).port)
    const other = await makeFolder()

    const samePort = new StartRun({ folder: other, port })
    expect(await samePort.exited).toBe(1)
    expect(samePort.output).toContain(`Port ${port} is taken.`)

    const sameFolder = new StartRun({ folder })
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
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
