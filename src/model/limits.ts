/** Every limit in one place; the embedding application may override the ones that `open()` takes. */
export interface Limits {
  /** Body plus head of one message, bytes. */
  readonly messageBytesMax: number
  /** Entries of one `sendMany`, receipts of one `ack`, ops of one transaction. */
  readonly batchMax: number
  /** UTF-8 bytes of a queue, topic, group or dedup name. */
  readonly nameBytesMax: number
  /** Messages that one receive may return. */
  readonly receiveMax: number
  /** Result of a task kept with its message, bytes of JSON. */
  readonly resultBytesMax: number
  /** Receives that may wait at one time, per process. */
  readonly waitersMax: number
}

export const defaultLimits: Limits = {
  messageBytesMax: 1_048_576,
  batchMax: 10_000,
  nameBytesMax: 255,
  receiveMax: 10_000,
  resultBytesMax: 262_144,
  waitersMax: 100_000,
}

/** Note of a release or bury, and reason of a bury; longer ones are cut by the caller. UTF-8 bytes. */
export const NOTE_BYTES_MAX = 4_096
/** Priorities are 0 (default) to 255; a higher one is served first. */
export const PRIORITY_MAX = 255
/** The longest delay, TTL, lease or retention: 400 days, in milliseconds. */
export const DURATION_MS_MAX = 400 * 86_400_000
/** Entries of a message's death history; the oldest are merged by (queue, reason) before they are dropped. */
export const HISTORY_MAX = 32
