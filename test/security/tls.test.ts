import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type TestServer, testServer } from '../serve/test-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'spindle-tls-'))
const file = (name: string): string => join(folder, name)
afterAll(() => rmSync(folder, { recursive: true }))

const started: TestServer[] = []
afterEach(async () => {
  for (const one of started.splice(0)) await one.close()
})

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore', cwd: folder })
}

/** `name.pem` and `name.key`, signed by `ca`, or by itself. */
function certificate(name: string, ca?: string): void {
  const keyAndName = ['-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-subj', `/CN=${name}`]
  if (ca === undefined) openssl('req', '-x509', '-days', '1', ...keyAndName, '-out', `${name}.pem`)
  else {
    openssl('req', ...keyAndName, '-out', `${name}.csr`)
    openssl(
      'x509',
      '-req',
      '-days',
      '1',
      '-in',
      `${name}.csr`,
      '-CA',
      `${ca}.pem`,
      '-CAkey',
      `${ca}.key`,
      '-CAcreateserial',
      '-out',
      `${name}.pem`,
    )
  }
}

const hasOpenssl = (() => {
  try {
    for (const name of ['first', 'second', 'authority']) certificate(name)
    certificate('client', 'authority')
    return true
  } catch {
    return false
  }
})()

const pair = (name: string) => ({ cert: readFileSync(file(`${name}.pem`)), key: readFileSync(file(`${name}.key`)) })

/** The name in the certificate that a new connection is shown; how it ended when it was refused. */
function greeted(url: string, credentials: { cert?: Buffer; key?: Buffer } = {}): Promise<string> {
  return new Promise((resolve) => {
    const { port } = new URL(url)
    const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false, ...credentials })
    let name = ''
    socket.on('secureConnect', () => {
      name = String(socket.getPeerCertificate().subject.CN)
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    })
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer.startsWith('HTTP/1.1 200') || answer.startsWith('AMQP') ? name : 'refused'))
  })
}

describe.skipIf(!hasOpenssl)('a server over TLS (needs openssl)', () => {
  it('takes a renewed certificate for new connections, and keeps the old one when the new one cannot be used', async () => {
    let files = pair('first')
    const server = await testServer({ tls: { ...files, read: async () => files }, amqpPort: 0 })
    started.push(server)
    const url = server.url
    const amqp = server.amqpUrl || String(server.listening.find(({ kind }) => kind === 'amqp')?.url)
    expect(await greeted(url)).toBe('first')
    files = pair('second')
    await server.renewCertificates()
    expect(await greeted(url)).toBe('second')
    // AMQP answers what is no protocol header with its own, over the same new certificate.
    expect(await greeted(amqp)).toBe('second')
    files = { cert: readFileSync(file('first.pem')), key: readFileSync(file('second.key')) }
    await server.renewCertificates()
    expect(await greeted(url)).toBe('second')
    files = { cert: Buffer.from('half a fi'), key: files.key }
    await server.renewCertificates()
    expect(await greeted(url)).toBe('second')
  })

  it('asks clients for a certificate where it is told to', async () => {
    const ca = readFileSync(file('authority.pem'))
    const required = await testServer({ tls: { ...pair('first'), clientCa: ca } })
    const optional = await testServer({ tls: { ...pair('first'), clientCa: ca, clients: 'optional' } })
    started.push(required, optional)
    expect(await greeted(required.url)).toBe('refused')
    expect(await greeted(required.url, pair('second'))).toBe('refused')
    expect(await greeted(required.url, pair('client'))).toBe('first')
    expect(await greeted(optional.url)).toBe('first')
    expect(await greeted(optional.url, pair('client'))).toBe('first')
  })

  it('looks at its files by itself', async () => {
    const { Certificates } = await import('../../src/server/certificates.ts')
    const { VirtualClock } = await import('../../src/testing/virtual-clock.ts')
    const clock = new VirtualClock()
    const told: string[] = []
    const log = { info: (text: string) => told.push(text), warn() {}, error: (text: string) => told.push(text) }
    writeFileSync(file('live.pem'), readFileSync(file('first.pem')))
    writeFileSync(file('live.key'), readFileSync(file('first.key')))
    const certificates = new Certificates({ ...pair('first'), read: async () => pair('live') }, { clock, log })
    certificates.watch()
    await clock.advance(10_000)
    expect(told).toEqual([])
    writeFileSync(file('live.pem'), readFileSync(file('second.pem')))
    await clock.advance(10_000)
    expect(told).toEqual(['the certificate on disk cannot be used; the one before stays'])
    writeFileSync(file('live.key'), readFileSync(file('second.key')))
    await clock.advance(10_000)
    expect(told).toHaveLength(2)
    expect(certificates.options().cert).toEqual(pair('second').cert)
    certificates.close()
  })
})
