/** `npx tsx examples/thundering-herd/start.ts [FILE]` writes the picture, by default to herd.svg beside this file. */
import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { recover } from './herd.ts'
import { picture } from './picture.ts'

const herd = { tasks: 500, downS: 10, bearsPerSecond: 50 }
const rows = [
  { title: 'without jitter', recovery: await recover(herd, 'none') },
  { title: 'with full jitter (the default)', recovery: await recover(herd, 'full') },
]
for (const { title, recovery } of rows) {
  const { callsPerSecond, refused, recoveredS } = recovery
  const afterwards = Math.max(...callsPerSecond.slice(herd.downS))
  console.log(
    `${title}: up to ${afterwards} calls a second, ${refused} refused, recovered after ${recoveredS.toFixed(0)} s`,
  )
}
const file = process.argv[2] ?? fileURLToPath(new URL('herd.svg', import.meta.url))
await writeFile(file, picture(rows, herd))
console.log(file)
