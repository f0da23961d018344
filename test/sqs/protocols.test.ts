/** The wire, byte for byte: both protocols as transcripts. What changes from run to run is replaced by its name. */
import { describe, expect, it } from 'vitest'
import { type Answer, send, sendForm, sendJson, servedSqs } from './serving.ts'

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const HANDLE = /[0-9.]+~ID~[0-9a-f]{16}/g

async function served() {
  const { endpoint } = await servedSqs()
  const golden = ({ status, text }: Answer) =>
    `${status} ${text.replaceAll(endpoint, 'ENDPOINT').replace(UUID, 'ID').replace(HANDLE, 'HANDLE')}`
  const json = async (action: string, body: unknown) => golden(await sendJson(endpoint, action, body))
  const form = async (fields: Record<string, string>, path?: string) => golden(await sendForm(endpoint, fields, path))
  return { endpoint, json, form, golden }
}

const NS = 'xmlns="http://queue.amazonaws.com/doc/2012-11-05/"'
const META = '<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata>'
const xml = (action: string, result: string | undefined) =>
  `200 <?xml version="1.0"?><${action}Response ${NS}>${result === undefined ? '' : `<${action}Result>${result}</${action}Result>`}${META}</${action}Response>`
const xmlError = (status: number, code: string, message: string) =>
  `${status} <?xml version="1.0"?><ErrorResponse ${NS}><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message><Detail/></Error><RequestId>ID</RequestId></ErrorResponse>`

describe('AWS JSON 1.0', () => {
  it('reads as recorded', async () => {
    const { json } = await served()
    const QueueUrl = 'http://anywhere/000000000000/orders'
    expect(await json('CreateQueue', { QueueName: 'orders' })).toBe('200 {"QueueUrl":"ENDPOINT/000000000000/orders"}')
    expect(await json('SendMessage', { QueueUrl, MessageBody: 'hi' })).toBe(
      '200 {"MessageId":"ID","MD5OfMessageBody":"49f68a5c8493ec2c0bf489821c21fc3b"}',
    )
    expect(await json('ReceiveMessage', { QueueUrl })).toBe(
      '200 {"Messages":[{"MessageId":"ID","ReceiptHandle":"HANDLE","MD5OfBody":"49f68a5c8493ec2c0bf489821c21fc3b","Body":"hi"}]}',
    )
    expect(await json('ReceiveMessage', { QueueUrl })).toBe('200 {}')
    expect(await json('GetQueueAttributes', { QueueUrl, AttributeNames: ['QueueArn'] })).toBe(
      '200 {"Attributes":{"QueueArn":"arn:aws:sqs:us-east-1:000000000000:orders"}}',
    )
    expect(await json('PurgeQueue', { QueueUrl })).toBe('200 ')
    expect(await json('ListQueueTags', { QueueUrl, Colour: 'red', AttributeNames: null })).toBe('200 {}')
  })

  it('tells errors by class, with the code of the Query protocol in a header', async () => {
    const { endpoint, json } = await served()
    const missing = await sendJson(endpoint, 'GetQueueUrl', { QueueName: 'gone' })
    expect(missing.status).toBe(400)
    expect(missing.text).toBe(
      '{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}',
    )
    expect(missing.headers['x-amzn-query-error']).toBe('AWS.SimpleQueueService.NonExistentQueue;Sender')
    expect(missing.headers['content-type']).toBe('application/x-amz-json-1.0')
    expect(missing.headers['x-amzn-requestid']).toMatch(UUID)
    expect(await json('Nonsense', {})).toBe(
      '400 {"__type":"com.amazon.coral.service#UnknownOperationException","message":"The requested operation is not known."}',
    )
  })

  it.each([
    ['no JSON', '{', 'The request body is not valid JSON.'],
    ['no object', '[]', 'The request body must be a JSON object.'],
    ['null', 'null', 'The request body must be a JSON object.'],
    ['a number for a text', '{"QueueName":1}', 'NUMBER_VALUE can not be converted to a String'],
    ['a text for a number', '{"MaxResults":"1"}', 'STRING_VALUE can not be converted to an Integer'],
    ['a fraction', '{"MaxResults":1.5}', 'DECIMAL_VALUE can not be converted to an Integer'],
    ['a list for a map', '{"Attributes":[]}', 'Unexpected field type'],
    ['a map for a list', '{"Entries":{}}', 'Unexpected field type'],
    ['deep nesting', `${'['.repeat(100_000)}`, 'The request body is not valid JSON.'],
  ])('refuses %s', async (_, body, message) => {
    const { json } = await served()
    const action = body.includes('Entries')
      ? 'SendMessageBatch'
      : body.includes('MaxResults')
        ? 'ListQueues'
        : 'CreateQueue'
    expect(await json(action, body)).toBe(
      `400 ${JSON.stringify({ __type: 'com.amazon.coral.service#SerializationException', message })}`,
    )
  })

  it('refuses bytes that are not UTF-8, and bodies over the cap, and goes on', async () => {
    const { endpoint } = await servedSqs({ bodyBytesMax: 10_000 })
    const bytes = await sendJson(endpoint, 'CreateQueue', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]))
    expect(bytes).toMatchObject({ status: 400 })
    expect(bytes.text).toContain('The request body is not valid UTF-8.')
    const large = await sendJson(endpoint, 'CreateQueue', { QueueName: 'x'.repeat(20_000) })
    expect(large).toMatchObject({ status: 413 })
    expect(large.text).toContain('RequestEntityTooLarge')
    expect((await sendJson(endpoint, 'ListQueues', {})).status).toBe(200)
  })

  it('takes members named as prototypes are for the unknown ones they are', async () => {
    const { json } = await served()
    const body = '{"__proto__":{"QueueName":"a"},"constructor":{"prototype":{}},"QueueName":"orders"}'
    expect(await json('CreateQueue', body)).toContain('200')
    expect(await json('CreateQueue', '{"__proto__":{"QueueName":"a"}}')).toContain('MissingRequiredParameterException')
    const attributes = '{"QueueName":"new","Attributes":{"__proto__":"x"}}'
    expect(await json('CreateQueue', attributes)).toContain('Unknown Attribute __proto__.')
    expect(await json('constructor', {})).toContain('UnknownOperationException')
  })
})

