/** Seeded: FUZZ_SEED replays a run, FUZZ_RUNS makes it longer. Whatever comes in, an answer of AWS's form goes out. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseQueueUrl } from '../../src/frontends/sqs/queue-address.ts'
import { ReceiptHandles } from '../../src/frontends/sqs/receipt-handle.ts'
import { sqsActions } from '../../src/frontends/sqs/shapes.ts'
import type { MessageId, Receipt } from '../../src/model/message.ts'
import { AwsError } from '../../src/wire/aws/error.ts'
import { readForm } from '../../src/wire/aws/form.ts'
import { readJson } from '../../src/wire/aws/json.ts'
import { readQuery } from '../../src/wire/aws/query.ts'
import { send, servedSqs } from './serving.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? 1)
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 300)

const names = fc.constantFrom(...Object.values(sqsActions).flatMap(({ input }) => Object.keys(input.members)))
const odd = fc.constantFrom(
  '__proto__',
  'constructor',
  '',
  '\u0000',
  '\ud800',
  'x'.repeat(5_000),
  '%',
  '&=',
  '<![CDATA[',
)
const leaf = fc.oneof(fc.string({ unit: 'binary' }), odd, fc.integer(), fc.double(), fc.boolean(), fc.constant(null))
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(names, odd, fc.string()), tie('any'), { maxKeys: 4 }),
  ),
})).any
const bodies = fc.oneof(
  fc
    .dictionary(fc.oneof({ weight: 4, arbitrary: names }, odd), value, { maxKeys: 5 })
    .map((object) => JSON.stringify(object)),
  fc.json(),
  fc.string({ unit: 'binary' }),
)
const actions = fc.constantFrom(...Object.keys(sqsActions))

/** Bytes of a text, some of them changed, cut or doubled. */
const mangled = fc
  .tuple(bodies, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.nat(10))
  .map(([text, changes, cut]) => {
    const bytes = Buffer.from(text)
    for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte
    return cut === 0 ? bytes.subarray(0, bytes.length >> 1) : bytes
  })

function takenOrRefused(read: () => unknown): void {
  try {
    read()
  } catch (fault) {
    if (!(fault instanceof AwsError)) throw fault
    expect(fault.message.length).toBeLessThan(2_000)
  }
}

describe('hostile input', () => {
  it('is taken or refused by the JSON reader', () => {
    fc.assert(
      fc.property(actions, mangled, (action, body) =>
        takenOrRefused(() => readJson(body, sqsActions[action as keyof typeof sqsActions].input)),
      ),
      { seed, numRuns: numRuns * 5 },
    )
  })

  it('is taken or refused by the form reader', () => {
    const part = fc.oneof(
      names,
      odd,
      fc.constantFrom('1', '2', '999999', '0', '-1', 'Name', 'Value', 'member', 'entry', 'Attribute'),
    )
    const field = fc
      .tuple(fc.array(part, { maxLength: 12 }), fc.string())
      .map(([path, text]) => `${path.join('.')}=${text}`)
    const forms = fc.oneof(
      fc.array(field, { maxLength: 30 }).map((fields) => fields.join('&')),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(actions, forms, (action, text) =>
        takenOrRefused(() => readQuery(readForm(text), sqsActions[action as keyof typeof sqsActions].input)),
      ),
      { seed, numRuns: numRuns * 5 },
    )
  })

  it('names a queue or none, and opens no receipt that was not given', () => {
    const handles = new ReceiptHandles(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
    const given = { receipt: '1.2.3' as Receipt, id: 'id' as MessageId }
    const sealed = handles.seal('q', given)
    expect(handles.open('q', sealed)).toEqual(given)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), fc.nat(0xffff), (text, at, code) => {
        takenOrRefused(() => parseQueueUrl(text, { region: 'us-east-1', account: '000000000000' }))
        const place = at % sealed.length
        const changed = sealed.slice(0, place) + String.fromCharCode(code) + sealed.slice(place + 1)
        const opened = handles.open('q', changed)
        // The id is not sealed; the receipt is.
        if (opened !== undefined) expect(opened.receipt).toBe(given.receipt)
        expect(handles.open('other', sealed)).toBeUndefined()
      }),
      { seed, numRuns: numRuns * 5 },
    )
  })

  it('gets an answer of AWS over a socket, never a fault inside, and the server lives on', async () => {
    const faults: unknown[] = []
    const log = { info() {}, warn() {}, error: (_: string, fields?: object) => void faults.push(fields) }
    const { endpoint } = await servedSqs({ log })
    await send(endpoint, { body: 'Action=CreateQueue&QueueName=orders' })
    const types = fc.constantFrom('application/x-amz-json-1.0', 'application/x-www-form-urlencoded', 'text/plain')
    const paths = fc.constantFrom('/', '/000000000000/orders', '/%ff', '/?Action=SendMessage', '/a/b/c/d/e')
    await fc.assert(
      fc.asyncProperty(actions, mangled, types, paths, fc.boolean(), async (action, body, type, path, isTargeted) => {
        // Waiting receives would only take time here.
        if (action === 'ReceiveMessage') return
        const headers = { 'content-type': type, ...(isTargeted ? { 'x-amz-target': `AmazonSQS.${action}` } : {}) }
        const { status, text } = await send(endpoint, { path, headers, body })
        expect([200, 400, 403, 404, 413]).toContain(status)
        if (status !== 200) expect(text).toMatch(/^\{"__type":|^<\?xml /)
      }),
      { seed, numRuns },
    )
    expect(faults).toEqual([])
    expect((await send(endpoint, { body: 'Action=ListQueues' })).status).toBe(200)
  }, 60_000)
})
