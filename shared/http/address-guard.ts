/**
 * Which addresses outgoing calls may reach: the public ones, and those that the operator's allow-list names.
 *
 * 1. The address that was looked at is the one that is connected to: the guard is the look-up of the connection itself, so a name
 *    that changes its answer between check and use gains nothing.
 * 2. A name with one refused address is refused as a whole.
 * 3. IPv6 forms that carry an IPv4 address are judged by that address, or refused.
 */
import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

export interface AddressGuard {
  isAllowed(address: string): boolean;
  /** For `net.connect`; fails with the code `ADDRESS_REFUSED`. */
  readonly lookup: LookupFunction;
}

export const ADDRESS_REFUSED = 'ADDRESS_REFUSED';

export interface AddressGuardOptions {
  /** Addresses and networks, e.g. `127.0.0.0/8`, `::1`. */
  readonly allow: readonly string[];
  /** The system's by default. */
  readonly lookup?: LookupFunction;
}

/** IANA's special-purpose registry, as far as it is not globally reachable; multicast and future use too. */
const REFUSED_IPV4 =
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4';
/** Inside the global unicast range: Teredo and its neighbours, documentation, 6to4. */
const REFUSED_IPV6 = '2001::/23 2001:db8::/32 2002::/16 3fff::/20';
const GLOBAL_IPV6 = '2000::/3';

export function createAddressGuard({
  allow,
  lookup = systemLookup as LookupFunction,
}: AddressGuardOptions): AddressGuard {
  const allowed = blockList(allow);
  const refused = blockList([...REFUSED_IPV4.split(' '), ...REFUSED_IPV6.split(' ')]);
  const global = blockList([GLOBAL_IPV6]);

  const isAllowed = (address: string): boolean => {
    const plain = unmapped(address);
    const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
    if (isIP(plain) === 0 || plain.includes('%')) return false;
    if (allowed.check(plain, family)) return true;
    return !refused.check(plain, family) && (family === 'ipv4' || global.check(plain, family));
  };

  return {
    isAllowed,
    lookup(hostname, options, callback) {
      lookup(hostname, { ...options, all: true }, (error, found) => {
        const addresses = Array.isArray(found) ? found : [];
        const [first] = addresses;
        if (error !== null) return callback(error, '', 0);
        if (first === undefined || !addresses.every(({ address }) => isAllowed(address))) {
          const refusal = new Error(`${hostname} has an address that may not be called.`);
          return callback(Object.assign(refusal, { code: ADDRESS_REFUSED }), '', 0);
        }
        return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family);
      });
    },
  };
}

/** @throws an error of Node's for what is not an address or network. */
function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** `::ffff:10.0.0.1`, in any spelling, is `10.0.0.1`. */
function unmapped(address: string): string {
  if (isIP(address) !== 6 || address.includes('%')) return address;
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  const [left, right] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${left >> 8}.${left & 255}.${right >> 8}.${right & 255}`;
}
