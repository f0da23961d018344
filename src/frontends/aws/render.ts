/** Answers and errors as text, in the protocol of the request. */
import type { AwsError } from '../../wire/aws/error.ts'
import { writeXml, writeXmlError } from '../../wire/aws/xml.ts'
import type { Protocol } from './call.ts'
import type { Route } from './route.ts'

export interface Rendered {
  readonly contentType: string
  readonly text: string
}

const JSON_TYPE = 'application/x-amz-json-1.0'
const XML_TYPE = 'text/xml'

/** `acceptsJson`: a Query request that asked for `application/json`. */
export function renderAnswer(
  { service, protocol, action, shape }: Route,
  answer: { readonly result: object; readonly requestId: string; readonly acceptsJson: boolean },
): Rendered {
  const { result, requestId, acceptsJson } = answer
  if (protocol === 'json') {
    return { contentType: JSON_TYPE, text: shape.output === undefined ? '' : JSON.stringify(result) }
  }
  if (acceptsJson) {
    const body = { ...(shape.output === undefined ? {} : { [`${action}Result`]: result }) }
    const text = JSON.stringify({ [`${action}Response`]: { ...body, ResponseMetadata: { RequestId: requestId } } })
    return { contentType: 'application/json', text }
  }
  const { namespace } = service
  return { contentType: XML_TYPE, text: writeXml({ namespace, action, requestId, output: shape.output, result }) }
}

/** Classes that belong to the protocol, not to the service's model. */
const CORAL_TYPES = new Set(['SerializationException', 'UnknownOperationException', 'InternalFailure'])

export function renderError(
  error: AwsError,
  frame: {
    readonly protocol: Protocol
    readonly namespace: string
    readonly errorPrefix: string
    readonly requestId: string
    readonly acceptsJson: boolean
  },
): Rendered {
  const { type, code, fault, message } = error
  if (frame.protocol === 'json') {
    const prefix = CORAL_TYPES.has(type) ? 'com.amazon.coral.service' : frame.errorPrefix
    return { contentType: JSON_TYPE, text: JSON.stringify({ __type: `${prefix}#${type}`, message }) }
  }
  if (frame.acceptsJson) {
    const body = { Error: { Code: code, Message: message, Type: fault, Detail: null }, RequestId: frame.requestId }
    return { contentType: 'application/json', text: JSON.stringify(body) }
  }
  return { contentType: XML_TYPE, text: writeXmlError(error, frame) }
}
