/**
 * A self-signed X.509 certificate, version 3, in DER: enough for verifiers of SNS envelopes to find a public key in it.
 *
 *   Certificate    SEQUENCE { tbs, SEQUENCE { sha256WithRSAEncryption, NULL }, BIT STRING signature }
 *   tbs            SEQUENCE { [0] version 2, serial, algorithm, issuer, SEQUENCE { from, until }, subject, public key, [3] extensions }
 *
 * Source: RFC 5280 section 4.1; the DER of each type: X.690.
 */
export interface CertificateFields {
  /** As `KeyObject.export({ type: 'spki', format: 'der' })` gives it. An RSA key. */
  readonly publicKey: Uint8Array
  readonly commonName: string
  /** The host for which it speaks. */
  readonly dnsName: string
  /** 1 to 20 bytes, the first below 0x80. */
  readonly serial: Uint8Array
  readonly validFromMs: number
  readonly validUntilMs: number
}

/** `sign`: RSA PKCS#1 v1.5 with SHA-256. */
export function selfSignedCertificate(fields: CertificateFields, sign: (tbs: Uint8Array) => Uint8Array): Uint8Array {
  const name = sequence(set(sequence(COMMON_NAME, utf8(fields.commonName))))
  const tbs = sequence(
    tagged(0, VERSION_3),
    integer(fields.serial),
    SHA256_WITH_RSA,
    name,
    sequence(time(fields.validFromMs), time(fields.validUntilMs)),
    name,
    fields.publicKey,
    tagged(3, sequence(sequence(ALTERNATIVE_NAME, octets(sequence(der(0x82, Buffer.from(fields.dnsName, 'latin1'))))))),
  )
  return sequence(tbs, SHA256_WITH_RSA, der(0x03, NO_UNUSED_BITS, sign(tbs)))
}

/** With line breaks, as PEM files have them. */
export function pemOf(certificate: Uint8Array): string {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** sha256WithRSAEncryption: 1.2.840.113549.1.1.11, and its empty parameters. */
const SHA256_WITH_RSA = Uint8Array.from([
  0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00,
])
/** commonName: 2.5.4.3 */
const COMMON_NAME = Uint8Array.from([0x06, 0x03, 0x55, 0x04, 0x03])
/** subjectAltName: 2.5.29.17 */
const ALTERNATIVE_NAME = Uint8Array.from([0x06, 0x03, 0x55, 0x1d, 0x11])
const VERSION_3 = Uint8Array.from([0x02, 0x01, 0x02])
const NO_UNUSED_BITS = Uint8Array.of(0)

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts)
  return Buffer.concat([Uint8Array.of(tag), lengthOf(content.length), content])
}

/** Below 128 one byte; else the count of the bytes that follow, and these. */
function lengthOf(bytes: number): Uint8Array {
  if (bytes < 0x80) return Uint8Array.of(bytes)
  return bytes < 0x100 ? Uint8Array.of(0x81, bytes) : Uint8Array.of(0x82, bytes >> 8, bytes & 0xff)
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return der(0x30, ...parts)
}

function set(...parts: readonly Uint8Array[]): Uint8Array {
  return der(0x31, ...parts)
}

function tagged(number: number, content: Uint8Array): Uint8Array {
  return der(0xa0 | number, content)
}

function integer(bytes: Uint8Array): Uint8Array {
  return der(0x02, bytes)
}

function octets(content: Uint8Array): Uint8Array {
  return der(0x04, content)
}

function utf8(text: string): Uint8Array {
  return der(0x0c, Buffer.from(text, 'utf8'))
}

/** UTCTime `260101000000Z` before 2050, GeneralizedTime `20500101000000Z` from then on (RFC 5280 section 4.1.2.5). */
function time(wallMs: number): Uint8Array {
  const text = new Date(wallMs).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')
  const isShort = text < '2050'
  return der(isShort ? 0x17 : 0x18, Buffer.from(`${isShort ? text.slice(2) : text}Z`, 'latin1'))
}
