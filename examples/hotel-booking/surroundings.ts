/** Where a process of the hotel finds everything else. Plain data: the launcher hands it to its children. */
import { z } from 'zod'
import { paceSchema } from './pace.ts'

export const surroundingsSchema = z.object({
  spindleUrl: z.string(),
  vouchersFolder: z.string(),
  smtpPort: z.number(),
  services: z.array(z.object({ name: z.string(), url: z.string() })),
  pace: paceSchema,
})
export type Surroundings = z.output<typeof surroundingsSchema>

/** The environment variable that carries it to a child process. */
export const SURROUNDINGS = 'HOTEL_SURROUNDINGS'

export function surroundingsFromEnvironment(): Surroundings {
  const text = process.env[SURROUNDINGS]
  if (text === undefined) throw new Error('This file is a part of the hotel: start it with npm start.')
  return surroundingsSchema.parse(JSON.parse(text))
}
