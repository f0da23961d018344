/** Stores of tests, reached through a connection: `open('memory:')` as a client of a server, and the port of a rig through a pair of streams. */
import { duplexPair } from 'node:stream'
import type { Port } from '../../src/broker/port.ts'
import { Holders } from '../../src/client/remote/holders.ts'
import { REMOTE_PATH } from '../../src/client/remote/network-port.ts'
import { ServedPeer } from '../../src/client/remote/serve.ts'
import { RemotePort } from '../../src/client/remote.ts'
import type { OpenOptions, open } from '../../src/open.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { listenHttp } from '../../src/server/http-listener.ts'
import { RemoteClients } from '../../src/server/remote-clients.ts'
import type { Spindle } from '../../src/spindle.ts'

/** An `open` whose `memory:` is behind a server of its own, on the clock of the test. */
export function openRemotely(real: typeof open): typeof open {
  return async (url, options: OpenOptions = {}): Promise<Spindle> => {
    if (url !== 'memory:') return real(url, options)
    const { clock = systemClock, random = systemRandom } = options
    const store = await real(url, options)
    const open = { configured: () => false } as Parameters<typeof RemoteClients.open>[0]['users']
    const parts = { port: store.port, users: open, clock, random, log: silentLog, version: 'test' }
    const audit = { record: () => Promise.resolve(), list: () => Promise.resolve([]) }
    const clients = await RemoteClients.open({ ...parts, audit, allowedHosts: [], allowedOrigins: [] })
    const listener = await listenHttp({
      host: '127.0.0.1',
      port: 0,
      handler: (_, response) => response.writeHead(404).end(),
      upgrade: { path: REMOTE_PATH, handler: clients.upgrade.bind(clients) },
      connectionsMax: 10,
      log: silentLog,
    })
    const spindle = await real(listener.url, options)
    const close = spindle.close.bind(spindle)
    spindle.close = async () => {
      await close()
      await clients.drain(0)
      await listener.close(0)
      await store.close()
    }
    return spindle
  }
}

let clients = 0

/** The port of another process, as it were: each call is a frame, and its answer another. */
export function wired(port: Port, clock: Clock): Port {
  const [near, far] = duplexPair()
  near.once('close', () => far.destroy())
  far.once('close', () => near.destroy())
  const parts = { clock, log: silentLog }
  const holders = new Holders({ port, ...parts })
  void new ServedPeer({ port, stream: far, holders, ...parts, name: 'owner', facts: {} })
  return new RemotePort({ stream: near, client: `client-${++clients}`, peer: 'the owner', clock })
}
