/** A task that waits, as one does that calls a vendor: the processor is idle meanwhile. */
import { task } from 'spindle-mq/tasks'
import { z } from 'zod'

export const call = task('call', {
  input: z.object({ ms: z.number() }),
  async run({ ms }) {
    await new Promise((resolve) => setTimeout(resolve, ms))
  },
})
