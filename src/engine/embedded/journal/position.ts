/** A place in the journal: segment number (from 1, growing) and byte offset in its file. */
export interface Position {
  readonly segment: number
  readonly offset: number
}
