/**
 * Values -> frames, many of them into one pooled buffer, so that one socket write carries them all.
 *
 * A stored message needs no new encoding: its head has exchange and routing key as they stand in basic.deliver, and the properties as
 * they stand in the content header:
 *
 *   head: | kind octet | exchange shortstr | routing key shortstr | property flags and list |
 *                      '------- address -------------------------'
 */
import type { BufferPool } from './buffer-pool.ts'
import { type Arguments, type MethodName, writeMethod } from './methods.ts'
import { FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD, FRAME_OVERHEAD } from './protocol.ts'

const NO_BUFFER = Buffer.alloc(0)
/** A short loop costs less than the call into the runtime that copies. */
const LOOP_BYTES_MAX = 48
const CONTENT_HEADER_FIXED = 12
const BASIC = 60
const DELIVER = 60
const ACK = 80
const NACK = 120

/** Where the properties of a stored head begin. */
export function addressEnd(head: Uint8Array): number {
  const routingKey = 2 + (head[1] ?? 0)
  return routingKey + 1 + (head[routingKey] ?? 0)
}

export class FrameWriter {
  readonly #pool: BufferPool
  readonly #emit: (frames: Buffer, buffer: Buffer) => void
  #frameMax: number
  #buffer: Buffer = NO_BUFFER
  #at = 0

  /** `emit` gets whole frames, and the buffer they stand in, which it gives back to the pool when they are sent. */
  constructor(parts: { pool: BufferPool; frameMax: number; emit: (frames: Buffer, buffer: Buffer) => void }) {
    this.#pool = parts.pool
    this.#frameMax = parts.frameMax
    this.#emit = parts.emit
  }

  /** Bytes of a whole frame that the other side takes; 0: no limit. Bodies are cut to it. */
  set frameMax(bytes: number) {
    this.#frameMax = bytes
  }

  get pendingBytes(): number {
    return this.#at
  }

  flush(): void {
    const at = this.#at
    if (at === 0) return
    const buffer = this.#buffer
    this.#buffer = NO_BUFFER
    this.#at = 0
    this.#emit(buffer.subarray(0, at), buffer)
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#copy(bytes, 0, bytes.length)
  }

  heartbeat(): void {
    this.#room(FRAME_OVERHEAD)
    this.#open(FRAME_HEARTBEAT, 0, 0)
    this.#u8(FRAME_END)
  }

  method<Name extends MethodName>(channel: number, name: Name, args: Arguments<Name>): void {
    this.#frame(FRAME_METHOD, channel, writeMethod(name, args))
  }

  ack(channel: number, tag: number, multiple: boolean): void {
    this.#confirm(ACK, channel, tag, multiple ? 1 : 0)
  }

  nack(channel: number, tag: number, multiple: boolean): void {
    this.#confirm(NACK, channel, tag, multiple ? 1 : 0)
  }

  #confirm(method: number, channel: number, tag: number, bits: number): void {
    this.#room(13 + FRAME_OVERHEAD)
    this.#open(FRAME_METHOD, channel, 13)
    this.#u16(BASIC)
    this.#u16(method)
    this.#tag(tag)
    this.#u8(bits)
    this.#u8(FRAME_END)
  }

  /** `consumerTag` is a shortstr as it stands on the wire; `head` as drawn above. */
  deliver(
    channel: number,
    consumerTag: Uint8Array,
    tag: number,
    redelivered: boolean,
    head: Uint8Array,
    body: Uint8Array,
  ): void {
    const end = addressEnd(head)
    const methodBytes = 13 + consumerTag.length + (end - 1)
    this.#room(methodBytes + this.#contentBytes(head.length - end, body.length) + FRAME_OVERHEAD)
    this.#open(FRAME_METHOD, channel, methodBytes)
    this.#u16(BASIC)
    this.#u16(DELIVER)
    this.#copy(consumerTag, 0, consumerTag.length)
    this.#tag(tag)
    this.#u8(redelivered ? 1 : 0)
    this.#copy(head, 1, end)
    this.#u8(FRAME_END)
    this.#content(channel, head, end, body)
  }

  /** A method that carries content: basic.return, basic.get-ok. */
  methodWithContent<Name extends 'basic.return' | 'basic.get-ok'>(
    channel: number,
    name: Name,
    args: Arguments<Name>,
    head: Uint8Array,
    body: Uint8Array,
  ): void {
    this.#frame(FRAME_METHOD, channel, writeMethod(name, args))
    const end = addressEnd(head)
    this.#room(this.#contentBytes(head.length - end, body.length))
    this.#content(channel, head, end, body)
  }

  #contentBytes(propertyBytes: number, bodyBytes: number): number {
    const bodyFrames = Math.ceil(bodyBytes / this.#bodyMax())
    return CONTENT_HEADER_FIXED + propertyBytes + FRAME_OVERHEAD + bodyBytes + bodyFrames * FRAME_OVERHEAD
  }

  #content(channel: number, head: Uint8Array, propertiesAt: number, body: Uint8Array): void {
    this.#open(FRAME_HEADER, channel, CONTENT_HEADER_FIXED + head.length - propertiesAt)
    this.#u16(BASIC)
    this.#u16(0)
    this.#tag(body.length)
    this.#copy(head, propertiesAt, head.length)
    this.#u8(FRAME_END)
    const bodyMax = this.#bodyMax()
    for (let from = 0; from < body.length; from += bodyMax) {
      const to = Math.min(body.length, from + bodyMax)
      this.#open(FRAME_BODY, channel, to - from)
      this.#copy(body, from, to)
      this.#u8(FRAME_END)
    }
  }

  #bodyMax(): number {
    return this.#frameMax === 0 ? 2 ** 31 : this.#frameMax - FRAME_OVERHEAD
  }

  #frame(type: number, channel: number, payload: Uint8Array): void {
    this.#room(payload.length + FRAME_OVERHEAD)
    this.#open(type, channel, payload.length)
    this.#copy(payload, 0, payload.length)
    this.#u8(FRAME_END)
  }

  #open(type: number, channel: number, size: number): void {
    this.#u8(type)
    this.#u16(channel)
    this.#u32(size)
  }

  #room(count: number): void {
    if (this.#at + count <= this.#buffer.length) return
    this.flush()
    this.#buffer = count > this.#pool.bufferBytes ? Buffer.allocUnsafeSlow(count) : this.#pool.take()
  }

  #u8(value: number): void {
    this.#buffer[this.#at++] = value
  }

  #u16(value: number): void {
    const buffer = this.#buffer
    const at = this.#at
    buffer[at] = value >> 8
    buffer[at + 1] = value
    this.#at = at + 2
  }

  #u32(value: number): void {
    const buffer = this.#buffer
    const at = this.#at
    buffer[at] = value >>> 24
    buffer[at + 1] = value >>> 16
    buffer[at + 2] = value >>> 8
    buffer[at + 3] = value
    this.#at = at + 4
  }

  #tag(value: number): void {
    const high = Math.floor(value / 4_294_967_296)
    this.#u32(high)
    this.#u32(value - high * 4_294_967_296)
  }

  #copy(source: Uint8Array, from: number, to: number): void {
    const buffer = this.#buffer
    let at = this.#at
    this.#at = at + to - from
    if (to - from <= LOOP_BYTES_MAX) for (let i = from; i < to; i++) buffer[at++] = source[i] as number
    else buffer.set(from === 0 && to === source.length ? source : source.subarray(from, to), at)
  }
}
