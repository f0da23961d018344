/** Every parser that takes bytes or text from outside, with seeds that reach into it and the one kind of refusal that it may answer with. */
import { isDeepStrictEqual } from 'node:util'
import { compileNamePattern } from '../../src/frontends/amqp/policies/name-pattern.ts'
import { sqsActions } from '../../src/frontends/sqs/shapes.ts'
import { decodeHead, encodeContent } from '../../src/model/content.ts'
import { SpindleError } from '../../src/model/errors.ts'
import { compileFilter } from '../../src/routing/filter/compile.ts'
import { judgeFilter } from '../../src/routing/filter/judge.ts'
import { TopicTrie } from '../../src/routing/topic-trie.ts'
import { checkConfig } from '../../src/server/config.ts'
import { RespFault, RespReader } from '../../src/server/import/resp.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { FrameDecoder as AmqpDecoder } from '../../src/wire/amqp/frame-decoder.ts'
import { readMethod } from '../../src/wire/amqp/methods.ts'
import { checkProperties, readProperties } from '../../src/wire/amqp/properties.ts'
import { FRAME_HEADER, FRAME_METHOD, WireError } from '../../src/wire/amqp/protocol.ts'
import { AwsError } from '../../src/wire/aws/error.ts'
import { readForm } from '../../src/wire/aws/form.ts'
import { readJson } from '../../src/wire/aws/json.ts'
import { readQuery } from '../../src/wire/aws/query.ts'
import { readSignature } from '../../src/wire/aws/signature.ts'
import { FrameDecoder as RemoteDecoder } from '../../src/wire/remote/decoder.ts'
import { FrameError } from '../../src/wire/remote/fault.ts'
import { encodeFrame } from '../../src/wire/remote/frame.ts'
import { declareQueues, look, openStore } from '../faults/store.ts'
import type { Target } from './fuzzer.ts'
import { jsonCases, naughtyStrings } from './vectors.ts'

const bytesOf = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))

/** Runs it; an error of another kind is a finding. Answers what it said. */
function refusing<T>(allowed: (fault: unknown) => boolean, read: () => T): T | 'refused' {
  try {
    return read()
  } catch (fault) {
    if (allowed(fault)) return 'refused'
    throw fault
  }
}

const isInvalid = (fault: unknown): boolean => fault instanceof SpindleError && fault.code === 'invalid-argument'
const isAws = (fault: unknown): boolean => fault instanceof AwsError

function amqpFrames(input: Buffer, cut: number): unknown[] {
  const decoder = new AmqpDecoder(131_072)
  const told: unknown[] = []
  for (let at = 0; at < input.length; at += cut) {
    decoder.feed(Buffer.from(input.subarray(at, at + cut)))
    while (decoder.next()) {
      const { type, channel, bytes, start, end } = decoder
      if (type === FRAME_METHOD) told.push(readMethod(bytes, start, end))
      else if (type === FRAME_HEADER && end - start >= 14) {
        checkProperties(bytes, start + 12, end)
        told.push(readProperties(bytes, start + 12, end))
      } else told.push([type, channel, bytes.toString('latin1', start, end)])
    }
  }
  return told
}

/** A method frame of basic.publish, a header with properties, a body, a heartbeat. */
const AMQP_SEED = Buffer.from(
  '01000100000011003c002800000005717565756500000000ce'.replace('0000000000', '') +
    '0200010000000f003c000000000000000000031000' +
    '02ce' +
    '030001000000036f6e65ce' +
    '080000000000' +
    '00ce',
  'hex',
)

function remoteFrames(input: Buffer, cut: number): unknown[] {
  const decoder = new RemoteDecoder(1_048_576)
  const told: unknown[] = []
  for (let at = 0; at < input.length; at += cut)
    decoder.push(new Uint8Array(input.subarray(at, at + cut)), (frame) => told.push(frame))
  return told
}

/** Whole and byte by byte must mean the same. */
function eitherWay(
  name: string,
  input: Buffer,
  allowed: (fault: unknown) => boolean,
  read: (input: Buffer, cut: number) => unknown,
): void {
  const whole = refusing(allowed, () => read(input, Math.max(1, input.length)))
  const parts = refusing(allowed, () => read(input, 1))
  if (!isDeepStrictEqual(whole, parts)) throw new Error(`${name} reads another thing from the same bytes in pieces`)
}

const actions = Object.values(sqsActions)
const shapeFor = (input: Buffer) => (actions[(input[0] ?? 0) % actions.length] as (typeof actions)[number]).input

/** By the words of AMQP, without the trie. */
function fits(pattern: readonly string[], key: readonly string[]): boolean {
  const [word, ...rest] = pattern
  if (word === undefined) return key.length === 0
  if (word === '#') return fits(rest, key) || (key.length > 0 && fits(pattern, key.slice(1)))
  return key.length > 0 && (word === '*' || word === key[0]) && fits(rest, key.slice(1))
}

