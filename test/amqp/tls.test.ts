import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import amqp from 'amqplib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { mechanismsFor } from '../../src/frontends/amqp/sasl.ts'
import { servedAmqp } from './serving.ts'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (!hasOpenssl) console.log('skipped: AMQP over TLS, because openssl is not installed')

/** A certificate authority, a server of 127.0.0.1 and a client whose common name is `ann`, made for this test. */
function certificates() {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-amqp-tls-'))
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  try {
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=test ca',
    )
    writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1')
    for (const name of ['localhost', 'ann']) {
      openssl(
        'req',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
      )
      const sign = ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
      openssl(...sign, '-out', `${name}.pem`, '-extfile', 'names')
    }
    const read = (name: string): Buffer => readFileSync(file(name))
    return {
      ca: read('ca.pem'),
      server: { cert: read('localhost.pem'), key: read('localhost.key') },
      client: { cert: read('ann.pem'), key: read('ann.key') },
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('mechanisms', () => {
  const peer = { host: '192.0.2.1', loopback: false, tls: false, certificateName: undefined }

  it('with a password are for TLS and this machine, unless the operator says otherwise', () => {
    expect(mechanismsFor(peer, false)).toEqual([])
    expect(mechanismsFor(peer, true)).toEqual(['PLAIN', 'AMQPLAIN'])
    expect(mechanismsFor({ ...peer, loopback: true }, false)).toEqual(['PLAIN', 'AMQPLAIN'])
    expect(mechanismsFor({ ...peer, tls: true, certificateName: 'ann' }, false)).toEqual([
      'PLAIN',
      'AMQPLAIN',
      'EXTERNAL',
    ])
  })
})

describe.skipIf(!hasOpenssl)('over TLS', () => {
  it('a client certificate stands for its user (EXTERNAL), and a password works too (PLAIN)', async () => {
    const { ca, server, client } = certificates()
    const { port, users, listener } = await servedAmqp({
      tls: { ...server, ca, requestCert: true, rejectUnauthorized: false },
    })
    await users.put('ann', { password: 'pw', grants: [{ verbs: ['admin'], resources: ['*'] }] })
    const url = `amqps://127.0.0.1:${port}`
    const external = await amqp.connect(url, { ca: [ca], ...client, credentials: amqp.credentials.external() })
    onTestFinished(() => external.close())
    await (await external.createChannel()).assertQueue('q')
    const plain = await amqp.connect(`amqps://ann:pw@127.0.0.1:${port}`, { ca: [ca] })
    onTestFinished(() => plain.close())
    expect(listener.registry.connections().map(({ user, tls, authMechanism }) => [user, tls, authMechanism])).toEqual([
      ['ann', true, 'EXTERNAL'],
      ['ann', true, 'PLAIN'],
    ])
    await expect(amqp.connect(url, { ca: [ca], credentials: amqp.credentials.external() })).rejects.toThrow()
  })
})
