import type { Headers } from '../model/content.ts'
import type { ProcessFacts } from '../runtime/tracing.ts'
import type { Run } from './run.ts'
import type { AnyTask } from './types.ts'

/** W3C Trace Context and Baggage, in whatever case a producer wrote the names. */
const CARRIED = new Set(['traceparent', 'tracestate', 'baggage'])

export function processFacts({ delivery, head, id }: Run, task: AnyTask): ProcessFacts {
  return {
    destination: delivery.queue,
    messageId: id,
    task: task.name,
    attempt: delivery.attempts,
    bodyBytes: delivery.content.body.length,
    carrier: carrierOf(head.headers, head.system['AWSTraceHeader']),
  }
}

export function carrierOf(headers: Headers, awsTraceHeader: string | undefined): Readonly<Record<string, string>> {
  const carrier: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (CARRIED.has(lower) && typeof value === 'string') carrier[lower] = value
  }
  const traceparent = carrier['traceparent'] ?? (awsTraceHeader === undefined ? undefined : w3cOf(awsTraceHeader))
  return traceparent === undefined ? carrier : { ...carrier, traceparent }
}

/** X-Ray's form, which AWS SDKs send as a system attribute: Root=1-TTTTTTTT-RRRRRRRRRRRRRRRRRRRRRRRR;Parent=PPPPPPPPPPPPPPPP;Sampled=1 */
function w3cOf(awsTraceHeader: string): string | undefined {
  const fields = new Map(
    awsTraceHeader.split(';').map((field) => field.trim().split('=') as [string, string | undefined]),
  )
  const [, time, unique] = /^1-([0-9a-f]{8})-([0-9a-f]{24})$/.exec(fields.get('Root') ?? '') ?? []
  const parent = fields.get('Parent') ?? ''
  if (time === undefined || !/^[0-9a-f]{16}$/.test(parent)) return undefined
  return `00-${time}${unique}-${parent}-${fields.get('Sampled') === '1' ? '01' : '00'}`
}