let folder: Promise<FaultDisk> | undefined

/** A store of a few messages, closed in order. */
async function storedFolder(): Promise<FaultDisk> {
  const disk = new FaultDisk()
  const { engine } = await openStore(disk)
  await declareQueues(engine)
  const message = (text: string) => ({ content: { body: Buffer.from(text), head: new Uint8Array(0) } })
  for (let n = 0; n < 20; n++)
    await engine.commit([{ ops: [{ kind: 'append', queue: 'plain', message: message(`m${n}|body of ${n}`) }] }])
  await engine.close()
  return disk
}

export const targets: readonly Target[] = [
  {
    name: 'amqp',
    seeds: [AMQP_SEED, Buffer.from('0100000000000a000a0033ce', 'hex')],
    words: ['\x01\0\0\0\0', '\xce', '\0\x3c\0\x28', 'S\0\0\0\x05', 'F\0\0\0\0', 'A\0\0\0\0', '\xff\xff\xff\xff'],
    parse: (input) => eitherWay('AMQP', input, (fault) => fault instanceof WireError, amqpFrames),
  },
  {
    name: 'aws-json',
    seeds: [
      ...bytesOf(
        '{"QueueUrl":"http://x/0/q","MessageBody":"b","MessageAttributes":{"a":{"DataType":"String","StringValue":"v"}}}',
      ),
      ...bytesOf(...jsonCases),
    ],
    words: [
      '{"',
      '"}',
      '":',
      '[',
      ']',
      '\\u0000',
      '\\ud800',
      '__proto__',
      'null',
      '1e999',
      '-0',
      '"Entries":[',
      ...naughtyStrings,
    ],
    parse: (input) => void refusing(isAws, () => readJson(input, shapeFor(input))),
  },
  {
    name: 'aws-query',
    seeds: bytesOf(
      'Action=SendMessage&MessageBody=b&MessageAttribute.1.Name=a&MessageAttribute.1.Value.StringValue=v',
      'Attribute.entry.1.key=a',
    ),
    words: ['&', '=', '%', '%ff', '.1.', '.member.', '.999999999.', '__proto__', 'Entry.1.Id=', ...naughtyStrings],
    parse: (input) => void refusing(isAws, () => readQuery(readForm(input.toString()), shapeFor(input))),
  },
  {
    name: 'sigv4',
    seeds: bytesOf(
      `AWS4-HMAC-SHA256 Credential=K/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`,
      `?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K%2F20260101%2Fus-east-1%2Fsqs%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=${'0'.repeat(64)}`,
    ),
    words: ['Credential=', 'SignedHeaders=', 'Signature=', '/aws4_request', ';', ', ', 'X-Amz-Expires=', '-1', '\0'],
    parse: (input) => {
      const text = input.toString('latin1')
      const isQuery = text.startsWith('?')
      const headers = { host: 'h', 'x-amz-date': '20260101T000000Z', ...(isQuery ? {} : { authorization: text }) }
      refusing(isAws, () => readSignature({ headers, query: isQuery ? text.slice(1) : '' }))
    },
  },
  {
    name: 'remote',
    seeds: [
      encodeFrame({
        kind: 'request',
        id: 1,
        method: 'append',
        args: ['q', [{ content: encodeContent('x') }]],
      } as never),
    ],
    words: ['\0\0\0\x01', '\xdf\xff\xff\xff\xff', '\xc4', '\x81', '\xff'],
    parse: (input) => eitherWay('the remote protocol', input, (fault) => fault instanceof FrameError, remoteFrames),
  },
  {
    name: 'redis',
    seeds: bytesOf('*2\r\n$3\r\nfoo\r\n:42\r\n+OK\r\n-ERR no\r\n$-1\r\n'),
    words: ['\r\n', '*', '$', ':', '-1', '999999999999', '*1\r\n'],
    parse: (input) =>
      eitherWay(
        'RESP',
        input,
        (fault) => fault instanceof RespFault,
        (all, cut) => {
          const reader = new RespReader()
          const told: unknown[] = []
          for (let at = 0; at < all.length; at += cut)
            for (const reply of reader.push(all.subarray(at, at + cut)))
              told.push(reply instanceof Error ? reply.message : reply)
          return told
        },
      ),
  },
  {
    name: 'filter',
    seeds: bytesOf(
      '{"a":["x",{"prefix":"p"},{"anything-but":["y"]},{"numeric":[">",1,"<=",5]},{"exists":false}]}',
      '{"$or":[{"a":[1]},{"b":{"c":[{"wildcard":"*x*"}]}}]}',
      '{"ip":[{"cidr":"10.0.0.0/8"}],"s":[{"equals-ignore-case":"A"},{"suffix":"z"}]}',
    ),
    words: [
      '{"',
      '[',
      ']',
      '}',
      '"$or":',
      '{"wildcard":"',
      '*',
      '{"numeric":[',
      'null',
      '1e400',
      '__proto__',
      '{"cidr":"',
      ...naughtyStrings,
    ],
    parse: (input) => {
      const policy = refusing(
        () => true,
        () => JSON.parse(input.toString()) as unknown,
      )
      const scope = (input[0] ?? 0) % 2 === 0 ? 'headers' : 'body'
      if (policy === 'refused' || judgeFilter({ scope, policy }) !== undefined) return
      const values = { a: 'x', b: { c: [1, 'x', null] }, s: 'Az', ip: '10.1.2.3' }
      // Only these two are read.
      compileFilter({ scope, policy: policy as never })({ filterable: values, body: values } as never)
    },
  },
  {
    name: 'topic',
    seeds: bytesOf('a.*.#|a.b.c', '#|', '*.*|a.b', '#.#.x|y.x'),
    words: ['.', '#', '*', '|', '..', 'a', '#.#'],
    parse: (input) => {
      const [pattern = '', key = ''] = input.toString('latin1').slice(0, 60).split('|')
      const trie = new TopicTrie<number>()
      trie.add(pattern, 1)
      const words = (text: string): string[] => (text === '' ? [] : text.split('.'))
      if ((trie.match(key).length === 1) !== fits(words(pattern), words(key)))
        throw new Error(`the trie and the rule differ on '${pattern}' and '${key}'`)
      trie.remove(pattern, 1)
      if (trie.match(key).length > 0) throw new Error('a pattern that was removed still matches')
    },
  },
  {
    name: 'name-pattern',
    seeds: bytesOf('^orders\\..*$|orders.eu', '(a|b)+[c-e]{2,3}x?|abcdx', '\\d+|12'),
    words: ['(', ')', '[', ']', '{1,', '}', '*', '+', '?', '\\', '|', '^', '$', '(?:', '(?=', '\\b', '{1000}'],
    parse: (input) => {
      const [pattern = '', name = ''] = input.toString().split('|')
      const compiled = refusing(isInvalid, () => compileNamePattern(pattern))
      if (compiled !== 'refused') compiled(name.slice(0, 255))
    },
  },
  {
    name: 'config',
    seeds: bytesOf(
      '{"port":4566,"queues":{"q":{"leaseMs":1000}},"users":{"ada":{"grants":[{"verbs":["send"]}]}},"exchanges":{"e":{"kind":"topic"}},"bindings":[{"exchange":"e","queue":"q"}]}',
    ),
    words: [
      '{"',
      '"}',
      '":',
      '[',
      ']',
      'null',
      '-1',
      '1e999',
      '"queues":',
      '"users":',
      '"aws":',
      '"tls":',
      '__proto__',
      'constructor',
      ...naughtyStrings,
    ],
    parse: (input) => {
      const value = refusing(
        () => true,
        () => JSON.parse(input.toString()) as unknown,
      )
      if (value !== 'refused') refusing(isInvalid, () => checkConfig(value, 'fuzzed'))
    },
  },
  {
    name: 'head',
    seeds: [
      encodeContent('text', { type: 't', headers: { a: 1, b: true, c: 'x' } }).head,
      Buffer.from('03016501710000', 'hex'),
    ],
    words: ['\x03', '\x02', '{"headers":{', '"$bytes":"', '__proto__', '\0'],
    parse: (input) => {
      const { headers } = decodeHead(new Uint8Array(input))
      if (Object.getPrototypeOf(headers) !== null) throw new Error('headers with a prototype')
    },
  },
  {
    name: 'journal',
    seeds: [Buffer.alloc(0), Buffer.from([0, 0, 0x10, 0, 0xff]), Buffer.from([1, 0, 0x10, 0x40, 1, 2, 3, 4])],
    words: ['\0\0\x10', '\x01', '\xf0', '\x02spindl\x03'],
    async parse(input) {
      folder ??= storedFolder()
      const disk = (await folder).powerCut({ mode: 'kept' })
      const files = disk.files().filter(({ path, bytes }) => bytes > 0 && !path.includes('spare'))
      const { path } = files[(input[0] ?? 0) % files.length] as { path: string }
      const file = await disk.open(path, 'existing')
      // The start of the file, where the records of so small a store are.
      const at = ((input[1] ?? 0) | ((input[2] ?? 0) << 8)) % 12_000
      if (input.length > 3) await file.write(input.subarray(3), at)
      try {
        const { engine } = await openStore(disk)
        const { messages } = await look(engine)
        await engine.close()
        for (const { body } of messages)
          if (!/^m\d+\|body of \d+$/.test(body)) throw new Error(`it serves what nobody sent: ${body.slice(0, 60)}`)
      } catch (fault) {
        const codes = ['corrupt', 'format-newer', 'format-older']
        if (!(fault instanceof SpindleError && codes.includes(fault.code))) throw fault
      }
    },
  },
]
