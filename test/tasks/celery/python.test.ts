/** The two directions with Debian's Celery, where it is installed; golden messages cover the rest (worker.test.ts). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { open } from '../../../src/open.ts'
import { celeryTask, PermanentFailure, task } from '../../../src/tasks/index.ts'
import { missing, python, running } from '../../amqp/python.ts'
import { testServer } from '../../serve/test-server.ts'

const noCelery = missing('celery')
const noSqs = noCelery ?? missing('boto3') ?? missing('pycurl')

/** The application in Python: its own tasks on `python`, ours on `typescript`. */
const APP = `
from celery import Celery
app = Celery('shop', broker='BROKER', backend='BACKEND' or None)
app.conf.update(
    task_serializer='json', result_serializer='json', accept_content=['json'], worker_prefetch_multiplier=1,
    task_default_queue='python', task_routes={'ts.*': {'queue': 'typescript'}}, worker_enable_remote_control=REMOTE,
    broker_transport_options=OPTIONS, broker_connection_retry=False,
)

@app.task(name='python.double')
def double(x):
    return 2 * x

@app.task(name='python.fail')
def fail(why):
    raise ValueError(why)

@app.task(name='python.note')
def note(*args, file):
    with open(file, 'a') as out:
        out.write(repr(args) + '\\n')
`
const WORKER = `
import sys
sys.path.insert(0, sys.argv[1])
from shop import app
app.worker_main(['worker', '--pool=solo', '--loglevel=INFO', '--hostname=w@test', '--without-mingle', '--without-gossip', '--without-heartbeat', '-Q', 'python'])
`
const HEAD = `
import sys, datetime
sys.path.insert(0, sys.argv[1])
from shop import app, double, note
from celery import chain, group
add, fail = app.signature('ts.add'), app.signature('ts.fail')
get = dict(timeout=30)
`

const numbers = z.object({ a: z.number(), b: z.number() })
const add = task('ts.add', {
  queue: 'typescript',
  input: numbers,
  celery: { parameters: ['a', 'b'], defaultQueue: 'python' },
  run: ({ a, b }) => a + b,
})
const fail = task('ts.fail', {
  queue: 'typescript',
  input: z.object({ why: z.string() }),
  celery: { parameters: ['why'] },
  run: ({ why }) => {
    throw new PermanentFailure(why)
  },
})

async function shop(transport: 'amqp' | 'sqs') {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-celery-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const server = await testServer({ data: join(folder, 'data'), amqpPort: 0 })
  onTestFinished(() => server.close())
  const spindle = await open(`file:${join(folder, 'data')}`)
  onTestFinished(() => spindle.close())
  const settings = {
    amqp: [server.amqpUrl.replace('amqp://', 'amqp://guest:guest@'), 'rpc://', 'True', '{}'],
    sqs: [
      server.url.replace('http://', 'sqs://x:x@'),
      '',
      'False',
      "{'region': 'us-east-1', 'is_secure': False, 'wait_time_seconds': 1, 'polling_interval': 0}",
    ],
  }[transport]
  const app = ['BROKER', 'BACKEND', 'REMOTE', 'OPTIONS'].reduce(
    (text, word, i) => text.replace(word, settings[i] as string),
    APP,
  )
  await writeFile(join(folder, 'shop.py'), app)
  return { folder, spindle }
}

describe.skipIf(noCelery !== undefined)(`Celery over AMQP${noCelery === undefined ? '' : ` (${noCelery})`}`, () => {
  it('sends tasks to a worker here and gets their results', { timeout: 120_000 }, async () => {
    const { folder, spindle } = await shop('amqp')
    await spindle.work([add, fail])
    await running(WORKER, [folder], 'w@test ready', folder)
    const session = `${HEAD}
print('add', add.delay(2, 3).get(**get), add.delay(a=2, b=3).get(**get), add.delay(2, b=3).get(**get))
try:
    fail.delay('no luck').get(**get)
except Exception as fault:
    print('failed', type(fault).__name__, fault)
print('countdown', add.apply_async((1, 1), countdown=1).get(**get))
print('group', group(add.clone((i, i)) for i in range(5))().get(**get))
print('chain', chain(add.clone((1, 2)), double.s(), add.clone((100,)))().get(**get))
print('back', chain(double.s(4), add.clone((1,)))().get(**get))
print('ignored', add.apply_async((1, 1), ignore_result=True).id != '')
try:
    add.delay('x', 3).get(timeout=30)
except Exception as fault:
    print('invalid', 'expected number' in str(fault))
`
    expect(await python(session, folder)).toEqual([
      'add 5 5 5',
      'failed PermanentFailure no luck',
      'countdown 2',
      'group [0, 2, 4, 6, 8]',
      'chain 106',
      'back 9',
      'ignored True',
      'invalid True',
    ])
  })

  it('runs tasks that are sent from here and answers', { timeout: 120_000 }, async () => {
    const { folder, spindle } = await shop('amqp')
    await running(WORKER, [folder], 'w@test ready', folder)
    const double = celeryTask('python.double', {
      queue: 'python',
      input: z.object({ x: z.number() }),
      output: z.number(),
    })
    const failing = celeryTask('python.fail', { queue: 'python', input: z.tuple([z.string()]) })
    const [doubled, later, failed, expired] = await Promise.all([
      spindle.callCelery(double, { x: 21 }),
      spindle.callCelery(double, { x: 4 }, { delayMs: 500, timeLimitMs: 60_000, softTimeLimitMs: 30_000 }),
      spindle.callCelery(failing, ['no luck']),
      spindle.callCelery(double, { x: 1 }, { delayMs: 1_000, expiresAt: new Date(Date.now() + 500) }),
    ])
    const timeoutMs = 60_000
    expect(await doubled.result({ timeoutMs })).toBe(42)
    expect(await later.result({ timeoutMs })).toBe(8)
    await expect(failed.result({ timeoutMs })).rejects.toMatchObject({
      code: 'task-failed',
      cause: { name: 'ValueError', message: 'no luck', stack: expect.stringContaining('Traceback') },
    })
    await expect(expired.result({ timeoutMs })).rejects.toMatchObject({ code: 'task-cancelled' })
  })
})

describe.skipIf(noSqs !== undefined)(`Celery over SQS${noSqs === undefined ? '' : ` (${noSqs})`}`, () => {
  it('exchanges tasks with a worker here, in both directions', { timeout: 120_000 }, async () => {
    const { folder, spindle } = await shop('sqs')
    const file = join(folder, 'noted')
    await spindle.work([add])
    await running(WORKER, [folder], 'w@test ready', folder)
    await python(`${HEAD}\nadd.apply_async((2, 3), link=note.signature(kwargs=dict(file=sys.argv[2])))`, folder, file)
    const note = celeryTask('python.note', {
      queue: 'python',
      transport: 'sqs',
      input: z.object({ file: z.string() }),
    })
    const { readFile } = await import('node:fs/promises')
    const noted = () => readFile(file, 'utf8').catch(() => '')
    await expect.poll(noted, { timeout: 60_000 }).toBe('(5,)\n')
    await spindle.callCelery(note, { file }, { ignoreResult: true })
    await expect.poll(noted, { timeout: 60_000 }).toBe('(5,)\n()\n')
  })
})
