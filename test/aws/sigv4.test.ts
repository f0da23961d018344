import { createHash, createHmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import aws4 from 'aws4'
import { describe, expect, it } from 'vitest'
import type { SignedRequest } from '../../src/frontends/aws/authorize.ts'
import { verifySignatures } from '../../src/frontends/aws/verify-signature.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { AwsError } from '../../src/wire/aws/error.ts'
import {
  canonicalRequest,
  instantOf,
  type SignedHeaders,
  sha256Hex,
  signatureOf,
  signingKey,
  stringToSign,
} from '../../src/wire/aws/sigv4.ts'

const ACCESS_KEY = 'AKIDEXAMPLE'
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const EMPTY = new Uint8Array(0)

describe('the published test suite of SigV4', () => {
  const scope = { day: '20150830', region: 'us-east-1', service: 'service' }
  const base = { host: 'example.amazonaws.com', 'x-amz-date': '20150830T123600Z' }

  function sign(asked: {
    method?: string
    path?: string
    query?: string
    headers?: SignedHeaders
    body?: string
  }): string {
    const { method = 'GET', path = '/', query = '', body = '' } = asked
    const headers: SignedHeaders = { ...base, ...asked.headers }
    const canonical = canonicalRequest({
      method,
      path,
      query,
      headers,
      signedHeaders: Object.keys(headers).sort(),
      payloadHash: sha256Hex(body),
    })
    const signature = signatureOf(signingKey(SECRET, scope), stringToSign(canonical, '20150830T123600Z', scope))
    return Buffer.from(signature).toString('hex')
  }

  const unreserved = '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  const form = 'application/x-www-form-urlencoded'

  it.each([
    ['get-vanilla', {}, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    [
      'get-header-key-duplicate',
      { headers: { 'my-header1': ['value2', 'value2', 'value1'] } },
      'c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea',
    ],
    [
      'get-header-value-order',
      { headers: { 'my-header1': ['value4', 'value1', 'value3', 'value2'] } },
      '08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01',
    ],
    [
      'get-header-value-trim',
      { headers: { 'my-header1': ' value1', 'my-header2': ' "a   b   c"' } },
      'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
    ],
    ['get-unreserved', { path: `/${unreserved}` }, '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f'],
    ['get-utf8', { path: '/ሴ' }, '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85'],
    ['get-relative', { path: '/example/..' }, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    [
      'get-relative-relative',
      { path: '/example1/example2/../..' },
      '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    ],
    ['get-slash', { path: '//' }, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['get-slash-dot-slash', { path: '/./' }, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    [
      'get-vanilla-empty-query-key',
      { query: 'Param1=value1' },
      'a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb',
    ],
    [
      'get-vanilla-query-order-key-case',
      { query: 'Param2=value2&Param1=value1' },
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'get-vanilla-query-unreserved',
      { query: `${unreserved}=${unreserved}` },
      '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
    ],
    ['get-vanilla-utf8-query', { query: 'ሴ=bar' }, '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04'],
    ['post-vanilla', { method: 'POST' }, '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    [
      'post-header-value-case',
      { method: 'POST', headers: { 'my-header1': 'VALUE1' } },
      'cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d',
    ],
    [
      'post-vanilla-query',
      { method: 'POST', query: 'Param1=value1' },
      '28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11',
    ],
    [
      'post-vanilla-query-nonunreserved',
      { method: 'POST', query: `%40%23%24%25%5E=&%2B=${encodeURIComponent('/,?><`";:\\|][{}')}` },
      '66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e',
    ],
    [
      'post-x-www-form-urlencoded',
      { method: 'POST', headers: { 'content-type': form }, body: 'Param1=value1' },
      'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    ],
    [
      'post-x-www-form-urlencoded-parameters',
      { method: 'POST', headers: { 'content-type': `${form}; charset=utf8` }, body: 'Param1=value1' },
      '1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe',
    ],
  ])('%s', (_name, asked, signature) => {
    expect(sign(asked)).toBe(signature)
  })

  it('reads instants, and none that the calendar lacks', () => {
    expect(instantOf('20150830T123600Z')).toBe(Date.UTC(2015, 7, 30, 12, 36))
    for (const wrong of ['20150231T000000Z', '20150830T250000Z', '2015-08-30T12:36:00Z', '']) {
      expect(instantOf(wrong)).toBeUndefined()
    }
  })
})

const clock = new VirtualClock()
const now = () => new Date(clock.wallMs())
const alice = { name: 'alice', may: () => true }
const keys = {
  configured: () => true,
  accessKey: (id: string) => (id === ACCESS_KEY ? { secret: SECRET, identity: alice } : undefined),
}
const authorize = verifySignatures({ keys, clock })

interface Sent {
  method?: string
  url?: string
  headers?: Record<string, string>
  body?: string
}

async function bySmithy(
  sent: Sent = {},
  credentials: { secretAccessKey?: string; accessKeyId?: string; sessionToken?: string } = {},
) {
  const { method = 'POST', url = '/', headers = {}, body = 'Action=ListTopics' } = sent
  const signer = new SignatureV4({
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET, ...credentials },
    region: 'eu-west-1',
    service: 'sns',
    sha256: Sha256,
  })
  const [path = '/', query = ''] = url.split('?')
  const request = {
    method,
    protocol: 'http:',
    hostname: 'localhost',
    path,
    query: Object.fromEntries(new URLSearchParams(query)),
    headers: { host: 'localhost:4566', ...headers },
    body,
  }
  const signed = await signer.sign(request, { signingDate: now() })
  return asked({ method, url, headers: signed.headers, body })
}

/** The digest that the signer asks for, over Node's. */
class Sha256 {
  readonly #chunks: Uint8Array[] = []
  readonly #secret: string | Uint8Array | undefined
  constructor(secret?: unknown) {
    this.#secret = secret as string | Uint8Array | undefined
  }
  update(chunk: unknown): void {
    this.#chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array))
  }
  reset(): void {
    this.#chunks.length = 0
  }
  digest(): Promise<Uint8Array> {
    const hash = this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
    for (const chunk of this.#chunks) hash.update(chunk)
    return Promise.resolve(new Uint8Array(hash.digest()))
  }
}

function asked(sent: Sent): SignedRequest {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(sent.headers ?? {})) headers[name.toLowerCase()] = String(value)
  const body = sent.body === undefined ? EMPTY : Buffer.from(sent.body)
  return { method: sent.method ?? 'POST', url: sent.url ?? '/', headers, body, service: 'sns' }
}

function refusal(request: SignedRequest): { code: string; status: number; message: string } {
  try {
    authorize(request)
  } catch (error) {
    if (error instanceof AwsError) return { code: error.code, status: error.status, message: error.message }
    throw error
  }
  throw new Error('it was let in')
}

function without(request: SignedRequest, name: string): SignedRequest {
  const { [name]: _gone, ...headers } = request.headers
  return { ...request, headers }
}

function withHeader(request: SignedRequest, name: string, value: string): SignedRequest {
  return { ...request, headers: { ...request.headers, [name]: value } }
}

describe('a signed request', () => {
  it('is let in as the owner of its key, whoever signed it', async () => {
    expect(authorize(await bySmithy())).toBe(alice)
    expect(authorize(await bySmithy({ method: 'GET', url: '/a%20b/ü?Action=List%20Topics&b=%2B&a=*', body: '' }))).toBe(
      alice,
    )
    const signed = aws4.sign(
      {
        service: 'sns',
        region: 'us-east-1',
        method: 'POST',
        path: '/?b=2&a=1&a=0',
        host: 'localhost:4566',
        headers: { 'X-Amz-Date': amzDate(), 'Content-Type': 'application/x-www-form-urlencoded' },
        body: 'Action=ListTopics',
      },
      { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET },
    )
    const headers = signed.headers as Record<string, string>
    expect(authorize(asked({ url: '/?b=2&a=1&a=0', headers, body: 'Action=ListTopics' }))).toBe(alice)
  })

  it('needs no signature while no keys are configured', () => {
    const open = verifySignatures({ keys: { ...keys, configured: () => false }, clock })
    expect(open(asked({}))).toBeUndefined()
  })

  it('may carry a session token, which is signed and says nothing', async () => {
    expect(authorize(await bySmithy({}, { sessionToken: 'FwoGZXIvYXdzE' }))).toBe(alice)
  })

  it('gets one answer for a key that does not exist and for a wrong secret', async () => {
    const unknown = refusal(await bySmithy({}, { accessKeyId: 'AKIDNOBODY' }))
    expect(unknown).toEqual(refusal(await bySmithy({}, { secretAccessKey: 'wrong' })))
    expect(unknown).toMatchObject({ code: 'SignatureDoesNotMatch', status: 403 })
  })

  it('is refused when anything that was signed is not what came', async () => {
    const good = await bySmithy({ url: '/?a=1' })
    const changed: SignedRequest[] = [
      { ...good, method: 'PUT' },
      { ...good, url: '/?a=2' },
      { ...good, url: '/x?a=1' },
      { ...good, body: Buffer.from('Action=CreateTopic') },
      withHeader(good, 'host', 'elsewhere'),
      { ...good, service: 'sqs' },
    ]
    for (const request of changed) expect(refusal(request).code).toBe('SignatureDoesNotMatch')
  })

  it('must have signed its host and every x-amz header', async () => {
    const good = await bySmithy({ headers: { 'x-amz-target': 'a.B' } })
    const authorization = String(good.headers['authorization'])
    const unsigned = withHeader(good, 'authorization', authorization.replace('host;', ''))
    expect(refusal(unsigned).message).toContain("must be a 'SignedHeader'")
    expect(refusal(withHeader(good, 'x-amz-extra', '1')).message).toContain("'x-amz-extra' must be a 'SignedHeader'")
    expect(refusal(without(good, 'x-amz-target')).code).toBe('SignatureDoesNotMatch')
  })

  it('may be five minutes off, and no more', async () => {
    const good = await bySmithy()
    clock.jumpWall(300_000)
    expect(authorize(good)).toBe(alice)
    clock.jumpWall(1_000)
    expect(refusal(good).message).toMatch(
      /^Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)$/,
    )
    clock.jumpWall(-601_000)
    expect(authorize(good)).toBe(alice)
    clock.jumpWall(-1_000)
    expect(refusal(good).message).toMatch(/^Signature not yet current: /)
    clock.jumpWall(301_000)
  })

  it('may leave its body unsigned only by saying so, and may not lie about it', async () => {
    const unsigned = await bySmithy({ headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })
    expect(authorize({ ...unsigned, body: Buffer.from('another') })).toBe(alice)
    const said = await bySmithy({ headers: { 'x-amz-content-sha256': sha256Hex('Action=ListTopics') } })
    expect(authorize(said)).toBe(alice)
    expect(refusal({ ...said, body: Buffer.from('another') }).message).toContain('SHA-256 of the body')
    const streaming = await bySmithy({ headers: { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' } })
    expect(refusal(streaming).code).toBe('SignatureDoesNotMatch')
    expect(refusal(withHeader(said, 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD')).code).toBe('SignatureDoesNotMatch')
  })

  it('is told what it lacks', async () => {
    const good = await bySmithy()
    expect(refusal(asked({ headers: { host: 'x' } }))).toEqual({
      code: 'MissingAuthenticationToken',
      status: 403,
      message: 'Request is missing Authentication Token',
    })
    const authorization = String(good.headers['authorization'])
    const told = (value: string) => refusal(withHeader(good, 'authorization', value))
    expect(told('AWS4-HMAC-SHA256').message).toBe(
      "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
    )
    expect(refusal(without(good, 'x-amz-date')).message).toContain("either a 'X-Amz-Date' or a 'Date' header")
    expect(told('Basic YTpi').code).toBe('IncompleteSignature')
    expect(told(authorization.replace('HMAC-SHA256', 'ECDSA-P256-SHA256')).code).toBe('IncompleteSignature')
    expect(told(authorization.replace('aws4_request', 'aws5_request')).message).toContain('valid terminator')
    expect(told(authorization.replace('/sns/', '/sqs/')).message).toContain("correct service: 'sns'")
    expect(told(authorization.replace(/\/\d{8}\//, '/20010101/')).message).toContain("'20010101' != ")
    expect(told(authorization.replace(/Signature=.*/, 'Signature=short')).code).toBe('IncompleteSignature')
  })
})

it('lets the links of SNS be followed without a signature, as somebody who may nothing', () => {
  const follow = (url: string, method = 'GET') => asked({ method, url, headers: { host: 'x' } })
  const confirm = '/?Action=ConfirmSubscription&TopicArn=a&Token=t'
  expect(authorize(follow(confirm))?.may('read', 'anything')).toBe(false)
  expect(authorize(follow('/?Action=Unsubscribe&SubscriptionArn=a&Token=t'))?.name).toBe('anonymous')
  for (const url of [
    '/?Action=Unsubscribe&SubscriptionArn=a',
    '/?Action=Publish&Token=t',
    '/?Action=Publish&Action=Unsubscribe&Token=t',
  ]) {
    expect(refusal(follow(url)).code).toBe('MissingAuthenticationToken')
  }
  expect(refusal(follow(confirm, 'POST')).code).toBe('MissingAuthenticationToken')
  expect(refusal({ ...follow(confirm), service: 'sqs' }).code).toBe('MissingAuthenticationToken')
})

describe('a presigned URL', () => {
  async function presigned(expiresIn = 900, url = '/?Action=ListTopics') {
    const signer = new SignatureV4({
      credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET },
      region: 'eu-west-1',
      service: 'sns',
      sha256: Sha256,
    })
    const [path = '/', query = ''] = url.split('?')
    const request = {
      method: 'GET',
      protocol: 'http:',
      hostname: 'localhost',
      path,
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: { host: 'localhost:4566' },
    }
    const signed = await signer.presign(request, { signingDate: now(), expiresIn })
    const params = new URLSearchParams(signed.query as Record<string, string>)
    return asked({ method: 'GET', url: `${path}?${params}`, headers: signed.headers })
  }

  it('is good until it expires', async () => {
    const good = await presigned()
    expect(authorize(good)).toBe(alice)
    clock.jumpWall(900_000)
    expect(authorize(good)).toBe(alice)
    clock.jumpWall(1_000)
    expect(refusal(good)).toEqual({ code: 'RequestExpired', status: 400, message: 'Request has expired.' })
    clock.jumpWall(-901_000)
  })

  it('signs its query, and is refused with a header that steers the service', async () => {
    const good = await presigned()
    expect(refusal({ ...good, url: good.url.replace('ListTopics', 'DeleteTopic') }).code).toBe('SignatureDoesNotMatch')
    expect(refusal({ ...good, url: `${good.url}&Extra=1` }).code).toBe('SignatureDoesNotMatch')
    expect(refusal(withHeader(good, 'x-amz-target', 'AmazonSQS.DeleteQueue')).code).toBe('SignatureDoesNotMatch')
    expect(refusal(withHeader(good, 'authorization', 'AWS4-HMAC-SHA256 x')).code).toBe('IncompleteSignature')
  })

  it('says how long it is good for: a second to seven days', async () => {
    const good = await presigned()
    for (const expires of ['0', '604801', '-1', '1e3', '']) {
      const url = good.url.replace('X-Amz-Expires=900', `X-Amz-Expires=${expires}`)
      expect(refusal({ ...good, url }).code).toBe('IncompleteSignature')
    }
    expect(refusal({ ...good, url: good.url.replace(/X-Amz-Date=[^&]*&/, '') }).message).toContain('X-Amz-Date')
    expect(refusal({ ...good, url: `${good.url}&X-Amz-Expires=900` }).message).toContain('twice')
  })
})

it('answers every mutilated signature with an error of AWS, and lets none in', async () => {
  const random = seededRandom(Number(process.env['SPINDLE_TEST_SEED'] ?? 7))
  const good = await bySmithy({ url: '/?a=1' })
  const pick = (max: number): number => Math.floor(random.float() * max)
  const hostile = ['', ',', '=', ';', '/', '%', '\u0000', '__proto__=1', 'é', 'Credential=', '9'.repeat(200)]
  const mutilate = (text: string): string => {
    const at = pick(text.length + 1)
    return text.slice(0, at) + (hostile[pick(hostile.length)] ?? '') + text.slice(at + pick(12))
  }
  let refused = 0
  for (let round = 0; round < 3_000; round++) {
    const authorization = mutilate(String(good.headers['authorization']))
    const inQuery = random.float() < 0.3
    const request = inQuery
      ? { ...without(good, 'authorization'), url: `/?${mutilate(`X-Amz-Algorithm=AWS4-HMAC-SHA256&${authorization}`)}` }
      : withHeader(good, 'authorization', authorization)
    if (!inQuery && sameWhenRead(authorization, String(good.headers['authorization']))) continue
    expect(refusal(request).status).toBeGreaterThanOrEqual(400)
    refused++
  }
  expect(refused).toBeGreaterThan(2_500)
})

/** Blanks, unknown fields and repeated names of headers change nothing that is signed. */
function sameWhenRead(a: string, b: string): boolean {
  const fields = (text: string) =>
    ['Credential', 'SignedHeaders', 'Signature'].map((name) =>
      new RegExp(`${name}=\\s*([^,]*)`).exec(text)?.[1]?.trim(),
    )
  const headers = (text: string | undefined) => [...new Set(text?.toLowerCase().split(';'))].sort().join(';')
  const [credential, names, signature] = fields(a)
  const [otherCredential, otherNames, otherSignature] = fields(b)
  return credential === otherCredential && headers(names) === headers(otherNames) && signature === otherSignature
}

function amzDate(): string {
  return `${now().toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}
