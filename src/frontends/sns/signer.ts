/**
 * The key by which envelopes are signed, and the certificate that verifies them, served under `certificatePath` on this server's
 * own port. Made at first use and kept in the store, so that envelopes signed before a restart can be verified after it.
 */
import { createHash, createPrivateKey, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { Port } from '../../broker/port.ts'
import { isFault } from '../../model/errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { pemOf, selfSignedCertificate } from '../../wire/aws/x509.ts'
import { decodeRecord, encodeRecord, RECORD_PREFIX } from './record-codec.ts'

export interface SigningIdentity {
  readonly privateKey: KeyObject
  readonly certificatePem: string
  /** `/SimpleNotificationService-<hex>.pem` */
  readonly certificatePath: string
}

/** 1: SHA-1, SNS's default. 2: SHA-256. */
export type SignatureVersion = '1' | '2'

const KEY = `${RECORD_PREFIX}signing-key`
const KEY_BITS = 2_048
const YEAR_MS = 365 * 86_400_000
/** What certificate and key say of themselves. */
const HOST = 'sns.amazonaws.com'

interface StoredIdentity {
  readonly privateKeyPem: string
  readonly certificatePem: string
}

const newKeyPair = promisify(generateKeyPair)

export class Signer {
  readonly #port: Port
  readonly #clock: Clock
  readonly #random: Random
  #identity: Promise<SigningIdentity> | undefined

  constructor({ port, clock, random }: { readonly port: Port; readonly clock: Clock; readonly random: Random }) {
    this.#port = port
    this.#clock = clock
    this.#random = random
  }

  identity(): Promise<SigningIdentity> {
    if (this.#identity === undefined) {
      this.#identity = this.#load()
      this.#identity.catch(() => {
        this.#identity = undefined
      })
    }
    return this.#identity
  }

  /** Base64. Off the thread: a signature takes about a millisecond. */
  async sign(text: string, version: SignatureVersion): Promise<string> {
    const { privateKey } = await this.identity()
    const algorithm = version === '1' ? 'RSA-SHA1' : 'RSA-SHA256'
    return new Promise((resolve, reject) => {
      sign(algorithm, Buffer.from(text, 'utf8'), privateKey, (fault, signature) =>
        fault === null ? resolve(signature.toString('base64')) : reject(fault),
      )
    })
  }

  async #load(): Promise<SigningIdentity> {
    const known = await this.#port.read(KEY)
    if (known !== undefined) return identityOf(decodeRecord<StoredIdentity>(known.value))
    const made = await this.#make()
    try {
      await this.#port.transact([{ kind: 'record', key: KEY, value: encodeRecord(made), expect: 0 }])
      return identityOf(made)
    } catch (fault) {
      // Another process was faster: its key is the key.
      const theirs = isFault(fault, 'aborted') ? await this.#port.read(KEY) : undefined
      if (theirs === undefined) throw fault
      return identityOf(decodeRecord<StoredIdentity>(theirs.value))
    }
  }

  async #make(): Promise<StoredIdentity> {
    const { publicKey, privateKey } = await newKeyPair('rsa', { modulusLength: KEY_BITS })
    const nowMs = this.#clock.wallMs()
    const serial = Uint8Array.from(this.#random.bytes(16))
    serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
    const certificate = selfSignedCertificate(
      {
        publicKey: publicKey.export({ type: 'spki', format: 'der' }),
        commonName: HOST,
        dnsName: HOST,
        serial,
        validFromMs: nowMs - 86_400_000,
        validUntilMs: nowMs + 20 * YEAR_MS,
      },
      (tbs) => sign('RSA-SHA256', tbs, privateKey),
    )
    const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    return { privateKeyPem, certificatePem: pemOf(certificate) }
  }
}

function identityOf({ privateKeyPem, certificatePem }: StoredIdentity): SigningIdentity {
  const name = createHash('sha256').update(certificatePem).digest('hex').slice(0, 32)
  return {
    privateKey: createPrivateKey(privateKeyPem),
    certificatePem,
    certificatePath: `/SimpleNotificationService-${name}.pem`,
  }
}
