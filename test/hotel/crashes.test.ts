/** At the story's own pace: what the guest waits for, and what is left when a process dies. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HotelProcess, makeFolder, removeFolder, START_LIMIT_MS, stepOf, until } from './hotel-process.ts'

const TEST_LIMIT_MS = 120_000
let folder: string
let hotel: HotelProcess

beforeAll(async () => {
  folder = await makeFolder()
  hotel = await HotelProcess.start({ folder, pace: 1 })
}, START_LIMIT_MS)

afterAll(async () => {
  await hotel?.stop()
  await removeFolder(folder)
}, START_LIMIT_MS)

describe('how long the guest waits', { timeout: TEST_LIMIT_MS }, () => {
  it('is about 30 ms with the queue', async () => {
    const tookMs: number[] = []
    for (let count = 0; count < 5; count++) {
      const booked = await hotel.book()
      expect(booked.response.status).toBe(202)
      tookMs.push(booked.tookMs)
    }
    // The fastest: the others tell how busy this machine is.
    expect(Math.min(...tookMs)).toBeGreaterThanOrEqual(30)
    expect(Math.min(...tookMs)).toBeLessThan(300)
  })

  it('is 2.5 s with everything in the request', async () => {
    const { response, answer, tookMs } = await hotel.book({ mode: 'in-request' })
    expect(response.status).toBe(201)
    expect(answer.state).toBe('succeeded')
    expect(tookMs).toBeGreaterThanOrEqual(2_530)
    expect(await hotel.mailsOf(answer.booking.id)).toHaveLength(1)
    expect(await hotel.callsFor(answer.booking.id)).toHaveLength(3)
  })
})

describe('a worker killed in the middle of a task', { timeout: TEST_LIMIT_MS }, () => {
  it('loses nothing: the next one gets the task as attempt 2 and finishes the booking once', async () => {
    const pid = await hotel.untilRunning('worker')
    const { answer } = await hotel.book()
    await hotel.untilView('the voucher is under way', answer.booking.id, (view) => {
      const { state, progress } = stepOf(view, 'voucher')
      return state === 'running' && progress > 0.2
    })

    const { killed } = (await (await hotel.post('/switches/kill-worker')).json()) as { readonly killed: number }
    expect(killed).toBe(pid)

    expect(await hotel.untilRunning('worker', pid)).not.toBe(pid)
    const done = await hotel.untilSucceeded(answer.booking.id)
    expect(stepOf(done, 'voucher')).toMatchObject({
      attempts: 2,
      incidents: [{ attempt: 1, what: 'redelivered' }],
    })
    expect(stepOf(done, 'mail').attempts).toBe(1)
    expect(await hotel.mailsOf(answer.booking.id)).toHaveLength(1)
    expect((await hotel.callsFor(answer.booking.id)).map((call) => call.repeated)).toEqual([false, false, false])
  })
})

describe('promises that nobody waits for', { timeout: TEST_LIMIT_MS }, () => {
  it('do the work while their process lives', async () => {
    const { response, answer } = await hotel.book({ mode: 'fire-and-forget' })
    expect(response.status).toBe(202)
    await until('the mail has arrived', async () => (await hotel.mailsOf(answer.booking.id)).length === 1)
    await until('all services know', async () => (await hotel.callsFor(answer.booking.id)).length === 3)
  })

  it('take the work with them when it dies, and leave no record', async () => {
    const { response, answer, tookMs } = await hotel.book({ mode: 'fire-and-forget' })
    expect(response.status).toBe(202)
    expect(tookMs).toBeLessThan(1_000)
    const { killed } = (await (await hotel.post('/switches/kill-promises')).json()) as { readonly killed: number }
    await hotel.untilRunning('promises', killed)

    // A queued booking that was taken later is done: whatever was going to happen to the first one has happened.
    const later = await hotel.book()
    await hotel.untilSucceeded(later.answer.booking.id)
    expect((await hotel.get(`/bookings/${answer.booking.id}/voucher.pdf`)).status).toBe(404)
    expect(await hotel.mailsOf(answer.booking.id)).toEqual([])
    expect(await hotel.callsFor(answer.booking.id)).toEqual([])
    expect((await hotel.view(answer.booking.id)).state).toBe('untracked')
  })
})
