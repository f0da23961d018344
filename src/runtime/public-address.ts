/**
 * Is this an address of the public internet? Everything else stays out of reach of URLs that strangers give: this machine, private and
 * link-local networks (with the metadata services of clouds), carrier-grade NAT, multicast, what is reserved or for documentation,
 * and forms of IPv6 in which an IPv4 address hides. Sources: the IANA special-purpose address registries.
 */
import { BlockList, isIP } from 'node:net'

const closed4 = listOf('ipv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
])
/** Of IPv6 only global unicast is open, and of that not these. */
const open6 = listOf('ipv6', ['2000::/3'])
/** Protocol assignments with Teredo, documentation, 6to4. */
const closed6 = listOf('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'])

/** false also for what is no address. IPv4 in IPv6 (`::ffff:10.0.0.1`, NAT64) is never public. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !closed4.check(address, 'ipv4')
    case 6:
      return open6.check(address, 'ipv6') && !closed6.check(address, 'ipv6')
    default:
      return false
  }
}

/** Public, or this machine's loopback. IPv4 in IPv6 is neither. */
export function isLocalOrPublicAddress(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.')) || isPublicAddress(address)
}

function listOf(family: 'ipv4' | 'ipv6', subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [net = '', prefix] = subnet.split('/')
    list.addSubnet(net, Number(prefix), family)
  }
  return list
}
