/** The broker's words as JSON. */
import { isUtf8 } from 'node:buffer'
import type { ExchangeView, MeasuredQueue } from '../../broker/port.ts'
import { decodeHead, type Headers } from '../../model/content.ts'
import type { Delivery, MessageView } from '../../model/message.ts'
import type { BodyEncoding, DeliveredMessage, ExchangeInfo, MessageInfo, QueueInfo } from './api.ts'

export function queueInfo({ queue, oldestReadyAtMs, runP99Ms, ...rest }: MeasuredQueue): QueueInfo {
  return { name: queue, ...rest, oldestReadyAtMs: oldestReadyAtMs ?? null, runP99Ms: runP99Ms ?? null }
}

export function exchangeInfo({ exchange, settings, bindings }: ExchangeView): ExchangeInfo {
  return { name: exchange, settings, bindings: bindings.map(({ exchange: _, ...rest }) => rest) }
}

/** `bodyBytesMax`: where the body is cut. */
export function messageInfo(message: MessageView, bodyBytesMax: number): MessageInfo {
  const { content, note, kept } = message
  const { kind, type, headers } = decodeHead(content.head)
  return {
    id: message.id,
    queue: message.queue,
    state: message.state,
    ...bodyOf(kind === 'json' ? 'json' : 'text', { body: content.body, bytesMax: bodyBytesMax }),
    bodyBytes: content.body.length,
    type: type ?? null,
    headers: headersOf(headers),
    priority: message.priority,
    sequence: message.sequence,
    groupId: message.groupId ?? null,
    dedupId: message.dedupId ?? null,
    attempts: message.attempts,
    deliveries: message.deliveries,
    enqueuedAtMs: message.enqueuedAtMs,
    dueAtMs: message.dueAtMs ?? null,
    expiresAtMs: message.expiresAtMs ?? null,
    firstLeasedAtMs: message.firstLeasedAtMs ?? null,
    endedAtMs: message.endedAtMs ?? null,
    history: message.history,
    note: note === undefined ? null : textOf(note),
    kept: kept === undefined ? null : textOf(kept),
  }
}

export function deliveredMessage(delivery: Delivery, bodyBytesMax: number): DeliveredMessage {
  return { ...messageInfo(delivery, bodyBytesMax), receipt: delivery.receipt }
}

/** Bytes that are UTF-8 are shown as text, whatever the sender said of them; only what is not needs base64. */
function bodyOf(
  encoding: Exclude<BodyEncoding, 'base64'>,
  { body, bytesMax }: { readonly body: Uint8Array; readonly bytesMax: number },
): Pick<MessageInfo, 'body' | 'encoding' | 'truncated'> {
  const truncated = body.length > bytesMax
  const shown = truncated ? body.subarray(0, wholeCharacters(body, bytesMax)) : body
  if (isUtf8(shown)) return { body: textOf(shown), encoding, truncated }
  return { body: Buffer.from(body.subarray(0, bytesMax)).toString('base64'), encoding: 'base64', truncated }
}

/** Not in the middle of a character: a continuation byte is 10xxxxxx, and there are at most three. */
function wholeCharacters(body: Uint8Array, end: number): number {
  for (let at = end; at > end - 4 && at > 0; at--) if (((body[at] ?? 0) & 0xc0) !== 0x80) return at
  return end
}

function headersOf(headers: Headers): MessageInfo['headers'] {
  const shown = Object.create(null) as Record<string, MessageInfo['headers'][string]>
  for (const [name, value] of Object.entries(headers)) {
    shown[name] = value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value
  }
  return shown
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
