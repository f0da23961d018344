/** Who is it? PLAIN (RFC 4616), AMQPLAIN (a table without its length: LOGIN, PASSWORD) and EXTERNAL (the name in the TLS certificate). */
import type { Users } from '../../broker/users.ts'
import { ALL_GRANTED, type Identity, identityOf } from '../../model/access.ts'
import { ByteReader } from '../../wire/amqp/byte-reader.ts'
import { ByteWriter } from '../../wire/amqp/byte-writer.ts'
import { readTable, textOf } from '../../wire/amqp/field-table.ts'
import { WireError } from '../../wire/amqp/protocol.ts'

/** What is known of the other side before it says anything. */
export interface Peer {
  /** Its address; failures to log in are counted by it. */
  readonly host: string
  readonly loopback: boolean
  readonly tls: boolean
  /** The common name of a client certificate that was verified. */
  readonly certificateName: string | undefined
}

const GUEST: Identity = identityOf({ name: 'guest', tags: ['administrator'], grants: ALL_GRANTED })
const PASSWORD_BYTES_MAX = 8_192

/** The names for connection.start. Passwords travel over TLS or loopback only, unless `insecure`. */
export function mechanismsFor(peer: Peer, insecure: boolean): readonly string[] {
  const passwords = peer.tls || peer.loopback || insecure ? ['PLAIN', 'AMQPLAIN'] : []
  return peer.certificateName === undefined ? passwords : [...passwords, 'EXTERNAL']
}

/** undefined: no such user, or it did not prove to be it. */
export async function authenticate(
  users: Users,
  peer: Peer,
  mechanism: string,
  response: Uint8Array,
): Promise<Identity | undefined> {
  if (mechanism === 'EXTERNAL') return external(users, peer)
  const credentials = mechanism === 'PLAIN' ? plain(response) : amqplain(response)
  if (credentials === undefined) return undefined
  const { name, password } = credentials
  if (users.configured()) return users.withPassword(name, password, peer.host)
  // Nobody is configured: the user that clients take for granted, from this machine alone.
  return peer.loopback && name === 'guest' && password === 'guest' ? GUEST : undefined
}

function external(users: Users, { certificateName }: Peer): Identity | undefined {
  const user = certificateName === undefined ? undefined : users.find(certificateName)
  return user && identityOf(user)
}

interface Credentials {
  readonly name: string
  readonly password: string
}

function plain(response: Uint8Array): Credentials | undefined {
  if (response.length > PASSWORD_BYTES_MAX) return undefined
  const parts = Buffer.from(response).toString('utf8').split('\0')
  const [, name, password] = parts
  return parts.length === 3 && name !== undefined && password !== undefined ? { name, password } : undefined
}

function amqplain(response: Uint8Array): Credentials | undefined {
  if (response.length > PASSWORD_BYTES_MAX) return undefined
  const writer = new ByteWriter()
  writer.longstr(response)
  try {
    const table = readTable(new ByteReader(writer.result()))
    const [name, password] = [textOf(table.get('LOGIN')), textOf(table.get('PASSWORD'))]
    return name !== undefined && password !== undefined ? { name, password } : undefined
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}
