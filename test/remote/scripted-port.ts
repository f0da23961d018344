/** A port that does nothing by itself: it writes down each call, and the test answers. */
import { type Duplex, duplexPair } from 'node:stream'
import type { Port } from '../../src/broker/port.ts'
import { Holders } from '../../src/client/remote/holders.ts'
import { ServedPeer } from '../../src/client/remote/serve.ts'
import { RemotePort } from '../../src/client/remote.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

export interface ScriptedCall {
  readonly method: string
  readonly args: readonly unknown[]
  readonly signal: AbortSignal | undefined
  answer(value: unknown): void
  fail(fault: unknown): void
}

const ANSWERED_BY_THEMSELVES = new Set(['renewHolder', 'releaseHolder'])

export class Script {
  readonly calls: ScriptedCall[] = []
  /** Holder calls are bookkeeping of the server: answered at once and kept apart. */
  readonly holderCalls: [string, ...unknown[]][] = []
  readonly channels = new Map<string, Set<(data: Uint8Array) => void>>()
  readonly announced: [string, Uint8Array][] = []
  readonly port: Port
  /** What closing the store waits for. */
  onClose: () => Promise<void> = async () => {}
  #wake: () => void = () => {}

  constructor() {
    const asked = (method: string, args: readonly unknown[]): Promise<unknown> => {
      if (ANSWERED_BY_THEMSELVES.has(method)) {
        this.holderCalls.push([method, ...args])
        this.#wake()
        return Promise.resolve()
      }
      if (method === 'close') return this.onClose()
      return new Promise((answer, fail) => {
        const signal = args.find((arg) => arg instanceof AbortSignal)
        this.calls.push({ method, args: args.filter((arg) => !(arg instanceof AbortSignal)), signal, answer, fail })
        this.#wake()
      })
    }
    const own = {
      announce: (channel: string, data: Uint8Array): void => {
        this.announced.push([channel, data])
        for (const heard of this.channels.get(channel) ?? []) heard(data)
        this.#wake()
      },
      listen: (channel: string, heard: (data: Uint8Array) => void): (() => void) => {
        const listeners = this.channels.get(channel) ?? new Set()
        this.channels.set(channel, listeners.add(heard))
        this.#wake()
        return () => {
          listeners.delete(heard)
          this.#wake()
        }
      },
    }
    // Every other method of the port is one that is asked and answered; `then` would make it look like a promise.
    this.port = new Proxy(own, {
      get: (target, method: string) =>
        Reflect.get(target, method) ?? (method === 'then' ? undefined : (...args: unknown[]) => asked(method, args)),
    }) as unknown as Port
  }

  /** The next call that the port gets, now or later. */
  async call(method?: string): Promise<ScriptedCall> {
    await this.until(() => this.calls.length > 0)
    const call = this.calls.shift()
    if (call === undefined || (method !== undefined && call.method !== method)) {
      throw new Error(`expected a call of ${method}, got ${call?.method}`)
    }
    return call
  }

  /** The next `count` calls, by method. */
  async callsByMethod(count: number): Promise<Map<string, ScriptedCall>> {
    const byMethod = new Map<string, ScriptedCall>()
    while (byMethod.size < count) {
      const call = await this.call()
      byMethod.set(call.method, call)
    }
    return byMethod
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

/** Two ends that go down together, as those of a socket do. */
function connectedPair(): [Duplex, Duplex] {
  const [near, far] = duplexPair()
  near.once('close', () => far.destroy())
  far.once('close', () => near.destroy())
  return [near, far]
}

/** A server with a scripted port, and a way to connect to it. */
export function server(options: { readonly frameBytesMax?: number } = {}) {
  const script = new Script()
  const clock = new VirtualClock()
  const holders = new Holders({ port: script.port, clock, log: silentLog })
  const { frameBytesMax } = options
  const limit = frameBytesMax === undefined ? {} : { frameBytesMax }
  const serve = (stream: Duplex): ServedPeer =>
    new ServedPeer({
      port: script.port,
      stream,
      holders,
      clock,
      log: silentLog,
      name: 'owner',
      facts: { generation: 3 },
      ...limit,
    })
  return {
    script,
    clock,
    holders,
    serve,
    connect(client = 'client-1') {
      const [near, far] = connectedPair()
      const peer = serve(far)
      const remote = new RemotePort({ stream: near, client, peer: 'the test', clock, ...limit })
      return { remote, peer, near, far }
    },
    /** Raw bytes in, raw bytes out. */
    connectRaw() {
      const [near, far] = connectedPair()
      return { near, peer: serve(far) }
    },
  }
}

/** As many turns of the event loop as a stream pair needs to hand everything over. */
export async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
