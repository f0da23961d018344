import { describe, expect, it, onTestFinished } from 'vitest'
import { testServer } from '../serve/test-server.ts'
import { missing, python } from './python.ts'

const noPika = missing('pika')
const noKombu = missing('kombu')

async function served(): Promise<string> {
  const server = await testServer({ amqpPort: 0 })
  onTestFinished(() => server.close())
  return server.amqpUrl.replace('amqp://', 'amqp://guest:guest@')
}

const SESSION = `
import sys, pika
connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.confirm_delivery()
channel.exchange_declare('dead', 'fanout', durable=True)
channel.queue_declare('morgue', durable=True)
channel.queue_bind('morgue', 'dead')
channel.queue_declare('q', durable=True, arguments={'x-dead-letter-exchange': 'dead', 'x-max-priority': 5})
properties = pika.BasicProperties(content_type='text/plain', delivery_mode=2, headers={'n': 1, 'f': True, 't': {'in': [1, None]}},
    correlation_id='c', message_id='m', type='t', app_id='a')
channel.basic_publish('', 'q', b'body', properties, mandatory=True)
print('confirmed')
try:
    channel.basic_publish('', 'nowhere', b'lost', mandatory=True)
except pika.exceptions.UnroutableError as fault:
    print('returned', fault.messages[0].body.decode())
channel.basic_qos(prefetch_count=1)
for method, got, body in channel.consume('q', inactivity_timeout=10):
    print('got', body.decode(), got.headers, got.correlation_id, got.type, got.app_id, method.redelivered)
    channel.basic_nack(method.delivery_tag, requeue=not method.redelivered)
    if method.redelivered: break
channel.cancel()
for method, got, body in channel.consume('morgue', inactivity_timeout=10):
    death = got.headers['x-death'][0]
    print('dead', body.decode(), death['reason'], death['queue'], death['count'], got.headers['n'])
    channel.basic_ack(method.delivery_tag)
    break
channel.cancel()
for priority in (1, 5, 3):
    channel.basic_publish('', 'q', str(priority).encode(), pika.BasicProperties(priority=priority))
print('order', ''.join(channel.basic_get('q', auto_ack=True)[2].decode() for _ in range(3)))
large = bytes(512 * 1024)
channel.basic_publish('', 'q', large)
print('large', channel.basic_get('q', auto_ack=True)[2] == large)
try:
    channel.queue_declare('q', durable=False)
except pika.exceptions.ChannelClosedByBroker as fault:
    print('closed', fault.reply_code)
connection.close()
`

describe.skipIf(noPika !== undefined)(`pika${noPika === undefined ? '' : ` (${noPika})`}`, () => {
  it('publishes, confirms, consumes, dead-letters and is refused', async () => {
    expect(await python(SESSION, await served())).toEqual([
      'confirmed',
      'returned lost',
      "got body {'n': 1, 'f': True, 't': {'in': [1, None]}} c t a False",
      "got body {'n': 1, 'f': True, 't': {'in': [1, None]}} c t a True",
      'dead body rejected q 1 1',
      'order 531',
      'large True',
      'closed 406',
    ])
  })
})

const SIMPLE_QUEUE = `
import sys, socket
from kombu import Connection, Exchange, Queue, Producer, Consumer
with Connection(sys.argv[1], transport_options={'confirm_publish': True}) as connection:
    queue = connection.SimpleQueue('simple')
    queue.put({'grüezi': [1, 2.5, None]}, headers={'n': 7}, compression='zlib')
    message = queue.get(timeout=10)
    print(message.payload, message.headers['n'])
    message.ack()
    print(queue.qsize())
    queue.close()
    topic = Exchange('kombu.topic', 'topic', durable=True)
    bound = Queue('kombu.q', topic, routing_key='a.*', message_ttl=60, max_length=10)
    got = []
    with connection.channel() as channel:
        bound(channel).declare()
        Producer(channel).publish('hello', exchange=topic, routing_key='a.b', retry=True, expiration=30, priority=4)
        with Consumer(channel, [bound], callbacks=[lambda body, message: (got.append(body), message.ack())]):
            connection.drain_events(timeout=10)
        print(got)
    connection.heartbeat_check()
`

describe.skipIf(noKombu !== undefined)(`kombu${noKombu === undefined ? '' : ` (${noKombu})`}`, () => {
  it('puts and gets with a simple queue, and by a topic', async () => {
    expect(await python(SIMPLE_QUEUE, await served())).toEqual(["{'grüezi': [1, 2.5, None]} 7", '0', "['hello']"])
  })
})
