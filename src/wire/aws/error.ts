/** An error as AWS tells it. Thrown by parsers and actions; the HTTP entry renders it in the caller's protocol. */
export class AwsError extends Error {
  /** Short class name of the JSON protocol, by which SDKs choose the exception: `QueueDoesNotExist`. */
  readonly type: string
  /** The Query protocol's code, which JSON carries in a header: `AWS.SimpleQueueService.NonExistentQueue`. */
  readonly code: string
  readonly status: number
  readonly fault: 'Sender' | 'Receiver'

  constructor(fields: {
    readonly type: string
    /** Default: `type`. */
    readonly code?: string
    /** Default 400. */
    readonly status?: number
    readonly fault?: 'Sender' | 'Receiver'
    readonly message: string
    readonly cause?: unknown
  }) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause })
    this.type = fields.type
    this.code = fields.code ?? fields.type
    this.status = fields.status ?? 400
    this.fault = fields.fault ?? (this.status >= 500 ? 'Receiver' : 'Sender')
  }
}

/** A JSON body that is none, or whose members have other types than the action's. */
export function serializationError(message: string): AwsError {
  return new AwsError({ type: 'SerializationException', message })
}

/** A form that cannot be read. */
export function malformedQuery(message: string): AwsError {
  return new AwsError({ type: 'MalformedQueryString', message })
}
