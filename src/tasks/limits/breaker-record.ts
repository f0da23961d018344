/** A breaker that is not closed, at `spindle/breaker/QUEUE`. Whoever moves it on does so under the version that was read. */
export interface BreakerRecord {
  readonly state: 'open' | 'probing'
  /** Wall time of the next probe, ms. */
  readonly untilMs: number
  /** Openings in a row. */
  readonly openings: number
  /** The queue's own, which a probe replaces by 1. */
  readonly concurrency: number | null
}

export function breakerKey(queue: string): string {
  return `spindle/breaker/${queue}`
}

export function encodeBreaker(record: BreakerRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record))
}

export function decodeBreaker(value: Uint8Array): BreakerRecord | undefined {
  try {
    const record = JSON.parse(Buffer.from(value).toString('utf8')) as BreakerRecord
    const isWhole = (record.state === 'open' || record.state === 'probing') && Number.isFinite(record.untilMs)
    return isWhole ? record : undefined
  } catch {
    return undefined
  }
}
