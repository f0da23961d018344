/** `npx tsx examples/large-file/start.ts [MiB] [WORKERS]` */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { compressFile, writeLog } from './compress-file.ts'

const MIB = 1_048_576
const [megabytes = 128, workers = 2] = process.argv.slice(2).map(Number)

const folder = await mkdtemp(join(tmpdir(), 'spindle-large-file-'))
try {
  const file = join(folder, 'access.log')
  const lines = await writeLog(file, megabytes * MIB)
  for (const fleet of new Set([1, workers])) {
    const {
      target,
      parts,
      byReference,
      seconds,
      lines: counted,
    } = await compressFile(file, {
      workers: fleet,
      partBytes: 4 * MIB,
    })
    const { size } = await stat(target)
    const same = JSON.stringify(counted) === JSON.stringify(lines)
    console.log(
      `${fleet} worker${fleet === 1 ? '' : 's'}: ${megabytes} MiB in ${parts} parts (${byReference} by reference) to ` +
        `${(size / MIB).toFixed(1)} MiB in ${seconds.toFixed(1)} s; the lines are ${same ? 'all there' : 'not those of the log'}`,
    )
    let bytes = 0
    for await (const chunk of createReadStream(target).pipe(createGunzip())) bytes += (chunk as Buffer).length
    console.log(`  gunzip gives ${bytes} bytes, the log has ${(await stat(file)).size}`)
  }
} finally {
  await rm(folder, { recursive: true })
}
