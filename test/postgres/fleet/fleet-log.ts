/**
 * What the brokers of a fleet were told, and what it must not show: something acknowledged that is lost, something acked that comes back,
 * a lease in the hands of one broker while another one of the same message stands.
 */

/**
 * `sent`: acknowledged. `leased`: in its hands since `atMs`, until `endMs`, by the store's clock. `acking`: an ack is about to be sent. `acked`: it
 * was acknowledged. `ready`: this broker is at work.
 */
export interface FleetEvent {
  readonly kind: 'ready' | 'sent' | 'leased' | 'acking' | 'acked'
  readonly body: string
  readonly atMs: number
  readonly endMs?: number
}

export function lineOf({ kind, body, atMs, endMs }: FleetEvent): string {
  return `${kind} ${body} ${atMs}${endMs === undefined ? '' : ` ${endMs}`}\n`
}

/** A line that a kill cut off is left out: nobody was told what it says. */
export function eventsOf(text: string): FleetEvent[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  return whole.split('\n').flatMap((line) => {
    if (line === '') return []
    const [kind, body = '', atMs, endMs] = line.split(' ')
    return [{ kind: kind as FleetEvent['kind'], body, atMs: Number(atMs), ...(endMs ? { endMs: Number(endMs) } : {}) }]
  })
}

export interface FleetJudgement {
  readonly acknowledged: number
  readonly deliveries: number
  readonly problems: readonly string[]
}

/** Brokers read the store's clock each by itself, to within half a round trip on a loaded machine. */
export const CLOCK_ERROR_MS = 100

/** `left`: what the store holds in the end. */
export function judgeFleet(events: readonly FleetEvent[], left: ReadonlySet<string>): FleetJudgement {
  const problems: string[] = []
  const by = (kind: FleetEvent['kind']): FleetEvent[] => events.filter((event) => event.kind === kind)
  const acking = new Map(by('acking').map(({ body, atMs }) => [body, atMs]))
  const acked = new Map(by('acked').map(({ body, atMs }) => [body, atMs]))
  const sent = by('sent')
  const lost = sent.filter(({ body }) => !acking.has(body) && !left.has(body))
  if (lost.length > 0) problems.push(`${lost.length} acknowledged and lost, first ${lost[0]?.body}`)
  const back = [...acked.keys()].filter((body) => left.has(body))
  if (back.length > 0) problems.push(`${back.length} acked and there again, first ${back[0]}`)
  const leases = by('leased').sort((a, b) => a.atMs - b.atMs)
  const latest = new Map<string, FleetEvent>()
  for (const lease of leases) {
    const before = latest.get(lease.body)
    // One that ended on its way was nobody's.
    if ((lease.endMs ?? 0) > lease.atMs) latest.set(lease.body, lease)
    const ackedMs = acked.get(lease.body)
    if (ackedMs !== undefined && lease.atMs > ackedMs + CLOCK_ERROR_MS) {
      problems.push(`${lease.body} delivered ${lease.atMs - ackedMs} ms after its ack was acknowledged`)
    }
    if (before?.endMs !== undefined && lease.atMs < before.endMs - CLOCK_ERROR_MS) {
      problems.push(`${lease.body} leased ${before.endMs - lease.atMs} ms before its lease ended`)
    }
  }
  return { acknowledged: sent.length, deliveries: leases.length, problems }
}

/** How long after each of the instants the fleet was told of the next send, ms. */
export function recoveries(events: readonly FleetEvent[], instantsMs: readonly number[]): number[] {
  const sent = events.filter(({ kind }) => kind === 'sent').map(({ atMs }) => atMs)
  return instantsMs.map((instantMs) => Math.min(...sent.filter((atMs) => atMs > instantMs)) - instantMs)
}

/** What a killed broker held: how long after its lease ended (or the kill, if that was later) each message was delivered again, ms. */
export function returns(
  events: readonly FleetEvent[],
  victims: readonly { readonly events: readonly FleetEvent[]; readonly atMs: number }[],
): number[] {
  const leases = new Map<string, number[]>()
  for (const { kind, body, atMs } of events)
    if (kind === 'leased') leases.set(body, [...(leases.get(body) ?? []), atMs])
  return victims.flatMap(({ events: own, atMs: killedMs }) => {
    const acking = new Set(own.filter(({ kind }) => kind === 'acking').map(({ body }) => body))
    return own.flatMap(({ kind, body, atMs, endMs = 0 }) => {
      if (kind !== 'leased' || acking.has(body) || endMs < killedMs) return []
      const again = (leases.get(body) ?? []).filter((otherMs) => otherMs > atMs)
      return again.length === 0 ? [] : [Math.min(...again) - Math.max(endMs, killedMs)]
    })
  })
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
