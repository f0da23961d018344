/** The port that front ends get: the same one, but waits can be ended before it is closed, so that long polls are answered and the rest goes on. */
import type { Port, ReceiveRequest } from '../broker/port.ts'
import { portWith } from '../client/port-with.ts'
import type { Delivery } from '../model/message.ts'

export interface DrainingPort {
  readonly port: Port
  /** Receives that wait answer []; from now on none waits. Idempotent. */
  endWaits(): void
}

export function drainingPort(port: Port): DrainingPort {
  const waits = new Set<AbortController>()
  let ended = false

  const receive = (request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]> => {
    if (ended || (request.waitMs ?? 0) === 0) {
      return port.receive(request.waitMs === undefined ? request : { ...request, waitMs: 0 }, signal)
    }
    const wait = new AbortController()
    const hungUp = (): void => wait.abort()
    signal?.addEventListener('abort', hungUp, { once: true })
    if (signal?.aborted === true) hungUp()
    waits.add(wait)
    return port.receive(request, wait.signal).finally(() => {
      waits.delete(wait)
      signal?.removeEventListener('abort', hungUp)
    })
  }

  return {
    port: portWith(port, { receive }),
    endWaits() {
      ended = true
      for (const wait of waits) wait.abort()
    },
  }
}
