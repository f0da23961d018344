/** The Query protocol's answers, in XML. Golden texts: test/aws/xml.test.ts. */
import type { AwsError } from './error.ts'
import type { ListShape, MapShape, Shape, StructureShape } from './shape.ts'

const DECLARATION = '<?xml version="1.0"?>'

/** The service's namespace, and what frames every answer of it. */
export interface XmlAnswer {
  readonly namespace: string
  readonly action: string
  readonly requestId: string
  /** undefined: there is no Result element. */
  readonly output: StructureShape | undefined
  readonly result: object
}

export function writeXml({ namespace, action, requestId, output, result }: XmlAnswer): string {
  const body = output === undefined ? '' : element(`${action}Result`, structure(result, output))
  return `${DECLARATION}<${action}Response xmlns="${namespace}">${body}<ResponseMetadata><RequestId>${escapeXml(requestId)}</RequestId></ResponseMetadata></${action}Response>`
}

export function writeXmlError(
  error: AwsError,
  frame: { readonly namespace: string; readonly requestId: string },
): string {
  const { fault, code, message } = error
  return `${DECLARATION}<ErrorResponse xmlns="${frame.namespace}"><Error><Type>${fault}</Type><Code>${escapeXml(code)}</Code><Message>${escapeXml(message)}</Message><Detail/></Error><RequestId>${escapeXml(frame.requestId)}</RequestId></ErrorResponse>`
}

function element(name: string, content: string): string {
  return content === '' ? `<${name}/>` : `<${name}>${content}</${name}>`
}

function structure(from: object, { members }: StructureShape): string {
  let xml = ''
  for (const name in members) {
    const value = (from as Record<string, unknown>)[name]
    if (value !== undefined && value !== null) xml += member(name, value, members[name] as Shape)
  }
  return xml
}

function member(name: string, value: unknown, shape: Shape): string {
  switch (shape.kind) {
    case 'string':
    case 'blob':
    case 'integer':
    case 'boolean':
      return `<${name}>${escapeXml(String(value))}</${name}>`
    case 'structure':
      return element(name, structure(value as object, shape))
    case 'list':
      return list(name, value as readonly unknown[], shape)
    case 'map':
      return map(name, value as object, shape)
    default:
      return shape satisfies never
  }
}

function list(name: string, items: readonly unknown[], { of, flat }: ListShape): string {
  let xml = ''
  for (const item of items) xml += member(flat ?? 'member', item, of)
  return flat === undefined ? element(name, xml) : xml
}

function map(name: string, entries: object, { of, flat, key, value }: MapShape): string {
  let xml = ''
  for (const [entryKey, entryValue] of Object.entries(entries)) {
    xml += element(flat ?? 'entry', `<${key}>${escapeXml(entryKey)}</${key}>${member(value, entryValue, of)}`)
  }
  return flat === undefined ? element(name, xml) : xml
}

/** What XML 1.0 cannot say becomes U+FFFD; a carriage return is escaped, since parsers would turn it into a newline. */
export function escapeXml(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return text
  return text.replace(NEEDS_ESCAPE_ALL, (character) => {
    switch (character) {
      case '&':
        return '&amp;'
      case '<':
        return '&lt;'
      case '>':
        return '&gt;'
      case '"':
        return '&quot;'
      case '\r':
        return '&#xD;'
      default:
        return '\ufffd'
    }
  })
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that XML 1.0 excludes
const NEEDS_ESCAPE = /[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Cs}/u
const NEEDS_ESCAPE_ALL = new RegExp(NEEDS_ESCAPE.source, 'gu')
