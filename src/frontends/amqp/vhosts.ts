/** Virtual hosts: `/` is always there; others are records `spindle/amqp/vhost/NAME` with JSON { description }. */
import type { Port, StoredRecord } from '../../broker/port.ts'
import { SpindleError } from '../../model/errors.ts'
import { DEFAULT_VHOST } from './names.ts'

const PREFIX = 'spindle/amqp/vhost/'
const PAGE = 1_000
/** Its percent-encoded form stands before each name in it, and names have at most 255 bytes. */
const NAME_BYTES_MAX = 128

export interface Vhost {
  readonly name: string
  readonly description: string
}

export async function vhostExists(port: Port, name: string): Promise<boolean> {
  return name === DEFAULT_VHOST || (await port.read(PREFIX + name)) !== undefined
}

/** `/` first. */
export async function listVhosts(port: Port): Promise<Vhost[]> {
  const found: Vhost[] = []
  let after: string | undefined
  for (;;) {
    const page = await port.scan(PREFIX, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    found.push(...page.map(decoded))
    after = page.at(-1)?.key
    if (page.length < PAGE) break
  }
  const first = found.find(({ name }) => name === DEFAULT_VHOST) ?? {
    name: DEFAULT_VHOST,
    description: 'Default virtual host',
  }
  return [first, ...found.filter(({ name }) => name !== DEFAULT_VHOST)]
}

/** Idempotent; replaces the description. Throws `invalid-argument` for an empty name or one over 128 bytes when percent-encoded. */
export async function putVhost(port: Port, { name, description }: Vhost): Promise<void> {
  if (name === '' || encodeURIComponent(name).length > NAME_BYTES_MAX) {
    throw new SpindleError('invalid-argument', `vhost name must have 1 to ${NAME_BYTES_MAX} bytes, percent-encoded`)
  }
  const value = Buffer.from(JSON.stringify({ description }))
  await port.transact([{ kind: 'record', key: PREFIX + name, value }])
}

/** Only its record: what is in it is its deleter's to remove first. */
export async function forgetVhost(port: Port, name: string): Promise<void> {
  await port.transact([{ kind: 'record', key: PREFIX + name, value: null }])
}

function decoded({ key, value }: StoredRecord): Vhost {
  const name = key.slice(PREFIX.length)
  try {
    const fields: unknown = JSON.parse(Buffer.from(value).toString('utf8'))
    const said = typeof fields === 'object' && fields !== null && 'description' in fields ? fields.description : ''
    return { name, description: typeof said === 'string' ? said : '' }
  } catch {
    return { name, description: '' }
  }
}
