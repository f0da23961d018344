/** Brokers of a fleet are killed, PostgreSQL is killed; the checker that judges it is checked itself. */
import { describe, expect, it } from 'vitest'
import { brokers, postgres } from '../faults/real/fleet.ts'
import { eventsOf, type FleetEvent, judgeFleet, lineOf } from './fleet/fleet-log.ts'
import { whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()
const long = process.env['SPINDLE_TEST_LONG'] === '1'

describe.skipIf(missing !== undefined)(`a fleet under kills${missing === undefined ? '' : ` (${missing})`}`, () => {
  for (const { name, what, run, cycles } of [brokers, postgres]) {
    it(`${name}: ${what}`, async () => {
      const { problems, figure } = await run({ cycles: long ? cycles : 1, seed: 1 })
      expect(problems, figure).toEqual([])
    }, 1_200_000)
  }
})

describe('the judge of a fleet', () => {
  const sent: FleetEvent = { kind: 'sent', body: 'm', atMs: 100 }
  const leased = (atMs: number): FleetEvent => ({ kind: 'leased', body: 'm', atMs, endMs: atMs + 1_000 })
  const problemsOf = (events: FleetEvent[], left: string[] = []) => judgeFleet(events, new Set(left)).problems

  it('finds what was acknowledged and lost', () => {
    expect(problemsOf([sent])).toEqual([expect.stringContaining('lost')])
    expect(problemsOf([sent], ['m'])).toEqual([])
    expect(problemsOf([sent, leased(200), { kind: 'acking', body: 'm', atMs: 210 }])).toEqual([])
  })

  it('finds what was acked and came back', () => {
    const acked: FleetEvent[] = [
      sent,
      leased(200),
      { kind: 'acking', body: 'm', atMs: 210 },
      { kind: 'acked', body: 'm', atMs: 220 },
    ]
    expect(problemsOf(acked)).toEqual([])
    expect(problemsOf(acked, ['m'])).toEqual([expect.stringContaining('there again')])
    expect(problemsOf([...acked, leased(1_500)])).toEqual([expect.stringContaining('after its ack')])
  })

  it('finds a lease that was granted while another one stood', () => {
    expect(problemsOf([sent, leased(200), leased(1_200)], ['m'])).toEqual([])
    expect(problemsOf([sent, leased(200), leased(900)], ['m'])).toEqual([expect.stringContaining('before its lease')])
  })

  it('reads what a killed process wrote, but for the line that was cut', () => {
    expect(eventsOf(`${lineOf(sent)}${lineOf(leased(200))}sent n`)).toEqual([sent, leased(200)])
  })
})
