/** The figures that Spindle promises. `npm run bench:throughput` and `npm run bench:backlog` exit 1 when one is missed. */
export const figures = {
  /** Durable send + receive + ack, one process, 100 B, one message a call, 1,000 concurrent callers: messages a second, at least. */
  roundTripsPerSecondMin: 200_000,
  /** Enqueue to done, trivial handler, one worker of concurrency 100: tasks a second, at least. */
  tasksPerSecondMin: 80_000,
  /** Index memory of one waiting plain message, bytes, at most. */
  indexBytesMax: 64,
  /** A fresh process on a folder with 1 M waiting messages: until the first delivery, ms, less than. */
  restartMsMax: 2_000,
  /** Longest pause of the event loop while messages come and go over that backlog, ms, at most. */
  pauseMsMax: 50,
} as const

export interface Verdict {
  readonly what: string
  readonly measured: string
  readonly figure: string
  readonly met: boolean
}

export function atLeast(what: string, value: number, min: number, unit: string): Verdict {
  return { what, measured: amount(value, unit), figure: `>= ${amount(min, unit)}`, met: value >= min }
}

export function atMost(what: string, value: number, max: number, unit: string): Verdict {
  return { what, measured: amount(value, unit), figure: `<= ${amount(max, unit)}`, met: value <= max }
}

function amount(value: number, unit: string): string {
  const digits = value < 100 && !Number.isInteger(value) ? 1 : 0
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} ${unit}`
}
