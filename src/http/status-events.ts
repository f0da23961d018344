/** A task's statuses as server-sent events, from the present one to the last. */
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Job, TaskStatus } from '../tasks/types.ts'

/** Sent as the id of the last event: a browser that reconnects with it is told to stop (204). */
export const LAST_EVENT_ID = 'end'
/** How soon a browser whose connection broke comes back, ms. */
const RETRY_MS = 2_000

const ended = new Set<TaskStatus<unknown>['state']>(['succeeded', 'failed', 'cancelled', 'discarded'])

/** `status` events whose data is the JSON of a `TaskStatus`; comments in between keep proxies from hanging up. */
export function statusEvents(
  job: Job<unknown>,
  options: { readonly clock: Clock; readonly heartbeatMs: number; readonly failed: (fault: unknown) => void },
): ReadableStream<Uint8Array> {
  const gone = new AbortController()
  const statuses = job.watch({ signal: gone.signal })
  const encoder = new TextEncoder()
  let heartbeat: Timer | undefined

  const stop = (): void => {
    heartbeat?.cancel()
    gone.abort()
  }
  const beat = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    heartbeat = options.clock.setTimer(options.heartbeatMs, () => {
      // A reader that does not read needs no signs of life piled up for it.
      if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': still here\n\n'))
      beat(controller)
    })
  }
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`))
      beat(controller)
    },
    async pull(controller) {
      try {
        const { value: status, done } = await statuses.next()
        if (done === true) {
          stop()
          controller.close()
          return
        }
        const id = ended.has(status.state) ? `id: ${LAST_EVENT_ID}\n` : ''
        controller.enqueue(encoder.encode(`event: status\n${id}data: ${JSON.stringify(status)}\n\n`))
      } catch (fault) {
        stop()
        options.failed(fault)
        // The client reconnects and learns from the answer what is wrong.
        controller.close()
      }
    },
    cancel: stop,
  })
}
