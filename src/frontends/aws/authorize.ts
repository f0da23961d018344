/** The seam between the HTTP entry and the verification of signatures. */
import type { AwsIdentity, ServiceName } from './call.ts'

export interface SignedRequest {
  readonly method: string
  /** Path and query as the client sent them. */
  readonly url: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Uint8Array
  readonly service: ServiceName
}

/** Who signed it; undefined: no keys are configured, everybody may. Throws `AwsError` (403) otherwise. */
export type Authorize = (request: SignedRequest) => AwsIdentity | undefined

export const openToAll: Authorize = () => undefined
