/** The primary dies, a person promotes its synchronous standby: brokers find it by themselves, and nothing acknowledged is lost. */
import { open } from 'spindle-mq'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Load } from './load.ts'
import { Relay } from './relay.ts'
import { PostgresServer, whyNoPostgres } from './server.ts'
import { type Standby, standbyOf } from './standby.ts'

const missing = whyNoPostgres()

let primary: PostgresServer
let standby: Standby
let address: Relay

describe.skipIf(missing !== undefined)(
  `a standby that is promoted${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    beforeAll(async () => {
      primary = await PostgresServer.start({ settings: { wal_level: 'replica', max_wal_senders: '4' } })
      standby = await standbyOf(primary)
      address = await Relay.to(primary.port)
    }, 180_000)
    afterAll(async () => {
      await address?.close()
      await standby?.dispose()
      await primary?.dispose()
    })

    it('takes over under load, with everything that was acknowledged, and leases that go on', async () => {
      const spindle = await open(address.through(primary.url()))
      onTestFinished(() => spindle.close())
      const held = await spindle.queue<string>('held', { leaseMs: 600_000 })
      await held.send('mine')
      const [mine] = await held.receive()
      const load = new Load()
      await load.start(spindle)
      await load.progress()

      await primary.kill()
      // As long as the address leads to a standby, it only reads: calls wait.
      address.lead(standby.server.port)
      await standby.server.run('select pg_promote()')
      await load.progress()
      await load.stop()
      expect(load.left).toBe(0)

      expect(await held.receive()).toEqual([])
      await mine?.ack()
      expect(await held.measure()).toMatchObject({ ready: 0, leased: 0 })
    }, 120_000)

    it('refuses in one line while it is not promoted', async () => {
      const another = await standbyOf(standby.server)
      onTestFinished(() => another.dispose())
      const url = another.server.url()
      const fault = await open(url, { postgres: { patienceMs: 200 } }).then(
        (spindle) => spindle.close(),
        (thrown: unknown) => thrown,
      )
      expect(fault).toMatchObject({ code: 'store-read-only' })
      expect(String(fault).split('\n')).toHaveLength(1)
    }, 120_000)
  },
)
