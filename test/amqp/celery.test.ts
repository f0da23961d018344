import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { testServer } from '../serve/test-server.ts'
import { missing, python, running } from './python.ts'

const noCelery = missing('celery')

/** The application, as its author would write it. */
const APP = `
import sys
from celery import Celery
from kombu import Queue

app = Celery('shop', broker='URL', backend='rpc://')
app.conf.update(
    task_serializer='json', result_serializer='json', accept_content=['json'], worker_prefetch_multiplier=1,
    broker_connection_retry=False, result_expires=300, task_acks_late=True, worker_enable_remote_control=True,
    task_queues=[Queue('celery', queue_arguments={'x-max-priority': 10})], task_default_queue='celery',
)
order = []

@app.task
def add(a, b):
    return a + b

@app.task(bind=True, max_retries=3)
def flaky(self, succeed_at):
    if self.request.retries < succeed_at:
        raise self.retry(countdown=0.1)
    return self.request.retries

@app.task
def fail():
    raise ValueError('no luck')

@app.task
def size(text):
    return len(text)

@app.task
def note(name):
    order.append(name)

@app.task
def noted():
    return order
`

const WORKER = `
import sys
sys.path.insert(0, sys.argv[1])
from shop import app
app.worker_main(['worker', '--pool=solo', '--loglevel=INFO', '--hostname=w@test', '--without-mingle'])
`

const SESSION = `
import sys, time, datetime
sys.path.insert(0, sys.argv[1])
from shop import app, add, flaky, fail, size, note, noted
from celery import group, chain
from celery.exceptions import TaskRevokedError, TimeoutError
get = dict(timeout=20)
print('add', add.delay(2, 3).get(**get))
print('retries', flaky.delay(2).get(**get))
try:
    fail.delay().get(**get)
except ValueError as fault:
    print('failed', fault)
started = time.monotonic()
print('eta', add.apply_async((1, 1), eta=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)).get(**get), time.monotonic() - started >= 0.9)
expired = add.apply_async((1, 2), expires=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1))
print('after', add.delay(4, 4).get(**get))
# Celery publishes it with a TTL of 0: a worker that has room says it is revoked, without one the broker drops it.
try:
    print('expired', expired.get(timeout=2))
except (TimeoutError, TaskRevokedError):
    print('expired, not run')
revoked = add.apply_async((5, 5), countdown=3)
app.control.revoke(revoked.id, reply=True, timeout=3)
try:
    revoked.get(timeout=10)
except Exception as fault:
    print('revoked', type(fault).__name__)
print('group', group(add.s(i, i) for i in range(5))().get(**get))
print('chain', chain(add.s(1, 2), add.s(10), add.s(100))().get(**get))
print('ping', app.control.inspect(timeout=5).ping())
print('size', size.delay('x' * 512 * 1024).get(**get))
block = add.apply_async((0, 0), countdown=0)
block.get(**get)
`

const PRIORITIES = `
import sys
sys.path.insert(0, sys.argv[1])
from shop import app, note, noted
if sys.argv[2] == 'send':
    for name, priority in (('low', 1), ('high', 9), ('middle', 5)):
        note.apply_async((name,), priority=priority)
    print('sent')
else:
    print(noted.apply_async(priority=0).get(timeout=20))
`

async function shop(): Promise<string> {
  const server = await testServer({ amqpPort: 0 })
  onTestFinished(() => server.close())
  const folder = await mkdtemp(join(tmpdir(), 'spindle-celery-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'shop.py'), APP.replace('URL', server.amqpUrl.replace('amqp://', 'amqp://guest:guest@')))
  return folder
}

describe.skipIf(noCelery !== undefined)(`Celery${noCelery === undefined ? '' : ` (${noCelery})`}`, () => {
  it('runs tasks, retries, ETAs, expiries, revocations, groups and chains', { timeout: 90_000 }, async () => {
    const folder = await shop()
    await running(WORKER, [folder], 'w@test ready', folder)
    expect(await python(SESSION, folder)).toEqual([
      'add 5',
      'retries 2',
      'failed no luck',
      'eta 2 True',
      'after 8',
      'expired, not run',
      'revoked TaskRevokedError',
      'group [0, 2, 4, 6, 8]',
      'chain 113',
      "ping {'w@test': {'ok': 'pong'}}",
      'size 524288',
    ])
  })

  it('serves what waits by priority', { timeout: 60_000 }, async () => {
    const folder = await shop()
    // Nobody works yet: all three wait.
    expect(await python(PRIORITIES, folder, 'send')).toEqual(['sent'])
    await running(WORKER, [folder], 'w@test ready', folder)
    expect(await python(PRIORITIES, folder, 'ask')).toEqual(["['high', 'middle', 'low']"])
  })
})
