import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import amqp, { type Options } from 'amqplib'
import { expect, it, onTestFinished } from 'vitest'
import { longRun } from '../faults/store.ts'

const server = fileURLToPath(new URL('../../bench/amqp-server.ts', import.meta.url))
const CYCLES = longRun ? 50 : 3
const CONFIRMS = 3_000
const PERSISTENT: Options.Publish = { persistent: true }

async function started(folder: string): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', server, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  const port = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)))
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
      const found = /listening (\d+)/.exec(said)
      if (found?.[1] !== undefined) resolve(found[1])
    })
  })
  return { child, url: `amqp://guest:guest@127.0.0.1:${port}` }
}

/** Publishes until the broker is killed after so many confirms; the bodies that were confirmed. A consumer acks meanwhile what it gets. */
async function publishUntilKilled(folder: string, cycle: number, received: Set<string>): Promise<string[]> {
  const { child, url } = await started(folder)
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
  const connection = await amqp.connect(url)
  connection.on('error', () => {})
  const publisher = await connection.createConfirmChannel()
  await publisher.assertQueue('safe', { durable: true })
  const consumer = await connection.createChannel()
  await consumer.prefetch(50)
  await consumer.consume('safe', (message) => {
    if (message === null) return
    received.add(message.content.toString())
    if (received.size % 3 === 0) consumer.ack(message)
    else consumer.nack(message)
  })
  const confirmed: string[] = []
  let gone = false
  connection.on('close', () => {
    gone = true
  })
  for (let n = 0; !gone; n++) {
    const body = `${cycle}-${n}`
    publisher.sendToQueue('safe', Buffer.from(body), PERSISTENT, (error) => {
      if (error === null) confirmed.push(body)
      if (confirmed.length === CONFIRMS) child.kill('SIGKILL')
    })
    // The window of a publisher; also lets the sockets be read.
    if (n % 200 === 199) await publisher.waitForConfirms().catch(() => {})
  }
  expect(await ended).toBe('SIGKILL')
  return confirmed
}

/** Consumes until everything that was confirmed has come, with what was leased when the broker was killed. */
async function drained(folder: string, confirmed: readonly string[], received: Set<string>): Promise<void> {
  const { child, url } = await started(folder)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const connection = await amqp.connect(url)
  const channel = await connection.createChannel()
  const missing = new Set(confirmed.filter((body) => !received.has(body)))
  await new Promise<void>((resolve) => {
    // Not a wait: what has not come by then is lost.
    const giveUp = setTimeout(resolve, 30_000)
    const look = (): void => {
      if (missing.size > 0) return
      clearTimeout(giveUp)
      resolve()
    }
    void channel.consume('safe', (message) => {
      if (message === null) return
      const body = message.content.toString()
      received.add(body)
      missing.delete(body)
      channel.ack(message)
      look()
    })
    look()
  })
  await connection.close()
  child.stdin?.end()
  await ended
}

it('loses nothing that was confirmed when the broker is killed under load', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-amqp-kill-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const received = new Set<string>()
  const confirmed: string[] = []
  for (let cycle = 1; cycle <= CYCLES; cycle++) confirmed.push(...(await publishUntilKilled(folder, cycle, received)))
  await drained(folder, confirmed, received)
  expect(confirmed.length).toBeGreaterThanOrEqual(CYCLES * CONFIRMS)
  expect(confirmed.filter((body) => !received.has(body))).toEqual([])
}, 600_000)
