/** Virtual hosts: `/` is always there; others are records `spindle/amqp/vhost/NAME`. */
import type { Port } from '../../broker/port.ts'
import { DEFAULT_VHOST } from './names.ts'

const PREFIX = 'spindle/amqp/vhost/'

export async function vhostExists(port: Port, name: string): Promise<boolean> {
  return name === DEFAULT_VHOST || (await port.read(PREFIX + name)) !== undefined
}
