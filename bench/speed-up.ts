/**
 * `npm run bench:speedup`: 10,000 tasks of 20 ms with one worker and with twenty. Fails under 18 times. Other numbers: `-- TASKS MS`.
 */
import process from 'node:process'
import { measure } from '../examples/speed-up/speed-up.ts'

const SPEED_UP_MIN = 18
const [tasks = 10_000, ms = 20] = process.argv.slice(2).map(Number)

const many = await measure({ workers: 20, tasks, ms })
const one = await measure({ workers: 1, tasks, ms })
for (const { workers, seconds, perSecond } of [one, many]) {
  console.log(
    `${workers} workers: ${tasks} tasks of ${ms} ms in ${seconds.toFixed(1)} s, ${perSecond.toFixed(0)} a second`,
  )
}
const speedUp = one.seconds / many.seconds
console.log(`${speedUp.toFixed(1)} times as fast`)
if (speedUp < SPEED_UP_MIN) {
  console.error(`expected at least ${SPEED_UP_MIN}`)
  process.exitCode = 1
}
