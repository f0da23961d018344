/** The flash sale, at ten times its pace: 1,000 updates a second. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SaleSample, SaleView } from '../../examples/hotel-booking/sale.ts'
import { HotelProcess, makeFolder, removeFolder, START_LIMIT_MS, until } from './hotel-process.ts'

const TEST_LIMIT_MS = 2 * START_LIMIT_MS
const PER_SECOND = 1_000
const BURST = 10
const BOOKINGS = 2_000

interface Sale extends SaleView {
  readonly samples: readonly SaleSample[]
  readonly bookedInAll: number
}

let folder: string
let hotel: HotelProcess

beforeAll(async () => {
  folder = await makeFolder()
  hotel = await HotelProcess.start({ folder, pace: 0.1 })
}, START_LIMIT_MS)

afterAll(async () => {
  await hotel?.stop()
  await removeFolder(folder)
}, START_LIMIT_MS)

const saleNow = async (): Promise<Sale> => (await (await hotel.get('/sale')).json()) as Sale

describe('a flash sale', { timeout: TEST_LIMIT_MS }, () => {
  it('answers every guest at once and updates the database at the rate that it bears', async () => {
    expect(await saleNow()).toMatchObject({ state: 'idle', bookedInAll: 0 })
    const answer = await hotel.post('/sale', { bookings: BOOKINGS })
    expect(answer.status).toBe(202)
    const accepted = (await answer.json()) as SaleView
    expect(accepted.latest.arrived).toBe(BOOKINGS)
    // Every guest has an answer, and most of the work lies ahead.
    expect(accepted.latest.booked).toBeLessThan(BOOKINGS)
    const again = await hotel.post('/sale', { bookings: 1 })
    expect(again.status).toBe(409)
    const over = await until('the sale is over', async () => {
      const sale = await saleNow()
      return sale.state === 'over' && sale
    })
    expect(over).toMatchObject({ bookedInAll: BOOKINGS, latest: { arrived: BOOKINGS, booked: BOOKINGS } })
    // A slow machine may take longer; never may it be faster than the database bears.
    const tooFast = over.samples.filter(({ ms, booked }) => booked > BURST + (PER_SECOND * (ms + 1)) / 1_000)
    expect(tooFast).toEqual([])
    expect(over.samples.length).toBeGreaterThan(4)
  })

  it('refuses a sale of a wrong size', async () => {
    for (const bookings of [0, 10_001, 1.5, 'all']) {
      expect((await hotel.post('/sale', { bookings })).status).toBe(400)
    }
  })

  it('loses and doubles none when the hotel is killed in the middle', async () => {
    const { bookedInAll: before } = await saleNow()
    await hotel.post('/sale', { bookings: BOOKINGS })
    await until('some are booked', async () => (await saleNow()).latest.booked > 0)
    await hotel.stop('SIGKILL')
    hotel = await HotelProcess.start({ folder, pace: 0.1 })
    await until('all are booked', async () => {
      const { state, bookedInAll } = await saleNow()
      return state !== 'running' && bookedInAll >= before + BOOKINGS
    })
    expect((await saleNow()).bookedInAll).toBe(before + BOOKINGS)
  })
})
