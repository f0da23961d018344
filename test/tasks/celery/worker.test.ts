import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { openContent, openReply } from '../../../src/tasks/celery/transport.ts'
import { type TaskContext, type TaskOptions, task } from '../../../src/tasks/index.ts'
import { type Rig, rig } from '../rig.ts'
import { golden } from './golden.ts'

const numbers = z.object({ a: z.number(), b: z.number() })
type Add = Partial<TaskOptions<typeof numbers, unknown>>

/** A rig whose worker knows `shop.add`, and what it ran with. */
async function shop(options: Add = {}): Promise<Rig & { readonly ran: [unknown, Pick<TaskContext, 'attempt'>][] }> {
  const on = await rig()
  onTestFinished(() => on.close())
  const ran: [unknown, Pick<TaskContext, 'attempt'>][] = []
  const add = task('shop.add', {
    queue: 'golden',
    input: numbers,
    celery: { parameters: ['a', 'b'] },
    run: ({ a, b }, { attempt }) => {
      ran.push([{ a, b }, { attempt }])
      return a + b
    },
    ...options,
  })
  await on.tasks.work([add])
  return { ...on, ran }
}

async function send(on: Rig, transport: 'amqp' | 'sqs', name: string): Promise<string> {
  const content = golden(transport, name)
  const replyTo = openContent(content)?.replyTo
  if (replyTo !== undefined) await on.port.declareQueue(replyTo, {})
  const [outcome] = await on.port.append('golden', [{ content }])
  await on.clock.advance(0)
  return outcome?.kind === 'stored' ? outcome.id : ''
}

async function replies(on: Rig, transport: 'amqp' | 'sqs', name: string): Promise<unknown[]> {
  const queue = openContent(golden(transport, name))?.replyTo ?? ''
  const deliveries = await on.port.receive({ queue, max: 10 })
  return deliveries.map(({ content }) => JSON.parse(openReply(content)))
}

/** Task, arguments and what it knows of its origin, of all that waits in a queue. */
async function waiting(on: Rig, queue: string): Promise<unknown[]> {
  const deliveries = await on.port.receive({ queue, max: 10 })
  return deliveries.map(({ content }) => {
    const { raw } = openContent(content) ?? { raw: { headers: {}, body: '[]' } }
    const { task: name, parent_id: parent } = raw.headers as Record<string, unknown>
    return { name, parent, args: (JSON.parse(raw.body) as unknown[])[0] }
  })
}

describe.each(['amqp', 'sqs'] as const)('a task of Celery over %s', (transport) => {
  it('gets positional and keyword arguments by name', async () => {
    const on = await shop()
    await send(on, transport, 'positional')
    await send(on, transport, 'mixed')
    expect(on.ran.map(([input]) => input)).toEqual([
      { a: 2, b: 3 },
      { a: 2, b: 3 },
    ])
  })

  it('waits for its eta, unspent', async () => {
    const on = await shop()
    const id = await send(on, transport, 'options')
    expect(on.ran).toEqual([])
    expect(await on.tasks.job(id).status()).toMatchObject({ state: 'delayed', attempts: 0 })
  })

  it('counts the tries that its sender counted', async () => {
    const on = await shop()
    await send(on, transport, 'retried')
    expect(on.ran).toEqual([[{ a: 2, b: 3 }, { attempt: 3 }]])
  })

  it('has no more attempts than its sender left it', async () => {
    const on = await shop({
      retry: { attempts: 3 },
      run: () => {
        throw new Error('no luck')
      },
    })
    const id = await send(on, transport, 'retried')
    expect(await on.tasks.job(id).status()).toMatchObject({ state: 'failed', reason: 'exhausted', attempts: 1 })
  })

  it('is followed by its link, with the result first', async () => {
    const on = await shop()
    await send(on, transport, 'linked')
    expect(await waiting(on, 'python')).toEqual([
      { name: 'python.log', parent: '00000000-0000-4000-8000-000000000006', args: [5] },
    ])
  })

  it('is followed by its link_error once it has failed for good, with its id first', async () => {
    const on = await shop({
      retry: { attempts: 2, backoff: () => 1_000 },
      run: () => {
        throw new Error('no luck')
      },
    })
    await send(on, transport, 'linked')
    expect(await waiting(on, 'python')).toEqual([])
    await on.clock.advance(1_000)
    const id = '00000000-0000-4000-8000-000000000006'
    expect(await waiting(on, 'python')).toEqual([{ name: 'python.alarm', parent: id, args: [id] }])
  })

  it('is parked where it can be seen and retried when nobody knows it', async () => {
    const on = await shop()
    const id = await send(on, transport, 'unknown')
    expect(await on.tasks.job(id).status()).toMatchObject({
      state: 'failed',
      reason: 'unknown-task',
      error: { message: expect.stringContaining("'shop.missing'") },
    })
  })

  it('answers where its sender waits, in the commit of its end', async () => {
    const on = await shop()
    await send(on, transport, 'positional')
    const id = '00000000-0000-4000-8000-000000000001'
    expect(await replies(on, transport, 'positional')).toEqual([
      { task_id: id, status: 'SUCCESS', result: 5, traceback: null, children: [] },
    ])
  })

  it('answers with its failure as Celery tells exceptions', async () => {
    const on = await shop({
      retry: { attempts: 1 },
      run: () => {
        throw new RangeError('no luck')
      },
    })
    await send(on, transport, 'positional')
    expect(await replies(on, transport, 'positional')).toMatchObject([
      { status: 'FAILURE', result: { exc_type: 'RangeError', exc_message: ['no luck'], exc_module: null } },
    ])
  })
})

