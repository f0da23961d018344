/**
 * What is too large for a message travels by reference: the bytes go to a file that all workers can reach (elsewhere: a bucket), and the
 * message says where, and their digest. Small ones travel in the message itself.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

/** A result may be 256 KiB; base64 makes a third more of it. */
const INLINE_BYTES_MAX = 128 * 1_024

export const reference = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('inline'), base64: z.string() }),
  z.object({ kind: z.literal('file'), path: z.string(), sha256: z.string() }),
])
export type Reference = z.output<typeof reference>

/** The name is the digest, so that storing the same bytes twice is storing them once. */
export async function store(folder: string, bytes: Buffer): Promise<Reference> {
  if (bytes.length <= INLINE_BYTES_MAX) return { kind: 'inline', base64: bytes.toString('base64') }
  const sha256 = digestOf(bytes)
  const path = join(folder, sha256)
  await mkdir(folder, { recursive: true })
  const half = `${path}.${process.pid}`
  await writeFile(half, bytes)
  await rename(half, path)
  return { kind: 'file', path, sha256 }
}

/** Rejects when the file is not what was stored. */
export async function load(stored: Reference): Promise<Buffer> {
  if (stored.kind === 'inline') return Buffer.from(stored.base64, 'base64')
  const bytes = await readFile(stored.path)
  if (digestOf(bytes) !== stored.sha256) throw new Error(`${stored.path} has changed since it was stored`)
  return bytes
}

export async function discard(stored: Reference): Promise<void> {
  if (stored.kind === 'file') await rm(stored.path, { force: true })
}

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
