/**
 * A large log is compressed in parts, by as many workers as there are, and joined:
 *
 *   cut ---> compress part 1 ---.
 *       '--> compress part 2 ---+--> join: one .gz, and a count of the lines by their status
 *       '--> …              ----'
 *
 * Compressed parts one after the other are a valid gzip file, so that the join is a copy.
 */
import { open, rename, rm, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { task } from 'spindle-mq/tasks'
import { z } from 'zod'
import { discard, load, reference, store } from './reference.ts'

const compress = promisify(gzip)
const counts = z.record(z.string(), z.int())

/** A part of the input is a reference too: which bytes of which file. */
const part = z.object({ file: z.string(), from: z.int(), to: z.int(), scratch: z.string() })
const compressed = z.object({ stored: reference, counts, target: z.string() })

/** Whole lines only: a part ends behind the first line break after its size. */
export const cut = task('file.cut', {
  input: z.object({ file: z.string(), partBytes: z.int().min(1), scratch: z.string() }),
  async run({ file, partBytes, scratch }) {
    const { size } = await stat(file)
    const handle = await open(file)
    try {
      const parts: z.output<typeof part>[] = []
      for (let from = 0; from < size; ) {
        const to = await lineEnd(handle, Math.min(size, from + partBytes), size)
        parts.push({ file, from, to, scratch })
        from = to
      }
      return parts
    } finally {
      await handle.close()
    }
  },
})

export const compressPart = task('file.compress', {
  input: part,
  async run({ file, from, to, scratch }) {
    const handle = await open(file)
    try {
      const { buffer } = await handle.read(Buffer.alloc(to - from), 0, to - from, from)
      return {
        stored: await store(scratch, await compress(buffer)),
        counts: countStatuses(buffer),
        target: `${file}.gz`,
      }
    } finally {
      await handle.close()
    }
  },
})

export const clean = task('file.clean', {
  input: z.array(compressed),
  async run(parts) {
    for (const { stored } of parts) await discard(stored)
  },
})

/** May run twice. The parts go in a task of their own, enqueued in the commit of its success: until then it may need them again. */
export const join = task('file.join', {
  input: z.array(compressed),
  async run(parts, ctx) {
    const target = parts[0]?.target ?? ''
    const half = `${target}.${process.pid}`
    const handle = await open(half, 'w')
    try {
      for (const { stored } of parts) await handle.writeFile(await load(stored))
      await handle.sync()
    } catch (fault) {
      await rm(half, { force: true })
      throw fault
    } finally {
      await handle.close()
    }
    await rename(half, target)
    ctx.enqueue(clean, parts)
    const total: Record<string, number> = {}
    for (const one of parts) {
      for (const [status, lines] of Object.entries(one.counts)) total[status] = (total[status] ?? 0) + lines
    }
    const byReference = parts.filter(({ stored }) => stored.kind === 'file').length
    return { target, parts: parts.length, byReference, lines: total }
  },
})

const LOOK_BYTES = 4_096

async function lineEnd(handle: Awaited<ReturnType<typeof open>>, at: number, size: number): Promise<number> {
  const look = Buffer.alloc(LOOK_BYTES)
  for (let from = at; from < size; from += LOOK_BYTES) {
    const { bytesRead } = await handle.read(look, 0, LOOK_BYTES, from)
    const found = look.subarray(0, bytesRead).indexOf('\n')
    if (found >= 0) return from + found + 1
  }
  return size
}

/** Of an access log, the field behind the request: `… "GET / HTTP/1.1" 200 512`. */
function countStatuses(log: Buffer): Record<string, number> {
  const found: Record<string, number> = {}
  for (const line of log.toString('latin1').split('\n')) {
    const status = /" (\d{3}) /.exec(line)?.[1]
    if (status !== undefined) found[status] = (found[status] ?? 0) + 1
  }
  return found
}
