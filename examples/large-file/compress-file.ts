/** The log, the workers in processes of their own, and the workflow between them. */
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { dirname, join as path } from 'node:path'
import { finished } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { chain, each, next, open, step } from 'spindle-mq'
import { compressPart, cut, join } from './tasks.ts'

const statuses = [200, 200, 200, 200, 304, 404, 500]

/** An access log of about so many bytes; resolves to how many lines have which status. */
export async function writeLog(file: string, bytes: number): Promise<Record<string, number>> {
  const out = createWriteStream(file)
  const lines: Record<string, number> = {}
  let written = 0
  for (let n = 0; written < bytes; n++) {
    const status = statuses[n % statuses.length] as number
    const address = `10.${n % 7}.${n % 251}.${(n * 17) % 253}`
    const line = `${address} - - [28/Nov/2026:16:00:00 +0000] "GET /rooms/${(n * 7_919) % 99_991} HTTP/1.1" ${status} ${(n * 31) % 65_521}\n`
    lines[status] = (lines[status] ?? 0) + 1
    written += line.length
    if (!out.write(line)) await new Promise<void>((resolve) => out.once('drain', resolve))
  }
  out.end()
  await finished(out)
  return lines
}

/** Resolves to what the join says, and how long it took, once as many `spindle work` processes are at work. */
export async function compressFile(file: string, how: { readonly workers: number; readonly partBytes: number }) {
  const scratch = path(dirname(file), 'parts')
  const url = `file:${path(dirname(file), 'spindle')}`
  const spindle = await open(url)
  const fleet = Array.from({ length: how.workers }, () => startWorker(url))
  try {
    await Promise.all(fleet.map(({ ready }) => ready))
    const startedMs = performance.now()
    const parts = step(cut, { file, partBytes: how.partBytes, scratch })
    const run = await spindle.start(chain(parts, each(compressPart), next(join)))
    const result = await run.result()
    return { ...result, seconds: (performance.now() - startedMs) / 1_000 }
  } finally {
    await Promise.all(fleet.map((worker) => worker.stop()))
    await spindle.close()
  }
}

/** `spindle work tasks.ts --concurrency 1`, from source; in a project of your own: the command itself. */
function startWorker(url: string): { readonly ready: Promise<void>; stop(): Promise<void> } {
  const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
  const args = [here('../../src/cli/main.ts'), 'work', here('tasks.ts'), '--url', url, '--concurrency', '1']
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('file.compress')) resolve()
    })
    void exited.then(() => reject(new Error('a worker ended before it was ready')))
  })
  return {
    ready,
    stop() {
      child.kill('SIGTERM')
      return exited
    },
  }
}
