/** Is an address within a block? IPv4 and IPv6, `192.0.2.0/24` or a single address. */
import { BlockList, isIP } from 'node:net'

/** Of a server that listens on both families. */
const MAPPED = '::ffff:'

/** `10.0.0.1` for `::ffff:10.0.0.1`, as which a socket of both families shows it. */
export function plainAddress(address: string): string {
  const inner = address.toLowerCase().startsWith(MAPPED) ? address.slice(MAPPED.length) : address
  return isIP(inner) === 4 ? inner : address
}

/** undefined: the block or the address is none. Families never match each other. */
export function isInAddressBlock(address: string, block: string): boolean | undefined {
  const [net = '', bits, more] = block.split('/')
  const plain = plainAddress(address)
  const [family, netFamily] = [isIP(plain), isIP(net)]
  const bitsMax = netFamily === 4 ? 32 : 128
  const prefix = bits === undefined ? bitsMax : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  if (family === 0 || netFamily === 0 || more !== undefined || !(prefix <= bitsMax)) return undefined
  if (family !== netFamily) return false
  const list = new BlockList()
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(net, prefix, kind)
  return list.check(plain, kind)
}
