/** `npm run bench:metrics`: a scrape of a server with many queues, the first one included. Exits 1 when one takes 200 ms or more. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { testServer } from '../src/testing/index.ts'

const QUEUES = 10_000
const SCRAPES = 15
const LIMIT_MS = 200

const folder = await mkdtemp(join(tmpdir(), 'spindle-metrics-'))
const server = await testServer({ data: folder })
const { port } = server
const message = { content: { head: new Uint8Array(0), body: new Uint8Array(100) } }
for (let made = 0; made < QUEUES; made += 500) {
  const names = Array.from({ length: 500 }, (_, at) => `team-${(made + at) % 97}/queue-${made + at}`)
  await Promise.all(names.map((name) => port.declareQueue(name, {})))
  await Promise.all(names.map((name) => port.append(name, [message])))
}

const tookMs: number[] = []
let bytes = 0
for (let scrape = 0; scrape < SCRAPES; scrape++) {
  const startedMs = performance.now()
  bytes = (await (await fetch(`${server.url}/metrics`)).text()).length
  tookMs.push(performance.now() - startedMs)
}
await server.close()
await rm(folder, { recursive: true })
const [first = Number.POSITIVE_INFINITY] = tookMs
tookMs.sort((a, b) => a - b)
const worst = tookMs.at(-1) ?? Number.POSITIVE_INFINITY
const median = tookMs[Math.floor(SCRAPES / 2)] ?? Number.POSITIVE_INFINITY
console.log(
  `${QUEUES} queues, ${SCRAPES} scrapes of ${(bytes / 1e6).toFixed(1)} MB: the first ${first.toFixed(0)} ms, median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms (limit ${LIMIT_MS} ms)`,
)
process.exitCode = worst < LIMIT_MS ? 0 : 1