describe('the Query protocol', () => {
  it('reads as recorded', async () => {
    const { form } = await served()
    const QueueUrl = 'http://anywhere/000000000000/orders'
    const attribute = { 'Attribute.1.Name': 'VisibilityTimeout', 'Attribute.1.Value': '40' }
    expect(
      await form({ Action: 'CreateQueue', QueueName: 'orders', ...attribute, 'Tag.1.Key': 'a', 'Tag.1.Value': 'b' }),
    ).toBe(xml('CreateQueue', '<QueueUrl>ENDPOINT/000000000000/orders</QueueUrl>'))
    const typed = {
      'MessageAttribute.1.Name': 'n',
      'MessageAttribute.1.Value.DataType': 'Number',
      'MessageAttribute.1.Value.StringValue': '7',
    }
    expect(await form({ Action: 'SendMessage', QueueUrl, MessageBody: '<hi>', ...typed })).toBe(
      xml(
        'SendMessage',
        '<MessageId>ID</MessageId><MD5OfMessageBody>e47912f602d77886f186d252feb6c4e5</MD5OfMessageBody><MD5OfMessageAttributes>3a734e6fc44468814b287b503a526bff</MD5OfMessageAttributes>',
      ),
    )
    const wanted = { 'AttributeName.1': 'ApproximateReceiveCount', 'MessageAttributeName.1': 'All' }
    expect(await form({ Action: 'ReceiveMessage', QueueUrl, ...wanted })).toBe(
      xml(
        'ReceiveMessage',
        '<Message><MessageId>ID</MessageId><ReceiptHandle>HANDLE</ReceiptHandle><MD5OfBody>e47912f602d77886f186d252feb6c4e5</MD5OfBody><Body>&lt;hi&gt;</Body><Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute><MD5OfMessageAttributes>3a734e6fc44468814b287b503a526bff</MD5OfMessageAttributes><MessageAttribute><Name>n</Name><Value><DataType>Number</DataType><StringValue>7</StringValue></Value></MessageAttribute></Message>',
      ),
    )
    expect(await form({ Action: 'ReceiveMessage', QueueUrl })).toBe(
      `200 <?xml version="1.0"?><ReceiveMessageResponse ${NS}><ReceiveMessageResult/>${META}</ReceiveMessageResponse>`,
    )
    expect(await form({ Action: 'ListQueueTags', QueueUrl })).toBe(
      xml('ListQueueTags', '<Tag><Key>a</Key><Value>b</Value></Tag>'),
    )
    const entry = 'SendMessageBatchRequestEntry'
    const entries = {
      [`${entry}.1.Id`]: 'a',
      [`${entry}.1.MessageBody`]: 'x',
      [`${entry}.2.Id`]: 'b',
      [`${entry}.2.MessageBody`]: '\u0001',
    }
    expect(await form({ Action: 'SendMessageBatch', QueueUrl, ...entries })).toMatch(
      /<SendMessageBatchResultEntry><Id>a<\/Id>.*<BatchResultErrorEntry><Id>b<\/Id><SenderFault>true<\/SenderFault><Code>InvalidMessageContents<\/Code>/,
    )
    expect(await form({ Action: 'DeleteQueue', QueueUrl })).toBe(xml('DeleteQueue', undefined))
  })

  it('tells errors in XML, in its own words', async () => {
    const { form } = await served()
    expect(await form({ Action: 'GetQueueUrl', QueueName: 'gone' })).toBe(
      xmlError(
        400,
        'AWS.SimpleQueueService.NonExistentQueue',
        'The specified queue does not exist for this wsdl version.',
      ),
    )
    expect(await form({ Action: 'Nonsense' })).toBe(
      xmlError(400, 'InvalidAction', 'The action Nonsense is not valid for this endpoint.'),
    )
    expect(await form({ Action: 'ReceiveMessage', QueueUrl: 'orders', MaxNumberOfMessages: 'ten' })).toContain(
      'Value ten for parameter MaxNumberOfMessages is invalid.',
    )
    expect(await form({})).toContain('<Code>MissingAction</Code>')
  })

  it('is spoken to the URL of a queue too, by GET and by POST', async () => {
    const { endpoint, form, golden } = await served()
    await form({ Action: 'CreateQueue', QueueName: 'orders' })
    const path = '/000000000000/orders'
    expect(await form({ Action: 'SendMessage', MessageBody: 'x' }, path)).toContain('<MessageId>')
    const got = await send(endpoint, { method: 'GET', path: `${path}?Action=ReceiveMessage&Version=2012-11-05` })
    expect(golden(got)).toContain('<Body>x</Body>')
    expect(await form({ Action: 'CreateQueue', QueueName: 'more' }, path)).toBe(
      xmlError(400, 'InvalidAction', 'The action CreateQueue is not valid for this endpoint.'),
    )
    const bare = await send(endpoint, { method: 'GET', path })
    expect(bare.status).toBe(404)
    expect(bare.text).toContain('<Code>UnknownOperationException</Code>')
  })

  it('renders JSON for those who accept nothing else', async () => {
    const { endpoint, golden } = await served()
    const asked = { headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' } }
    const made = await send(endpoint, { ...asked, body: 'Action=CreateQueue&QueueName=orders' })
    expect(golden(made)).toBe(
      '200 {"CreateQueueResponse":{"CreateQueueResult":{"QueueUrl":"ENDPOINT/000000000000/orders"},"ResponseMetadata":{"RequestId":"ID"}}}',
    )
    const gone = await send(endpoint, { ...asked, body: 'Action=GetQueueUrl&QueueName=gone' })
    expect(JSON.parse(gone.text)).toMatchObject({
      Error: { Code: 'AWS.SimpleQueueService.NonExistentQueue', Type: 'Sender' },
    })
  })

  it('is refused to forms that pages of other sites send', async () => {
    const { endpoint } = await served()
    const foreign = { 'sec-fetch-site': 'cross-site', 'content-type': 'application/x-www-form-urlencoded' }
    const told = await send(endpoint, { headers: foreign, body: 'Action=CreateQueue&QueueName=orders' })
    expect(told).toMatchObject({ status: 403 })
  })
})

describe('faults inside', () => {
  it('are told as internal failures without a stack, and logged', async () => {
    const logged: unknown[] = []
    const log = { info() {}, warn() {}, error: (message: string) => void logged.push(message) }
    const { endpoint, broker } = await servedSqs({ log })
    broker.measure = () => Promise.reject(new Error('secret detail'))
    const { status, text } = await sendJson(endpoint, 'ListQueues', {})
    expect(status).toBe(500)
    expect(text).toContain('com.amazon.coral.service#InternalFailure')
    expect(text).not.toContain('secret')
    expect(logged).toEqual(['a request failed inside'])
  })
})
