/**
 * Spans by OpenTelemetry's messaging conventions (1.27). The application brings `@opentelemetry/api`:
 *
 *     import * as api from '@opentelemetry/api'
 *     const spindle = await open('file:./data', { tracing: openTelemetry(api) })
 *
 * What is sent carries W3C Trace Context in its headers, which SQS clients see as message attributes and AMQP clients as headers; what
 * they sent so is gone on with. Without a registered SDK the API does nothing, and neither does this.
 */
import type { ProcessFacts, SendFacts, Tracing } from './tracing.ts'

/** The part of `@opentelemetry/api` 1.x that is used. */
export interface OpenTelemetryApi<Context = unknown> {
  readonly trace: {
    getTracer(name: string, version?: string): Tracer<Context>
    setSpan(context: Context, span: Span): Context
  }
  readonly context: {
    active(): Context
    with<T>(context: Context, run: () => T): T
  }
  readonly propagation: {
    inject(context: Context, carrier: Record<string, string>): void
    extract(context: Context, carrier: Readonly<Record<string, string>>): Context
  }
}

interface Tracer<Context> {
  startSpan(name: string, options: SpanOptions, context: Context): Span
}

interface SpanOptions {
  readonly kind: number
  readonly attributes: Record<string, string | number>
}

interface Span {
  setAttribute(name: string, value: string | number): unknown
  setStatus(status: { readonly code: number; readonly message?: string }): unknown
  recordException(fault: Error): void
  end(): void
}

/** SpanKind and SpanStatusCode are numbers of the specification. */
const PRODUCER = 3
const CONSUMER = 4
const FAILED = 2
const NAME = 'spindle-mq'

export function openTelemetry<Context>(api: OpenTelemetryApi<Context>): Tracing {
  const tracer = api.trace.getTracer(NAME)

  function spanned<T>(span: Span, context: Context, run: () => T): T {
    try {
      const answer = api.context.with(context, run)
      if (!isPromise(answer)) {
        span.end()
        return answer
      }
      return answer.then(
        (value: unknown) => {
          span.end()
          return value
        },
        (fault: unknown) => {
          failed(span, fault)
          throw fault
        },
      ) as T
    } catch (fault) {
      failed(span, fault)
      throw fault
    }
  }

  return {
    send<T>(facts: SendFacts, run: (headers: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
      const parent = api.context.active()
      const span = tracer.startSpan(`send ${facts.destination}`, { kind: PRODUCER, attributes: sent(facts) }, parent)
      const context = api.trace.setSpan(parent, span)
      const headers: Record<string, string> = {}
      api.propagation.inject(context, headers)
      return spanned(span, context, () => run(headers))
    },
    process<T>(facts: ProcessFacts, run: () => T): T {
      const parent = api.propagation.extract(api.context.active(), facts.carrier)
      const options = { kind: CONSUMER, attributes: processed(facts) }
      const span = tracer.startSpan(`process ${facts.destination}`, options, parent)
      return spanned(span, api.trace.setSpan(parent, span), run)
    },
  }
}

function sent({ destination, messages, bodyBytes }: SendFacts): SpanOptions['attributes'] {
  return {
    ...common('send', destination),
    'messaging.message.body.size': bodyBytes,
    ...(messages === 1 ? {} : { 'messaging.batch.message_count': messages }),
  }
}

function processed({ destination, messageId, task, attempt, bodyBytes }: ProcessFacts): SpanOptions['attributes'] {
  return {
    ...common('process', destination),
    'messaging.message.id': messageId,
    'messaging.message.body.size': bodyBytes,
    'spindle.task.name': task,
    'spindle.task.attempt': attempt,
  }
}

function common(operation: 'send' | 'process', destination: string): SpanOptions['attributes'] {
  return {
    'messaging.system': 'spindle',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': destination,
  }
}

function failed(span: Span, fault: unknown): void {
  const error = fault instanceof Error ? fault : new Error(String(fault))
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  span.setAttribute('error.type', code)
  span.setStatus({ code: FAILED, message: error.message })
  span.recordException(error)
  span.end()
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
