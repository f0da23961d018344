/** Numbers and times for people. */
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const small = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

export const count = (value: number): string => (value < 100_000 ? whole.format(value) : short.format(value))
export const exactly = (value: number): string => whole.format(value)

export function perSecond(value: number): string {
  if (value === 0) return '0'
  return value < 10 ? small.format(value) : count(value)
}

export function bytes(value: number): string {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const) {
    if (value >= size) return `${small.format(value / size)} ${unit}`
  }
  return `${value} B`
}

export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1_000
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`
  if (seconds < 10) return `${small.format(seconds)} s`
  if (seconds < 120) return `${Math.floor(seconds)} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

export function relative(atMs: number, nowMs: number): string {
  const ms = nowMs - atMs
  if (Math.abs(ms) < 1_000) return 'now'
  return ms > 0 ? `${duration(ms)} ago` : `in ${duration(-ms)}`
}

export function exactTime(atMs: number): string {
  return new Date(atMs).toISOString().replace('T', ' ').replace('Z', ' UTC')
}

/** Of this day, to the millisecond. */
export function clockTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23)
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${exactly(value)} ${value === 1 ? one : many}`
}
