/** What the HTTP entry hands to SQS or SNS, and what they hand back. Both protocols look alike from here on. */
import type { AccessVerb } from '../../model/access.ts'
import type { ActionShape, Params } from '../../wire/aws/shape.ts'

export type ServiceName = 'sqs' | 'sns'
export type Protocol = 'json' | 'query'

/** Who signed the request. The users' `Identity` (broker) is one. */
export interface AwsIdentity {
  readonly name: string
  may(verb: AccessVerb, resource: string): boolean
}

export interface AwsCall {
  readonly service: ServiceName
  /** Known to the service. */
  readonly action: string
  /** Checked against the action's shape: types are right, values are not checked yet. */
  readonly params: Params
  readonly protocol: Protocol
  /** From the credential scope; the configured default without one. */
  readonly region: string
  /** Twelve digits: those of the access key when it is twelve digits and no keys are configured, else the configured default. */
  readonly account: string
  /** undefined: the server runs open. */
  readonly identity: AwsIdentity | undefined
  readonly requestId: string
  /** Wall time. */
  readonly receivedAtMs: number
  /** `http://HOST:PORT` as the client addressed it, without a slash at the end. */
  readonly baseUrl: string
  /** The path that was asked, without its query: `/` or that of a queue. */
  readonly path: string
  readonly client: ClientPresence
}

/** Is there still somebody to answer? */
export interface ClientPresence {
  readonly address: string
  readonly gone: boolean
  /** Aborted when the client hangs up before its answer. Made on first use: only calls that wait need one. */
  signal(): AbortSignal
}

export interface AwsAnswer {
  /** What the action's output shape says; members that are undefined are left out. */
  readonly result: object
}

/** One service behind the entry. `answer` throws `AwsError`; any other fault is told as an internal failure and logged. */
export interface AwsService {
  readonly name: ServiceName
  /** `2012-11-05` */
  readonly version: string
  /** Of its XML. */
  readonly namespace: string
  /** Before the action in `X-Amz-Target`. */
  readonly targetPrefix: string
  /** Before the class of an error in JSON: `com.amazonaws.sqs`. */
  readonly errorPrefix: string
  /** What its callers are told of a fault inside: the class in JSON, and the code. */
  readonly insideFault: { readonly type: string; readonly code: string }
  readonly actions: Readonly<Record<string, ActionShape>>
  answer(call: AwsCall): Promise<AwsAnswer>
  /** What it serves to everybody under a path of its own, unsigned; undefined: nothing. Asked of GET requests without a query. */
  page?(path: string): Promise<ServedPage | undefined>
}

export interface ServedPage {
  readonly contentType: string
  readonly text: string
}
