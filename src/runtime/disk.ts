/**
 * The disk as the journal sees it. Production uses Node's files; tests use one that cuts the power,
 * fails the n-th call, fills up or flips bits. Paths are relative to the disk's root folder and use `/`.
 *
 * Every rejection is a fault except `DiskFullError`, which leaves the disk as it was.
 */
export interface Disk {
  /** Where the root folder is, for messages to people. */
  readonly label: string
  /** Opens for reading and writing; `create` fails when the file exists. */
  open(path: string, mode: 'create' | 'existing'): Promise<DiskFile>
  /** File names directly below `directory` ('' is the root), sorted; [] when it does not exist. */
  list(directory: string): Promise<string[]>
  /** Atomic; replaces `to`. Durable only after `syncDirectory` of the parent. */
  rename(from: string, to: string): Promise<void>
  /** Idempotent: a missing file is no error. Durable only after `syncDirectory`. */
  remove(path: string): Promise<void>
  /** Makes creations, renames and removals in `directory` durable. */
  syncDirectory(directory: string): Promise<void>
  /** Creates `directory` and its parents when missing. */
  makeDirectory(directory: string): Promise<void>
  /** Bytes that may still be written, as far as the file system tells. */
  freeBytes(): Promise<number>
  /** Resolves once everything that the event loop had ready has had its turn. Absent: nothing else runs here. */
  turn?(): Promise<void>
}

export interface DiskFile {
  /** Writes all of `bytes` at `position` (bytes from the start). Not durable before `datasync`. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Reads up to `target.length` bytes; resolves to how many were there (fewer only at the end of the file). */
  read(target: Uint8Array, position: number): Promise<number>
  /** As `read`, blocking; for bodies that left the cache, where a thread-pool turn costs more than a page-cache hit. */
  readSync(target: Uint8Array, position: number): number
  /** Makes every completed write of this file durable (fdatasync). After a rejection nothing may be assumed: never retry. */
  datasync(): Promise<void>
  sizeBytes(): Promise<number>
  truncate(bytes: number): Promise<void>
  close(): Promise<void>
}

/** The file system has no room (ENOSPC, EDQUOT). The write may have been partial; nothing of it counts. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError'
}
