import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { verifySignatures } from '../../src/frontends/aws/verify-signature.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { served } from './serving.ts'

const python = ['python3', '/usr/bin/python3'].find(
  (each) => spawnSync(each, ['-c', 'import boto3'], { timeout: 20_000 }).status === 0,
)
if (python === undefined) console.log('skipped: no python3 here has boto3')

const SCRIPT = `
import boto3, json, sys
def client(name):
    return boto3.client(name, endpoint_url=sys.argv[1], region_name='us-east-1',
                        aws_access_key_id='test', aws_secret_access_key='test')
sns, sqs = client('sns'), client('sqs')
topic = sns.create_topic(Name='orders', Tags=[{'Key': 'team', 'Value': 'x'}])['TopicArn']
url = sqs.create_queue(QueueName='q')['QueueUrl']
arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
sub = sns.subscribe(TopicArn=topic, Protocol='sqs', Endpoint=arn, ReturnSubscriptionArn=True,
                    Attributes={'FilterPolicy': json.dumps({'n': [{'numeric': ['>', 1]}]})})['SubscriptionArn']
for n in (1, 2):
    sns.publish(TopicArn=topic, Message='number %d' % n, Subject='S',
                MessageAttributes={'n': {'DataType': 'Number', 'StringValue': str(n)},
                                   'b': {'DataType': 'Binary', 'BinaryValue': b'\\x00\\xff'}})
sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[
    {'Id': 'a', 'Message': 'batch', 'MessageAttributes': {'n': {'DataType': 'Number', 'StringValue': '5'}}}])
messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)['Messages']
try:
    sns.get_topic_attributes(TopicArn=topic + '-gone')
    error = None
except sns.exceptions.NotFoundException as fault:
    error = fault.response['Error']
print(json.dumps({
    'messages': [json.loads(m['Body']) for m in messages],
    'attributes': sns.get_subscription_attributes(SubscriptionArn=sub)['Attributes'],
    'tags': sns.list_tags_for_resource(ResourceArn=topic)['Tags'],
    'pages': sum(len(p['Topics']) for p in sns.get_paginator('list_topics').paginate()),
    'error': error,
}))
`

it.skipIf(python === undefined)('answers boto3', async () => {
  const { endpoint } = await served()
  const { stdout } = await promisify(execFile)(python as string, ['-c', SCRIPT, endpoint], { timeout: 25_000 })
  const told = JSON.parse(stdout)
  expect(told.messages.map(({ Message }: { Message: string }) => Message)).toEqual(['number 2', 'batch'])
  expect(told.messages[0].MessageAttributes).toEqual({
    n: { Type: 'Number', Value: '2' },
    b: { Type: 'Binary', Value: 'AP8=' },
  })
  expect(told.attributes).toMatchObject({ FilterPolicyScope: 'MessageAttributes', PendingConfirmation: 'false' })
  expect(told.tags).toEqual([{ Key: 'team', Value: 'x' }])
  expect(told.pages).toBe(1)
  expect(told.error).toMatchObject({ Code: 'NotFound', Message: 'Topic does not exist' })
})

const SIGNED = `
import boto3, json, sys, urllib.request, urllib.error
from botocore.config import Config
def client(name, secret):
    return boto3.client(name, endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='KEY',
                        aws_secret_access_key=secret, config=Config(retries={'max_attempts': 1}))
sns = client('sns', 'right')
sns.create_topic(Name='orders')
url = sns.generate_presigned_url('list_topics', HttpMethod='GET', ExpiresIn=60)
shown = urllib.request.urlopen(url).read().decode()
def refused(url):
    try:
        return urllib.request.urlopen(url).read().decode()
    except urllib.error.HTTPError as fault:
        return fault.code
try:
    client('sns', 'wrong').list_topics()
    code = None
except Exception as fault:
    code = fault.response['Error']['Code']
print(json.dumps({'shown': shown, 'forged': refused(url.replace('ListTopics', 'ListSubscriptions')), 'wrong': code,
                  'queue': client('sqs', 'right').create_queue(QueueName='mail')['QueueUrl']}))
`

it.skipIf(python === undefined)('verifies what boto3 signs, in headers and in URLs', async () => {
  const importer = { name: 'importer', may: () => true }
  const keys = {
    configured: () => true,
    accessKey: (id: string) => (id === 'KEY' ? { secret: 'right', identity: importer } : undefined),
  }
  const { endpoint } = await served({ authorize: verifySignatures({ keys, clock: systemClock }) })
  const { stdout } = await promisify(execFile)(python as string, ['-c', SIGNED, endpoint], { timeout: 25_000 })
  const told = JSON.parse(stdout)
  expect(told.shown).toContain('<TopicArn>arn:aws:sns:us-east-1:000000000000:orders</TopicArn>')
  expect(told).toMatchObject({ forged: 403, wrong: 'SignatureDoesNotMatch', queue: `${endpoint}/000000000000/mail` })
})
