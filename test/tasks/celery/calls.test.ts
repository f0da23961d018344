import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { type Reply, writeReply } from '../../../src/tasks/celery/protocol.ts'
import { type Envelope, openContent, sealContent } from '../../../src/tasks/celery/transport.ts'
import { celeryTask } from '../../../src/tasks/index.ts'
import { type Rig, rig } from '../rig.ts'

const resize = celeryTask('images.resize', {
  queue: 'python',
  input: z.object({ url: z.string(), width: z.number() }),
  output: z.object({ bytes: z.number() }),
})

async function started(): Promise<Rig> {
  const on = await rig()
  onTestFinished(() => on.close())
  return on
}

/** What a Python worker would get now. */
async function taken(on: Rig): Promise<Envelope> {
  const [delivery] = await on.port.receive({ queue: 'python', max: 1 })
  const envelope = delivery === undefined ? undefined : openContent(delivery.content)
  if (envelope === undefined) throw new Error('nothing from us waits')
  return envelope
}

/** As a Python worker answers. */
async function answer(on: Rig, { transport, replyTo = '', raw }: Envelope, reply: Partial<Reply>): Promise<void> {
  const id = String(raw.headers['id'])
  const body = writeReply(id, { status: 'SUCCESS', result: null, traceback: null, ...reply })
  const content = sealContent({
    transport,
    queue: replyTo,
    raw: { headers: {}, body, contentType: 'application/json' },
    correlationId: id,
  })
  await on.port.append(replyTo, [{ content }])
}

it('sends what Celery would have sent', async () => {
  const on = await started()
  const expiresAt = new Date(on.clock.wallMs() + 60_000)
  const options = { expiresAt, timeLimitMs: 20_000, softTimeLimitMs: 10_000 }
  const call = await on.tasks.callCelery(resize, { url: 'a.png', width: 20 }, options)
  const { raw, replyTo } = await taken(on)
  expect(raw.contentType).toBe('application/json')
  expect(raw.headers).toEqual({
    lang: 'py',
    task: 'images.resize',
    id: call.id,
    root_id: call.id,
    parent_id: null,
    group: null,
    group_index: null,
    shadow: null,
    retries: 0,
    eta: null,
    expires: '2026-01-01T00:01:00.000+00:00',
    timelimit: [20, 10],
    argsrepr: '[]',
    kwargsrepr: '{"url":"a.png","width":20}',
    origin: 'spindle',
    ignore_result: false,
  })
  const embed = { callbacks: null, errbacks: null, chain: null, chord: null }
  expect(JSON.parse(raw.body)).toEqual([[], { url: 'a.png', width: 20 }, embed])
  expect(call.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(replyTo).toMatch(/^spindle\.celery\.replies\./)
})

it('hands out the answer, checked', async () => {
  const on = await started()
  const call = await on.tasks.callCelery(resize, { url: 'a.png', width: 20 })
  await answer(on, await taken(on), { result: { bytes: 512 } })
  await on.clock.advance(0)
  expect(await call.result()).toEqual({ bytes: 512 })
})

it('refuses an answer of another shape', async () => {
  const on = await started()
  const call = await on.tasks.callCelery(resize, { url: 'a.png', width: 20 })
  await answer(on, await taken(on), { result: 'a.jpg' })
  await on.clock.advance(0)
  await expect(call.result()).rejects.toMatchObject({ code: 'invalid-input' })
})

it('hands out the exception of a failure', async () => {
  const on = await started()
  const call = await on.tasks.callCelery(resize, { url: 'a.png', width: 20 })
  const result = { exc_type: 'OSError', exc_message: ['no such file', 2], exc_module: 'builtins' }
  await answer(on, await taken(on), { status: 'FAILURE', result, traceback: 'Traceback …' })
  await on.clock.advance(0)
  await expect(call.result()).rejects.toMatchObject({
    code: 'task-failed',
    cause: { name: 'OSError', message: 'no such file, 2', stack: 'Traceback …' },
  })
})

it('tells of a revoked one, and of one that took too long', async () => {
  const on = await started()
  const call = await on.tasks.callCelery(resize, { url: 'a.png', width: 20 })
  const late = call.result({ timeoutMs: 5_000 })
  late.catch(() => {})
  await on.clock.advance(5_000)
  await expect(late).rejects.toMatchObject({ code: 'timeout' })
  await answer(on, await taken(on), { status: 'REVOKED' })
  await on.clock.advance(0)
  await expect(call.result()).rejects.toMatchObject({ code: 'task-cancelled' })
})

it('keeps a delayed one in the store', async () => {
  const on = await started()
  await on.tasks.callCelery(resize, { url: 'a.png', width: 20 }, { delayMs: 60_000 })
  await expect(taken(on)).rejects.toThrow('nothing')
  await on.clock.advance(60_000)
  expect((await taken(on)).raw.headers['eta']).toBeNull()
})

it('sends nothing that does not fit, and asks for no answer that nobody wants', async () => {
  const on = await started()
  await expect(on.tasks.callCelery(resize, { url: 'a.png', width: Number.NaN })).rejects.toMatchObject({
    code: 'invalid-input',
  })
  const call = await on.tasks.callCelery(resize, { url: 'a.png', width: 20 }, { ignoreResult: true })
  expect((await taken(on)).replyTo).toBeUndefined()
  await expect(call.result()).rejects.toMatchObject({ code: 'invalid-argument' })
})

it('sends positional arguments, and the envelope of SQS, where the definition says so', async () => {
  const on = await started()
  const add = celeryTask('shop.add', { queue: 'python', transport: 'sqs', input: z.tuple([z.number(), z.number()]) })
  await on.tasks.callCelery(add, [2, 3])
  const { transport, raw } = await taken(on)
  expect(transport).toBe('sqs')
  expect((JSON.parse(raw.body) as unknown[]).slice(0, 2)).toEqual([[2, 3], {}])
})

it('ends its waits when the client closes', async () => {
  const on = await started()
  const client = on.another()
  const call = await client.callCelery(resize, { url: 'a.png', width: 20 })
  const result = call.result()
  result.catch(() => {})
  await client.close()
  await expect(result).rejects.toMatchObject({ code: 'closed' })
})
