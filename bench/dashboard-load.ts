/** The busy server of bench/dashboard.ts, in a process of its own so that its CPU time is its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { encodeContent } from '../src/model/content.ts'
import { testServer } from '../src/testing/test-server.ts'

const BATCH = 100
const LANES = 20
const folder = mkdtempSync(join(tmpdir(), 'spindle-bench-dashboard-'))
const server = await testServer({ data: folder })
const { port } = server
for (let lane = 0; lane < LANES; lane++) await port.declareQueue(`lane-${lane}`, {})
await port.declareQueue('quiet', {})
const batch = Array.from({ length: BATCH }, () => ({ content: encodeContent('x'.repeat(100)) }))

async function work(lane: number, endMs: number, pauseMs: number): Promise<number> {
  const queue = `lane-${lane}`
  let done = 0
  while (performance.now() < endMs) {
    await port.append(queue, batch)
    const deliveries = await port.receive({ queue, max: BATCH })
    await port.settle(deliveries.map(({ receipt, id }) => ({ receipt, id, how: { kind: 'ack' } as const })))
    done += deliveries.length
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  return done
}

process.on('message', (order: 'stop' | { sliceMs: number; ratePerS?: number }) => {
  void (async () => {
    if (order === 'stop') {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
      process.exit()
    }
    const { sliceMs, ratePerS } = order
    const startedMs = performance.now()
    const before = process.cpuUsage()
    const pauseMs = ratePerS === undefined ? 0 : (BATCH * LANES * 1_000) / ratePerS
    const done = await Promise.all(Array.from({ length: LANES }, (_, lane) => work(lane, startedMs + sliceMs, pauseMs)))
    const { user, system } = process.cpuUsage(before)
    const messages = done.reduce((sum, one) => sum + one, 0)
    process.send?.({ messages, cpuMs: (user + system) / 1_000, ms: performance.now() - startedMs })
  })()
})
process.send?.({ url: server.url })
