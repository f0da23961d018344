/**
 * `npx tsx scripts/record-celery.ts`: what Debian's Celery sends, over AMQP and over SQS, as it lies in the store -> golden.json. The tests
 * read that file, so that they need no Python. Written anew only when a newer Celery is to be recorded.
 */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openContent } from '../src/tasks/celery/transport.ts'
import { testServer } from '../test/serve/test-server.ts'

const SENDER = `
import sys, datetime
from celery import Celery, group
from celery.canvas import Signature
from celery.utils import nodenames

nodenames.gethostname = lambda: 'shop'

transport, url = sys.argv[1:3]
app = Celery('shop', broker=url, backend='rpc://' if transport == 'amqp' else None)
app.conf.update(task_serializer='json', result_serializer='json', accept_content=['json'], task_default_queue='golden')
if transport == 'sqs':
    app.conf.broker_transport_options = {'region': 'us-east-1', 'is_secure': False}
UTC = datetime.timezone.utc
def at(year): return datetime.datetime(year, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
def sig(name, *args, **options): return Signature(name, args=args, app=app, options=options)
ids = iter('00000000-0000-4000-8000-%012d' % n for n in range(1, 100))

def send(name, args=(), kwargs=None, **options):
    app.send_task(name, args, kwargs, task_id=next(ids), **options)

send('shop.add', (2, 3))
send('shop.add', (2,), {'b': 3})
send('shop.add', kwargs={'a': 2, 'b': 3}, eta=at(2040), expires=at(2041), priority=7, time_limit=20, soft_time_limit=10, ignore_result=True)
send('shop.add', (2, 3), expires=at(2020))
send('shop.add', (2, 3), retries=2)
send('shop.add', (2, 3), link=sig('python.log', queue='python'), link_error=sig('python.alarm', queue='python'))
send('shop.missing', ())
if transport == 'amqp':
    send('shop.add', (2, 3), serializer='pickle')
    send('shop.add', (2, 3), compression='zlib')
    send('shop.add', (2, 3), chord=sig('python.join', queue='python'))
    older = Celery('shop', broker=url)
    older.conf.update(task_serializer='json', task_default_queue='golden', task_protocol=1)
    older.send_task('shop.add', (2, 3), task_id=next(ids))
    (sig('shop.add', 1, 2) | sig('python.double', queue='python') | sig('shop.add', 100)).apply_async()
    (sig('shop.add', 1, 2) | group(sig('python.a', queue='python'), sig('python.b', queue='python'))).apply_async()
`

/** By the number at the end of their ids; those of chains are Celery's own. */
const numbered = [
  'positional',
  'mixed',
  'options',
  'expired',
  'retried',
  'linked',
  'unknown',
  'pickled',
  'compressed',
].concat(['chord', 'protocol1'])
const NUMBERED = '00000000-0000-4000-8000-'

const golden: Record<string, Record<string, { head: string; body: string }>> = {}
for (const transport of ['amqp', 'sqs'] as const) {
  const server = await testServer({ amqpPort: 0 })
  for (const queue of ['golden', 'python']) await server.port.declareQueue(queue, {})
  const amqp = server.amqpUrl.replace('amqp://', 'amqp://guest:guest@')
  const url = transport === 'amqp' ? amqp : server.url.replace('http://', 'sqs://x:x@')
  const args = ['-c', SENDER, transport, url]
  await promisify(execFile)('/usr/bin/python3', args)
  const page = await server.port.browse({ queue: 'golden', states: ['ready'], limit: 100 })
  const chains = ['chain', 'chain-to-group']
  golden[transport] = Object.fromEntries(
    page.messages.map(({ content }) => {
      const id = String(openContent(content)?.raw.headers['id'])
      const name = id.startsWith(NUMBERED) ? numbered[Number(id.slice(NUMBERED.length)) - 1] : chains.shift()
      const { head, body } = content
      return [name, { head: Buffer.from(head).toString('base64'), body: Buffer.from(body).toString('base64') }]
    }),
  )
  await server.close()
}
const file = fileURLToPath(new URL('../test/tasks/celery/golden.json', import.meta.url))
writeFileSync(file, `${JSON.stringify(golden, null, 2)}\n`)
