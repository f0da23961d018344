import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { missing, python, running } from '../amqp/python.ts'
import { testServer } from '../serve/test-server.ts'

/** kombu's SQS transport needs all three. */
const missed = ['celery', 'boto3', 'pycurl'].map(missing).find((why) => why !== undefined)

const APP = `
import os
from celery import Celery

app = Celery('shop', broker='sqs://test:test@HOST/')
app.conf.update(
    broker_transport_options={'region': 'us-east-1', 'is_secure': False, 'wait_time_seconds': 1, 'polling_interval': 0.1},
    task_default_queue='shop-tasks', worker_enable_remote_control=False, task_acks_late=True,
)

def say(text):
    with open(os.path.join(os.path.dirname(__file__), 'said'), 'a') as said:
        said.write(text + '\\n')

@app.task
def note(text):
    say(text)

@app.task(bind=True, max_retries=2)
def flaky(self):
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    say('again')
`

const WORKER = `
import sys
sys.path.insert(0, sys.argv[1])
from shop import app
app.worker_main(['worker', '--pool=solo', '--loglevel=INFO', '--hostname=w@test'])
`

const SESSION = `
import sys, time
sys.path.insert(0, sys.argv[1])
from shop import note, flaky
for i in range(20):
    note.delay('n%d' % i)
flaky.delay()
note.apply_async(('later',), countdown=1)
def said():
    try:
        return open(sys.argv[1] + '/said').read().split()
    except FileNotFoundError:
        return []
until = time.monotonic() + 60
while len(said()) < 22 and time.monotonic() < until:
    time.sleep(0.1)
print(' '.join(sorted(said())))
`

it.skipIf(missed !== undefined)(
  `runs Celery's tasks through its SQS transport${missed === undefined ? '' : ` (${missed})`}`,
  { timeout: 90_000 },
  async () => {
    const server = await testServer({})
    onTestFinished(() => server.close())
    const folder = await mkdtemp(join(tmpdir(), 'spindle-celery-sqs-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    await writeFile(join(folder, 'shop.py'), APP.replace('HOST', new URL(server.url).host))
    await running(WORKER, [folder], 'w@test ready', folder)
    const notes = Array.from({ length: 20 }, (_, i) => `n${i}`)
    expect(await python(SESSION, folder)).toEqual([[...notes, 'again', 'later'].toSorted().join(' ')])
  },
)
