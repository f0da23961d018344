/** `npm start`: opens the hotel and says where to look. */
import { parseArgs } from 'node:util'
import { startHotel } from './hotel.ts'

const USAGE = `npm start
  PORT                 where to listen, on loopback. Default 3000; 0: any free one
  HOTEL_DATA           the data folder. Default ./data/hotel
  HOTEL_PACE           1: the story's own times (default); 0.1: ten times as fast
  HOTEL_FAILURE_RATE   how often the airport shuttle is out of order, 0 to 1. Default 0.25
  HOTEL_SEED           repeats the failures of an earlier run`

const EXIT_FAILURE = 1
const EXIT_USAGE = 2
/** One Ctrl-C arrives up to three times: from the terminal, from npm and from tsx. */
const SAME_SIGNAL_MS = 750

class UsageError extends Error {}

function numberFrom(name: string, fallback: number, max: number): number {
  const text = process.env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!(value >= 0 && value <= max)) throw new UsageError(`${name} is '${text}' but must be a number from 0 to ${max}`)
  return value
}

function readOptions() {
  const port = numberFrom('PORT', 3000, 65_535)
  if (!Number.isInteger(port)) throw new UsageError(`PORT is ${port} but must be a whole number`)
  return {
    port,
    dataFolder: process.env['HOTEL_DATA'] ?? './data/hotel',
    paceScale: numberFrom('HOTEL_PACE', 1, 10),
    failureRate: numberFrom('HOTEL_FAILURE_RATE', 0.25, 1),
    seed: numberFrom('HOTEL_SEED', Date.now() % 2 ** 32, 2 ** 32),
  }
}

function explain(error: unknown, port: number): string {
  if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'EADDRINUSE') {
    return `Port ${port} is taken. Stop what listens there, or choose another: PORT=${port + 1} npm start`
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

async function main(): Promise<void> {
  if (parseArgs({ options: { help: { type: 'boolean', short: 'h' } } }).values.help === true) {
    console.log(USAGE)
    return
  }
  const options = readOptions()
  console.log('Opening the hotel. The first time takes a few seconds: its database is set up.')
  const starting = startHotel(options)
  stopOnSignal(starting)
  const hotel = await starting.catch((error: unknown) => {
    console.error(explain(error, options.port))
    process.exit(EXIT_FAILURE)
  })
  console.log(`The Spindle Hotel is open: ${hotel.url}`)
  console.log(`Its data is in ${options.dataFolder}. Ctrl-C closes it; bookings and waiting tasks stay.`)
}

/** The first signal closes in order, the second one leaves at once. */
function stopOnSignal(starting: ReturnType<typeof startHotel>): void {
  let firstMs: number | undefined
  const end = (number: number): void => {
    const nowMs = performance.now()
    if (firstMs !== undefined) {
      if (nowMs - firstMs > SAME_SIGNAL_MS) process.exit(128 + number)
      return
    }
    firstMs = nowMs
    starting
      .then((hotel) => hotel.stop())
      .then(
        () => process.exit(128 + number),
        (error: unknown) => {
          console.error(error)
          process.exit(EXIT_FAILURE)
        },
      )
  }
  process.on('SIGINT', () => end(2))
  process.on('SIGTERM', () => end(15))
}

main().catch((error: unknown) => {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error)
  process.exit(error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE)
})
