import { loadPackage } from '../store.ts'
import type { Candidate } from './store.ts'

/** The engine with the broker and the client over it, as an application has it. */
export function spindle(build: string): Candidate {
  return {
    name: 'Spindle, file:',
    does: 'sendMany; receive (leases) and ack',
    async open(folder) {
      const { open } = await loadPackage({ package: build, engine: 'file:' })
      const opened = await open(`file:${folder}`)
      const queue = await opened.queue<Uint8Array>('bench')
      return {
        async put(bodies) {
          const outcomes = await queue.sendMany(bodies.map((body) => ({ body })))
          if (outcomes.some(({ kind }) => kind !== 'stored')) throw new Error('a message was not stored')
        },
        async take(max) {
          const messages = await queue.receive({ max })
          for (const { body } of messages) if (body.length === 0) throw new Error('an empty body')
          await queue.ack(...messages)
          return messages.length
        },
        close: () => opened.close(),
      }
    },
  }
}