describe('a task of Celery', () => {
  it('is revoked when it comes after its expires, and says so', async () => {
    const on = await shop()
    const id = await send(on, 'sqs', 'expired')
    expect(on.ran).toEqual([])
    expect(await on.tasks.job(id).status()).toMatchObject({ state: 'discarded', reason: 'expired' })
    expect(await replies(on, 'sqs', 'expired')).toMatchObject([
      { status: 'REVOKED', result: { exc_type: 'TaskRevokedError', exc_message: ['expired'] } },
    ])
  })

  it('with ignore_result keeps nothing and answers nobody', async () => {
    const on = await shop()
    on.clock.jumpWall(Date.UTC(2040, 5, 1) - on.clock.wallMs())
    const id = await send(on, 'amqp', 'options')
    expect(on.ran).toHaveLength(1)
    await expect(on.tasks.job(id).status()).rejects.toMatchObject({ code: 'not-found' })
    expect(await replies(on, 'amqp', 'options')).toEqual([])
  })

  it('ends although the queue of its answer is gone', async () => {
    const on = await shop()
    const content = golden('amqp', 'positional')
    const [outcome] = await on.port.append('golden', [{ content }])
    await on.clock.advance(0)
    const id = outcome?.kind === 'stored' ? outcome.id : ''
    expect(await on.tasks.job(id).status()).toMatchObject({ state: 'succeeded', result: 5 })
  })

  it('has the time that its sender allows it, if that is shorter', async () => {
    const on = await shop({ retry: { attempts: 1 }, run: () => new Promise(() => {}) })
    on.clock.jumpWall(Date.UTC(2040, 5, 1) - on.clock.wallMs())
    const id = await send(on, 'amqp', 'options')
    await on.clock.advance(11_500)
    expect(await on.tasks.job(id).status()).toMatchObject({
      state: 'failed',
      error: { name: 'TaskInterrupted', message: expect.stringContaining('longer than') },
    })
  })

  it('hands its chain on with what is left of it, each step in the commit of the one before', async () => {
    const on = await shop()
    await send(on, 'amqp', 'chain')
    const [double] = await on.port.receive({ queue: 'python', max: 1 })
    const { raw } = openContent(double?.content ?? golden('amqp', 'unknown')) ?? { raw: { headers: {}, body: '' } }
    expect(raw.headers).toMatchObject({ task: 'python.double' })
    expect(JSON.parse(raw.body)).toEqual([
      [3],
      {},
      {
        callbacks: null,
        errbacks: null,
        chord: null,
        chain: [expect.objectContaining({ task: 'shop.add', args: [100] })],
      },
    ])
  })

  it('starts every task of a group that follows it', async () => {
    const on = await shop()
    await send(on, 'amqp', 'chain-to-group')
    expect(await waiting(on, 'python')).toMatchObject([
      { name: 'python.a', args: [3] },
      { name: 'python.b', args: [3] },
    ])
  })

  it.each([
    ['pickled', "task_serializer = 'json'"],
    ['compressed', 'task_compression = None'],
    ['chord', "Celery's own result back end"],
    ['protocol1', 'task_protocol = 2'],
  ])('that came as %s is parked with what to change', async (name, remedy) => {
    const on = await shop()
    const id = await send(on, 'amqp', name)
    expect(await on.tasks.job(id).status()).toMatchObject({
      state: 'failed',
      reason: 'invalid',
      error: { message: expect.stringContaining(remedy) },
    })
    expect(on.ran).toEqual([])
  })

  it('with positional arguments that have no names is parked', async () => {
    const on = await shop({ celery: {} })
    const id = await send(on, 'amqp', 'positional')
    expect(await on.tasks.job(id).status()).toMatchObject({
      state: 'failed',
      reason: 'invalid',
      error: { message: expect.stringContaining('celery.parameters') },
    })
  })
})
