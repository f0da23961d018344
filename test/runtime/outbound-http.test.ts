import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { outboundHttp } from '../../src/runtime/outbound-http.ts'
import { isPublicAddress } from '../../src/runtime/public-address.ts'

const NOTHING = new Uint8Array(0)
const post = (outbound: ReturnType<typeof outboundHttp>, url: string) =>
  outbound.post({ url, headers: {}, body: NOTHING })

async function listening(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const hosts: (string | undefined)[] = []
  const server = createServer((request, response) => {
    hosts.push(request.headers.host)
    answer(request, response)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  return { port: (server.address() as AddressInfo).port, hosts }
}

describe('an address', () => {
  it('is public only when the internet can reach it', () => {
    const open = ['8.8.8.8', '1.1.1.1', '172.32.0.1', '192.169.0.1', '2606:4700:4700::1111', '2a00:1450::1']
    const closed = [
      '0.0.0.0',
      '10.1.2.3',
      '100.64.0.1',
      '100.100.100.200',
      '127.0.0.1',
      '127.255.255.255',
      '169.254.169.254',
      '172.16.0.1',
      '172.31.255.255',
      '192.0.2.1',
      '192.168.1.1',
      '198.18.0.1',
      '224.0.0.1',
      '240.0.0.1',
      '255.255.255.255',
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '::ffff:a9fe:a9fe',
      '::127.0.0.1',
      '64:ff9b::a9fe:a9fe',
      '64:ff9b:1::1',
      '100::1',
      '2001::1',
      '2001:db8::1',
      '2002:7f00:1::',
      '3fff::1',
      'fc00::1',
      'fd00:ec2::254',
      'fe80::1',
      'fec0::1',
      'ff02::1',
      'localhost',
      '',
      '1.2.3',
    ]
    expect(open.filter((address) => !isPublicAddress(address))).toEqual([])
    expect(closed.filter(isPublicAddress)).toEqual([])
  })
})

describe('a request to a stranger', () => {
  it('goes to no address of this machine or its networks, however it is spelt', async () => {
    const { port, hosts } = await listening((_request, response) => response.end())
    const outbound = outboundHttp()
    const spelt = [
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[::]',
      '0',
      '169.254.169.254',
    ]
    for (const host of spelt) {
      expect(await post(outbound, `http://${host}:${port}/`), host).toMatchObject({ kind: 'refused' })
    }
    expect(await post(outbound, `http://localhost:${port}/`)).toMatchObject({ kind: 'refused' })
    expect(hosts).toEqual([])
  })

  it('goes to the address that was checked, whatever the name becomes', async () => {
    const { port, hosts } = await listening((_request, response) => response.end())
    const asked: string[] = []
    const outbound = outboundHttp({
      reach: 'any',
      addressesOf: (host) => {
        asked.push(host)
        return Promise.resolve(['127.0.0.1'])
      },
    })
    expect(await post(outbound, `http://rebound.example:${port}/x`)).toEqual({ kind: 'answered', status: 200 })
    expect(hosts).toEqual([`rebound.example:${port}`])
    expect(asked).toEqual(['rebound.example'])
  })

  it('is refused when one of the addresses of a name is private', async () => {
    const addressesOf = () => Promise.resolve(['8.8.8.8', '10.0.0.1'])
    expect(await post(outboundHttp({ addressesOf }), 'https://half.example/')).toEqual({
      kind: 'refused',
      why: 'half.example is 10.0.0.1, which is not a public address',
    })
    expect(await post(outboundHttp({ addressesOf: () => Promise.resolve([]) }), 'https://none.example/')).toMatchObject(
      {
        kind: 'failed',
      },
    )
    expect(
      await post(outboundHttp({ addressesOf: () => Promise.reject(new Error('ENOTFOUND')) }), 'https://gone.example/'),
    ).toEqual({ kind: 'failed', why: 'ENOTFOUND' })
  })

  it('follows no redirect', async () => {
    let calls = 0
    const { port } = await listening((_request, response) => {
      calls++
      response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end()
    })
    expect(await post(outboundHttp({ reach: 'any' }), `http://127.0.0.1:${port}/`)).toEqual({
      kind: 'answered',
      status: 302,
    })
    expect(calls).toBe(1)
  })

  it('ends when its time is over, or it is called off', async () => {
    const { port } = await listening(() => {})
    const outbound = outboundHttp({ reach: 'any', timeoutMs: 50 })
    expect(await post(outbound, `http://127.0.0.1:${port}/`)).toEqual({ kind: 'failed', why: 'no answer within 50 ms' })
    const slowName = outboundHttp({ timeoutMs: 50, addressesOf: () => new Promise(() => {}) })
    expect(await post(slowName, 'http://slow.example/')).toMatchObject({ kind: 'failed' })
    const off = AbortSignal.abort()
    const asked = { url: `http://127.0.0.1:${port}/`, headers: {}, body: NOTHING }
    expect(await outboundHttp({ reach: 'any' }).post(asked, off)).toMatchObject({ kind: 'failed' })
  })

  it('reads no more of an answer than it must', async () => {
    let sent = 0
    const { port } = await listening((_request, response) => {
      const chunk = Buffer.alloc(65_536)
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length
      }
      response.on('drain', more)
      more()
    })
    expect(await post(outboundHttp({ reach: 'any' }), `http://127.0.0.1:${port}/`)).toEqual({
      kind: 'answered',
      status: 200,
    })
    expect(sent).toBeLessThan(50_000_000)
  })

  it('is none for what is no web address', async () => {
    for (const url of [
      '',
      'x',
      'file:///etc/passwd',
      'ftp://example.com',
      `https://example.com/${'x'.repeat(3_000)}`,
    ]) {
      expect(await post(outboundHttp({ reach: 'any' }), url)).toMatchObject({ kind: 'refused' })
    }
  })
})
