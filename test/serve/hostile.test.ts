import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { parseGrant } from '../../src/model/access.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { listenHttp } from '../../src/server/http-listener.ts'
import { type TestServer, testServer } from './test-server.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function server(settings: Parameters<typeof testServer>[0] = {}): Promise<TestServer> {
  const one = await testServer(settings)
  cleanups.push(() => one.close())
  return one
}

/** A socket that says what it is told; `answer` is everything that came until the other side closed. */
async function raw(url: string, text: string): Promise<{ readonly socket: Socket; readonly answer: Promise<string> }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  cleanups.push(() => socket.destroy())
  let heard = ''
  socket.on('data', (chunk: Buffer) => {
    heard += chunk
  })
  socket.on('error', () => {})
  const answer = new Promise<string>((resolve) => socket.on('close', () => resolve(heard)))
  await new Promise((resolve) => socket.on('connect', resolve))
  socket.write(text)
  return { socket, answer }
}

describe('a server', () => {
  it('drops a client that never ends its headers, while others are served', async () => {
    const listener = await listenHttp({
      host: '127.0.0.1',
      port: 0,
      handler: (_request, response) => response.end('here'),
      connectionsMax: 10,
      log: silentLog,
      headersMs: 50,
    })
    cleanups.push(() => listener.close(0))
    const { answer } = await raw(listener.url, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')
    expect(await (await fetch(listener.url)).text()).toBe('here')
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('refuses headers over its limit', async () => {
    const { url } = await server()
    const { answer } = await raw(
      url,
      `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`,
    )
    expect(await answer).toMatch(/^HTTP\/1\.1 431 /)
  })

  it.each([
    ['no request at all', 'hello\r\n\r\n', 400],
    ['two lengths', 'POST /api/v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    [
      'a length and chunks',
      'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['AMQP on the HTTP port', 'AMQP\u0000\u0000\u0009\u0001', 400],
  ])('answers %s with %d', async (_what, text, status) => {
    const { url } = await server()
    const { answer } = await raw(url, text)
    expect(await answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })

  it('takes no more connections than it may, and new ones once some are gone', async () => {
    const { url } = await server({ connectionsMax: 2 })
    const first = await raw(url, '')
    const second = await raw(url, '')
    const third = await raw(url, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await third.answer).toBe('')
    for (const { socket } of [first, second]) socket.destroy()
    await Promise.all([first.answer, second.answer])
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })

  it('says nothing of itself in an answer to nonsense', async () => {
    const { url } = await server()
    for (const path of [
      '/api/v1/%00',
      '/api/v1/queues/%2e%2e%2f',
      '/api',
      '/api/v2/queues',
      '/../../etc/passwd',
      '//',
    ]) {
      const { socket, answer } = await raw(url, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
      const text = await answer
      socket.destroy()
      expect(text).toMatch(/^HTTP\/1\.1 40[0-9] /)
      expect(text).not.toMatch(/node_modules|\.ts:\d|at \w+ \(/)
    }
  })
})

describe('over TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-tls-'))
  const file = (name: string): string => join(folder, name)
  const made = certificate()

  function certificate(): boolean {
    try {
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
      const files = ['-keyout', file('key.pem'), '-out', file('cert.pem')]
      execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...subject, ...files], {
        stdio: 'ignore',
      })
      return true
    } catch {
      return false
    }
  }

  it.skipIf(!made)(
    'listens on the network for users, and stays closed when the last one goes (needs openssl)',
    async () => {
      const tls = { cert: readFileSync(file('cert.pem')), key: readFileSync(file('key.pem')) }
      const users = new Map([['ada', { grants: [parseGrant('admin:*')], tokens: ['0123456789abcdef'] }]])
      const one = await server({ host: '0.0.0.0', tls, declarations: { users } })
      expect(one.exposure).toEqual({ kind: 'closed' })
      expect(one.url).toMatch(/^https:\/\/0\.0\.0\.0:\d+$/)
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const options = {
          host: '127.0.0.1',
          port: new URL(one.url).port,
          path: '/api/v1/queues',
          ca: tls.cert,
          headers: { authorization: 'Bearer 0123456789abcdef' },
        }
        httpsRequest(options, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
          .on('error', reject)
          .end()
      })
      expect(status).toBe(200)
      await one.users.remove('ada')
      expect(one.users.configured()).toBe(true)
      rmSync(folder, { recursive: true })
    },
  )

  it('rejects a certificate that is none, and lets go of the store', async () => {
    const tls = { cert: Buffer.from('no'), key: Buffer.from('no') }
    await expect(testServer({ tls })).rejects.toThrow(/^tls: the certificate or its key cannot be used/)
  })
})
