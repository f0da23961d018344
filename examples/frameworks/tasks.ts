import { task } from 'spindle-mq'
import { z } from 'zod'

/** What the requests of these examples start. */
export const invoice = task('invoice', {
  input: z.object({ order: z.string().min(1), cents: z.number().int().positive() }),
  async run({ order, cents }, { progress }) {
    await progress(0.5)
    return `Invoice for ${order}: ${(cents / 100).toFixed(2)} EUR`
  },
})
