/** What is traced, apart from who traces it. Absent: nothing is, and nothing costs anything. */

export interface SendFacts {
  /** The queue, or the exchange. */
  readonly destination: string
  readonly messages: number
  readonly bodyBytes: number
}

export interface ProcessFacts {
  readonly destination: string
  readonly messageId: string
  readonly task: string
  readonly attempt: number
  readonly bodyBytes: number
  /** Headers that name where the message came from: `traceparent`, `tracestate`, `baggage`. */
  readonly carrier: Readonly<Record<string, string>>
}

export interface Tracing {
  /** `headers`: what each message is to carry, so that whoever takes it goes on with this trace. */
  send<T>(facts: SendFacts, run: (headers: Readonly<Record<string, string>>) => Promise<T>): Promise<T>
  /** What `run` does, also later, belongs to the span, which ends when its answer settles. */
  process<T>(facts: ProcessFacts, run: () => T): T
}
