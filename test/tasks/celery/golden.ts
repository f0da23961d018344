/** What Celery 5.2.6 (kombu 5.2.4) sent: scripts/record-celery.ts made it. */
import { readFileSync } from 'node:fs'
import type { Content } from '../../../src/model/message.ts'
import type { CeleryTransport } from '../../../src/tasks/celery/types.ts'

type Recorded = Record<CeleryTransport, Record<string, { readonly head: string; readonly body: string }>>

const recorded = JSON.parse(readFileSync(new URL('golden.json', import.meta.url), 'utf8')) as Recorded

export function golden(transport: CeleryTransport, name: string): Content {
  const message = recorded[transport][name]
  if (message === undefined) throw new Error(`nothing was recorded as ${name} over ${transport}`)
  return { head: Buffer.from(message.head, 'base64'), body: Buffer.from(message.body, 'base64') }
}
