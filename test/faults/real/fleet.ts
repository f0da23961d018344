/** Fleets over PostgreSQL: brokers are killed, the server is killed, a standby takes over. Judged by what each broker wrote down. */
import { VictimFleet } from '../../postgres/fleet/fleet.ts'
import { judgeFleet, percentile, recoveries, returns } from '../../postgres/fleet/fleet-log.ts'
import { Relay } from '../../postgres/relay.ts'
import { PostgresServer } from '../../postgres/server.ts'
import { type Standby, standbyOf } from '../../postgres/standby.ts'
import type { FaultResult, RealFault } from './fault.ts'

const BROKERS = 3
/** Sends of each broker between two faults. */
const PROGRESS = 50
const RECOVERY_MS_MAX = 10_000
/** Of fewer times the longest says nothing about all. */
const MEASURED_MIN = 10

/** Ends the fleet and judges it; `recoveredMs`: how long each recovery took, as the caller measures it. */
async function judged(fleet: VictimFleet, what: string, recoveredMs: () => number[]): Promise<FaultResult> {
  await fleet.stop()
  const left = await fleet.left()
  const { acknowledged, deliveries, problems } = judgeFleet(fleet.events, left)
  const times = recoveredMs()
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)]
  const slow =
    times.length < MEASURED_MIN || p99 < RECOVERY_MS_MAX
      ? []
      : [`recovery p99 ${p99.toFixed(0)} ms, not below ${RECOVERY_MS_MAX}`]
  const seconds = (ms: number): string => (ms / 1_000).toFixed(1)
  return {
    figure:
      `${what}, ${BROKERS} brokers, ${acknowledged} acknowledged sends, ${deliveries} deliveries; ` +
      `recovery p50 ${seconds(p50)} s, p99 ${seconds(p99)} s (${times.length} measured)`,
    problems: [...problems, ...slow],
  }
}

export const brokers: RealFault = {
  name: 'brokers',
  what: 'kill -9 of a broker of a fleet over PostgreSQL: 0 lost, no lease held twice, its leases return',
  cycles: 100,
  run: async ({ cycles }) => {
    const server = await PostgresServer.start()
    const fleet = await VictimFleet.start(await server.createDatabase('fleet'), BROKERS)
    try {
      for (let cycle = 0; cycle < cycles; cycle++) {
        await fleet.progress(PROGRESS)
        await fleet.killOne()
        fleet.add()
      }
      await fleet.progress(PROGRESS)
      await fleet.drainKilled()
      const victims = fleet.killed.map(({ logFile, atMs }) => ({ events: fleet.eventsOf(logFile), atMs }))
      return await judged(fleet, `${cycles} kills of a broker`, () => returns(fleet.events, victims))
    } finally {
      fleet.dispose()
      await server.dispose()
    }
  },
}

export const postgres: RealFault = {
  name: 'postgres',
  what: 'kill -9 of PostgreSQL under a fleet, and its restart: 0 lost, no lease held twice, recovery p99 < 10 s',
  cycles: 100,
  run: async ({ cycles }) => {
    // A killed process loses nothing that the system has; that a COMMIT is synced is PostgreSQL's own promise.
    const server = await PostgresServer.start({ settings: { fsync: 'on' } })
    const fleet = await VictimFleet.start(await server.createDatabase('fleet'), BROKERS)
    const instants: number[] = []
    try {
      for (let cycle = 0; cycle < cycles; cycle++) {
        await fleet.progress(PROGRESS)
        await server.kill()
        instants.push(Date.now())
        await server.start()
      }
      await fleet.progress(PROGRESS)
      return await judged(fleet, `${cycles} kills of PostgreSQL`, () => recoveries(fleet.events, instants))
    } finally {
      fleet.dispose()
      await server.dispose()
    }
  },
}

export const promotion: RealFault = {
  name: 'promotion',
  what: 'kill -9 of a PostgreSQL whose synchronous standby is promoted: 0 lost, no lease held twice, recovery p99 < 10 s',
  cycles: 20,
  run: async ({ cycles }) => {
    let primary: Standby = await alone()
    const relay = await Relay.to(primary.server.port)
    const url = relay.through(await primary.server.createDatabase('fleet'))
    const fleet = await VictimFleet.start(url, BROKERS)
    const instants: number[] = []
    try {
      for (let cycle = 0; cycle < cycles; cycle++) {
        const standby = await standbyOf(primary.server)
        await fleet.progress(PROGRESS)
        await primary.server.kill()
        instants.push(Date.now())
        await standby.server.run('select pg_promote(true, 60)')
        relay.lead(standby.server.port)
        await primary.dispose()
        primary = standby
      }
      await fleet.progress(PROGRESS)
      return await judged(fleet, `${cycles} promotions`, () => recoveries(fleet.events, instants))
    } finally {
      fleet.dispose()
      await relay.close()
      await primary.dispose()
    }
  },
}

async function alone(): Promise<Standby> {
  const server = await PostgresServer.start()
  return { server, dispose: () => server.dispose() }
}
